"""Figures by period, and the map of touchpoints by stage and channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.scalars import Money, money
from graphql_schema.spans import Granularity
from graphql_schema.stages.types import LifecycleModel, Stage, model_type, stage_named, stage_of
from plugin.domain.calendar import day_date
from plugin.domain.lifecycles import LifecycleModel as Model
from plugin.domain.metrics import UNITS, MetricName, MetricUnit
from plugin.domain.money import from_scaled
from plugin.domain.touchpoints import Channel
from plugin.ledger.metrics import Reached, Step

_LIFECYCLE = [Access(scope=Scope.READ_LIFECYCLE)]
_DESCRIPTIONS: Final = {
    MetricName.ORDERS: "Orders that count: no tests, not cancelled, not fully refunded.",
    MetricName.NET_SALES: "What was paid for them, less what was paid back.",
    MetricName.AVERAGE_ORDER_VALUE: "NET_SALES by ORDERS.",
    MetricName.REPEAT_RATE: "Of the orders of known customers, the share that was not the customer's first.",
    MetricName.NEW_CUSTOMERS: "Customers that the shop came to know, those of today's customers.",
    MetricName.NEW_BUYERS: "Customers who ordered for the first time.",
    MetricName.CONVERSION_RATE: "Of NEW_CUSTOMERS, the share that has ordered by now.",
    MetricName.DEPARTURES: "Moves into the stage `departing` of the model `buyer-activity`; later rungs are none.",
    MetricName.RETURNS: "Moves into its stage `returned`.",
    MetricName.VISITS: "Touchpoints of the kind VISIT.",
    MetricName.VISITORS: "Different customers and browsers among them.",
    MetricName.PRODUCT_VIEWS: "Touchpoints of the kind PRODUCT_VIEW.",
    MetricName.MESSAGES_SENT: "E-mails, text messages and push messages.",
    MetricName.OPEN_RATE: "Opens of e-mails, not by machines, by e-mails sent.",
    MetricName.MESSAGE_CLICK_RATE: "Clicks in e-mails and text messages by those sent.",
    MetricName.IMPRESSIONS: "Offers shown: once for an offer, a placement and a day.",
    MetricName.CLICKS: "Offers clicked, counted alike.",
    MetricName.CLICK_THROUGH_RATE: "CLICKS by IMPRESSIONS.",
    MetricName.NPS: "Promoters (9 and 10) less detractors (0 to 6) in per cent of the surveys answered.",
}

strawberry.enum(
    MetricName,
    description="A figure of the shop. " + " ".join(f"{name.name}: {text}" for name, text in _DESCRIPTIONS.items()),
)
strawberry.enum(MetricUnit, description="What a value is: a COUNT, CURRENCY of the shop, a RATE of 0 to 1, or a SCORE.")


@strawberry.type(description="A figure in one period.", directives=_LIFECYCLE)
class MetricPoint:
    since: date = strawberry.field(description="The first day, of the shop.")
    until: date = strawberry.field(description="The last day; periods at both ends may be shorter than the others.")
    value: float | None = strawberry.field(description="The figure; null for a rate of nothing.")
    amount: Money | None = strawberry.field(description="The same as exact money where the unit is CURRENCY.")
    of: int | None = strawberry.field(description="How many a rate, an average or a score is of; null for a count.")


@strawberry.type(description="A figure by period.", directives=_LIFECYCLE)
class MetricSeries:
    name: MetricName = strawberry.field(description="Which figure.")
    description: str = strawberry.field(description="How it is counted.")
    unit: MetricUnit = strawberry.field(description="What its values are.")
    granularity: Granularity = strawberry.field(description="How the time is cut.")
    points: list[MetricPoint] = strawberry.field(description="One for each period, in order, empty ones included.")


def series_of(
    name: MetricName,
    granularity: Granularity,
    days: Sequence[int],
    counts: Sequence[tuple[int, int | None]],
    currency: str,
) -> MetricSeries:
    """`days`: first days of the spans, and the day after the last."""
    unit = UNITS[name]
    points = []
    for first, after, (whole, of) in zip(days[:-1], days[1:], counts, strict=True):
        if of == 0:
            value, amount = None, None
        elif unit is MetricUnit.CURRENCY:
            scaled = whole if of is None else round(whole / of)
            value, amount = float(from_scaled(scaled)), money(scaled, currency)
        else:
            value, amount = whole / (of or 1), None
        points.append(MetricPoint(since=day_date(first), until=day_date(after - 1), value=value, amount=amount, of=of))
    return MetricSeries(name=name, description=_DESCRIPTIONS[name], unit=unit, granularity=granularity, points=points)


@strawberry.type(description="Touchpoints of one channel while customers stood in one stage.", directives=_LIFECYCLE)
class JourneyChannel:
    channel: Channel = strawberry.field(description="Where they happened.")
    touchpoints: int = strawberry.field(description="How many, orders among them.")
    customers: int = strawberry.field(description="Different customers.")
    drop_offs: int = strawberry.field(description="How often it was a customer's last of the time.")
    hand_overs: list[HandOver] = strawberry.field(description="Which channels the customers' next ones came by.")


@strawberry.type(description="From one channel to the next.", directives=_LIFECYCLE)
class HandOver:
    to: Channel = strawberry.field(description="The channel of the next touchpoint, the same one included.")
    touchpoints: int = strawberry.field(description="How often.")


@strawberry.type(description="A stage on the map.", directives=_LIFECYCLE)
class JourneyStage:
    stage: Stage | None = strawberry.field(description="The stage at the instant; null for customers who had none.")
    channels: list[JourneyChannel] = strawberry.field(description="The channels that were used, the busiest first.")


@strawberry.type(
    description="Touchpoints of known customers by the stage they stood in and by channel, with where they went next.",
    directives=_LIFECYCLE,
)
class JourneyMap:
    model: LifecycleModel = strawberry.field(description="The model whose stages these are.")
    since: date = strawberry.field(description="The first day, of the shop.")
    until: date = strawberry.field(description="The last day.")
    stages: list[JourneyStage] = strawberry.field(
        description="In the order of the model, those without touchpoints included; what has no stage comes last."
    )


def map_of(model: Model, days: tuple[date, date], steps: Sequence[Step], reached: Sequence[Reached]) -> JourneyMap:
    customers = {(each.stage, each.channel): each.customers for each in reached}
    told: Counter[tuple[str | None, str]] = Counter()
    later: dict[tuple[str | None, str], Counter[str]] = {}
    ends: Counter[tuple[str | None, str]] = Counter()
    for step in steps:
        place = step.stage, step.channel
        told[place] += step.touchpoints
        if step.then is None:
            ends[place] += step.touchpoints
        else:
            later.setdefault(place, Counter())[step.then] += step.touchpoints

    def channels(stage: str | None) -> list[JourneyChannel]:
        used = sorted((place for place in told if place[0] == stage), key=lambda place: (-told[place], place[1]))
        return [
            JourneyChannel(
                channel=Channel(place[1]),
                touchpoints=told[place],
                customers=customers[place],
                drop_offs=ends[place],
                hand_overs=[
                    HandOver(to=Channel(to), touchpoints=count)
                    for to, count in sorted(later.get(place, Counter()).items(), key=lambda item: (-item[1], item[0]))
                ],
            )
            for place in used
        ]

    stages = [JourneyStage(stage=stage_of(rule), channels=channels(rule.key)) for rule in model.stages]
    others = sorted({place[0] for place in told if place[0] is not None and place[0] not in model.keys})
    stages += [JourneyStage(stage=stage_named(model, key), channels=channels(key)) for key in others]
    if any(place[0] is None for place in told):
        stages.append(JourneyStage(stage=None, channels=channels(None)))
    return JourneyMap(model=model_type(model), since=days[0], until=days[1], stages=stages)
