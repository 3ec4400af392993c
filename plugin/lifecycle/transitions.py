"""The stage history of many customers, with the reason for each change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import TEXT, Bools, Column, Ints, known, text_numbers
from plugin.domain.engagement import ENGAGEMENT, engagement
from plugin.domain.history import Before, Entered, Journey, Standing, journey, journey_in_turn, stays
from plugin.domain.instants import FOREVER
from plugin.domain.lifecycles import LifecycleModel, classify, models_read
from plugin.domain.measures import Orders, measure
from plugin.domain.ragged import first_after
from plugin.domain.reasons import Reason, reasons
from plugin.domain.rules.batch import Batch
from plugin.domain.rules.clauses import answer
from plugin.domain.rules.places import Form, Place
from plugin.domain.rules.reads import clauses, columns_read, functions_read, places
from plugin.domain.rules.syntax import Matches, Rule
from plugin.lifecycle.frames import Frame
from plugin.lifecycle.plan import Plan, Told


@dataclass(frozen=True, slots=True)
class Trail:
    """Every entry into a stage or rung of one model, and the JSON of its reasons."""

    path: Journey
    entered: Entered
    because: list[str]
    until: Ints | None = None  # per customer of the frame, where rules read stages: when the latest verdict ends


@dataclass(frozen=True, slots=True)
class History:
    """One model's history, for the rules of others. `until`: when each customer's latest stage may end."""

    model: LifecycleModel
    trail: Trail
    until: Ints

    def at(self, customer: Ints, at: Ints, calendar: ShopCalendar) -> dict[str, Column]:
        """The columns of its stage for pairs."""
        path, entered = self.trail.path, self.trail.entered
        starts = np.searchsorted(path.customer, customer)
        stops = np.searchsorted(path.customer, customer, side="right")
        place = first_after(path.at, starts, stops, at) - 1
        nowhere = place < starts
        place = np.where(nowhere, 0, place)
        if not len(path):
            nothing = np.full(len(customer), -1, dtype=np.int64)
            return stage_columns(self.model, Before(nothing, nothing, nothing), self.until[customer], calendar)
        state = Before(*(np.where(nowhere, -1, held[place]) for held in (path.stage, entered.since, entered.previous)))
        follows = np.where(nowhere, starts, place + 1)
        following = path.at[np.minimum(follows, len(path) - 1)]
        until = np.where(follows < stops, following, self.until[customer])
        return stage_columns(self.model, state, until, calendar)


Others = Mapping[str, History]
_MOST_TOLD: Final = 2_000  # texts of one rule
NO_OTHERS: Final[Others] = MappingProxyType({})


def state_columns(model: LifecycleModel, state: Before, calendar: ShopCalendar) -> dict[str, Column]:
    """As rules read them: `stage:<model>` and its like."""
    keys = np.array([*model.keys, ""], dtype=TEXT)  # -1, in no stage, is the last
    nowhere = state.stage < 0
    return {
        f"stage:{model.key}": Column(keys[state.stage], nowhere),
        f"since_day:{model.key}": Column(np.where(nowhere, 0, calendar.day_of(state.since)), nowhere),
        f"previous_stage:{model.key}": Column(keys[state.previous], (state.previous < 0) | nowhere),
    }


def stage_columns(model: LifecycleModel, state: Before, until: Ints, calendar: ShopCalendar) -> dict[str, Column]:
    """The same with the instant until which the stage stands."""
    return {**state_columns(model, state, calendar), f"stage_valid_until:{model.key}": known(until)}


def with_columns(batch: Batch, columns: Mapping[str, Column]) -> Batch:
    """`batch` with columns of stages, and no answer that was given without them."""
    answers = {
        clause: leaf
        for clause, leaf in batch.answers.items()
        if all(place.model is None for place in places(clause, batch.primary_model))
    }
    return replace(batch, columns={**batch.columns, **columns}, answers=answers)


def trace(
    model: LifecycleModel, frame: Frame, plan: Plan, *, whose: Bools | None = None, others: Others = NO_OTHERS
) -> Trail:
    """From the instant each customer (of `whose` it is true, or everyone) was first known through `plan.as_of`.
    `others`: what is told of the models whose stages this one's rules read."""
    customers, instants = known_instants(frame)
    if whose is not None:
        customers, instants = customers[whose[customers]], instants[whose[customers]]
    if models_read(model, plan.primary_model):
        return _trace_in_turn(model, frame, plan, (customers, instants), others)

    def judge(customer: Ints, at: Ints) -> Standing:
        return classify(model, past_batch(tuple(model), frame, plan, customer, at))

    path = journey(customers, instants, until=plan.as_of, judge=judge)
    batch = past_batch(tuple(model), frame, plan, path.customer, path.at)
    return Trail(path, stays(path), because(model, path, batch, plan.told))


def _trace_in_turn(model: LifecycleModel, frame: Frame, plan: Plan, facts: tuple[Ints, Ints], others: Others) -> Trail:
    """The same where rules read stages: of other models, and of their own as it was before."""
    calendar = plan.calendar

    def batch_of(customer: Ints, at: Ints, before: Before) -> Batch:
        columns: dict[str, Column] = {}
        for told in others.values():
            columns |= told.at(customer, at, calendar)
        columns |= state_columns(model, before, calendar)
        return with_columns(past_batch(tuple(model), frame, plan, customer, at), columns)

    def judge(customer: Ints, at: Ints, before: Before) -> Standing:
        return classify(model, batch_of(customer, at, before))

    def tomorrow(at: Ints) -> Ints:
        return calendar.start_of(calendar.day_of(at) + 1)

    path, wakes = journey_in_turn(*facts, until=plan.as_of, judge=judge, again=tomorrow)
    entered, opens = stays(path), path.opens

    def one_back(values: Ints) -> Ints:
        return np.where(opens, -1, np.roll(values, 1))

    before = Before(one_back(path.stage), one_back(entered.since), one_back(entered.previous))
    texts = because(model, path, batch_of(path.customer, path.at, before), plan.told)
    until = np.full(len(frame), FOREVER, dtype=np.int64)
    until[: len(wakes)] = wakes
    return Trail(path, entered, texts, until)


def histories(frame: Frame, plan: Plan) -> dict[str, History]:
    """Of everyone, of each model of the plan in its turn."""
    everyone = np.arange(len(frame), dtype=np.int64)
    now = np.full(len(frame), plan.as_of, dtype=np.int64)
    told: dict[str, History] = {}
    for model in plan.models:
        trail = trace(model, frame, plan, others=told)
        until = trail.until
        if until is None:
            until = classify(model, past_batch(tuple(model), frame, plan, everyone, now)).valid_until
        told[model.key] = History(model, trail, until)
    return told


def first_known(frame: Frame) -> Ints:
    """Per customer: the instant its record was made or, where an import is older, of its first order."""
    orders = frame.orders
    first = frame.created_at.copy()
    lives = _living(orders)
    np.minimum.at(first, _owners(orders)[lives], orders.processed_at[lives])
    return first


def known_instants(frame: Frame) -> tuple[Ints, Ints]:
    """Customers and instants at which a fact may change where they stand: first known, ordered, voided,
    refunded, touched."""
    orders = frame.orders
    owner, lives = _owners(orders), _living(orders)
    voided = lives & (orders.voided_at < FOREVER)
    refund_of = orders.refund_order
    touched, touched_at = _touched(frame)
    customers = (np.arange(len(frame)), owner[lives], owner[voided], owner[refund_of], touched)
    refunded_at = np.maximum(orders.refund_at, orders.processed_at[refund_of])
    first = first_known(frame)
    left = _left(frame)
    open_for = np.flatnonzero(~left.null)
    instants = (first, orders.processed_at[lives], orders.voided_at[voided], refunded_at)
    later = (touched_at, left.values[open_for])  # nobody has a place before she is known
    known_from = (first[touched], first[open_for])
    return np.concatenate((*customers, open_for)), np.concatenate(
        (*instants, *(np.maximum(at, begin) for at, begin in zip(later, known_from, strict=True)))
    )


def _touched(frame: Frame) -> tuple[Ints, Ints]:
    """Customers and instants of touchpoints; orders among them are told already."""
    if "touchpoints" not in frame.tables:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    offsets, columns = frame.tables["touchpoints"]
    owner = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
    told = columns["kind"].values != "order"
    return owner[told], columns["processed_at"].values[told]


def _owners(orders: Orders) -> Ints:
    return np.repeat(np.arange(len(orders.offsets) - 1, dtype=np.int64), np.diff(orders.offsets))


def _living(orders: Orders) -> NDArray[np.bool_]:
    """Orders that counted at some time."""
    return orders.voided_at > orders.processed_at


def past_batch(rules: tuple[Rule, ...], frame: Frame, plan: Plan, customer: Ints, at: Ints) -> Batch:
    """Pairs with what `rules` read of them: measures as of each instant, and what the shop states now."""
    wanted = frozenset(name for name in columns_read(rules, plan.primary_model) if ":" not in name)
    columns = measured(frame, plan, customer, at, wanted)
    columns |= {name: taken(column, customer) for name, column in stated(frame, plan).items() if name in wanted}
    left = taken(_left(frame), customer)
    for name in columns.keys() & {"abandoned_checkout_at", "abandoned_checkout_day"}:  # not known before it was begun
        columns[name] = Column(columns[name].values, columns[name].null | (left.values > at))
    for name in wanted - columns.keys():  # RFM: where somebody stood among the others is not kept
        columns[name] = Column(np.zeros(len(at), dtype=np.int64), np.ones(len(at), dtype=np.bool_))
    rows = frame.rows(customer) if functions_read(rules) else {}
    return Batch(at, plan.calendar.day_of(at), plan.calendar, columns, rows, plan.primary_model)


def measured(frame: Frame, plan: Plan, customer: Ints, at: Ints, wanted: frozenset[str]) -> dict[str, Column]:
    """What orders and touchpoints say of pairs."""
    engaged = bool(wanted & ENGAGEMENT)
    of_orders = wanted | {"last_order_at"} if engaged else wanted
    columns = measure(frame.orders, customer, at, calendar=plan.calendar, lapse=plan.lapse, wanted=of_orders)
    if engaged:
        table = frame.tables.get("touchpoints")
        columns |= engagement(table, customer, at, columns["last_order_at"], plan.calendar)
    return columns


def stated(frame: Frame, plan: Plan) -> dict[str, Column]:
    """The columns of the profile that no order says."""
    added = {"added_at": known(frame.created_at), "added_day": known(plan.calendar.day_of(frame.created_at))}
    return {
        **_unpredicted(frame),
        **frame.attributes,
        **added,
        "abandoned_checkout_day": _day_of(_left(frame), plan),
        "replenishment_day": _day_of(_needed(frame), plan),
        **_next_order(frame, plan),
    }


def _day_of(instant: Column, plan: Plan) -> Column:
    return Column(np.where(instant.null, 0, plan.calendar.day_of(instant.values)), instant.null)


def _unpredicted(frame: Frame) -> dict[str, Column]:
    """Columns of predictions where none were read."""
    null = np.ones(len(frame), dtype=np.bool_)
    real, whole = Column(np.zeros(len(frame)), null), Column(np.zeros(len(frame), dtype=np.int64), null)
    return {"probability_alive": real, "expected_orders": real, "predicted_clv": whole, "next_order_day": whole,
            "replenishment_at": whole}  # fmt: skip


def _next_order(frame: Frame, plan: Plan) -> dict[str, Column]:
    """When the day begins by which an order is expected."""
    day = frame.attributes.get("next_order_day") or _unpredicted(frame)["next_order_day"]
    return {"next_order_at": Column(np.where(day.null, 0, plan.calendar.start_of(day.values)), day.null)}


def _left(frame: Frame) -> Column:
    """When each customer began the latest checkout that has not become an order."""
    return frame.attributes.get("abandoned_checkout_at", _nobody(frame))


def _needed(frame: Frame) -> Column:
    """When each customer needs something again that she bought."""
    return frame.attributes.get("replenishment_at", _nobody(frame))


def _nobody(frame: Frame) -> Column:
    return Column(np.zeros(len(frame), dtype=np.int64), np.ones(len(frame), dtype=np.bool_))


def taken(column: Column, rows: Ints) -> Column:
    return Column(column.values[rows], column.null[rows])


def because(model: LifecycleModel, path: Journey, batch: Batch, told: Told) -> list[str]:
    """JSON per entry. A shop has few different reasons, so that each is put into words once: entries that compare the
    same values, with the same verdicts, share the text that `told` keeps of them."""
    texts = np.full(len(path), "[]", dtype=object)
    for position, stage in enumerate(model.stages):
        for rung in range(len(stage.rungs) + 1):
            rows = np.flatnonzero((path.stage == position) & (path.rung == rung))
            if len(rows):
                texts[rows] = _texts(stage.rule_of(rung), batch, rows, told)
    return texts.tolist()


def _texts(rule: Rule, batch: Batch, rows: Ints, told: Told) -> NDArray[np.object_]:
    codes = np.stack([*_values_shown(rule, batch, rows), *_verdicts(rule, batch, rows)], axis=1)
    first, which = _distinct(codes)
    texts, of_rule = np.empty(len(first), dtype=object), told.setdefault(rule, {})
    if len(of_rule) > _MOST_TOLD:
        of_rule.clear()  # memory stays flat, however many customers a shop has
    for number, row in enumerate(first.tolist()):
        key = codes[row].tobytes()
        if key not in of_rule:
            of_rule[key] = reasons_json(reasons(rule, batch, int(rows[row])))
        texts[number] = of_rule[key]
    return texts[which]


def _distinct(codes: Ints) -> tuple[Ints, Ints]:
    """Of rows of numbers: one place of each different row, and for each row which of them it is."""
    factors = np.random.default_rng(7).integers(1, 2**62, codes.shape[1]) * 2 + 1  # odd: no column is lost
    with np.errstate(over="ignore"):
        mixed = (codes * factors).sum(axis=1)
    _, first, which = np.unique(mixed, return_index=True, return_inverse=True)
    if (codes[first[which]] == codes).all():
        return first, which
    _, first, which = np.unique(codes, axis=0, return_index=True, return_inverse=True)  # two rows fell on one number
    return first, which.reshape(-1)


def _values_shown(rule: Rule, batch: Batch, rows: Ints) -> Iterator[Ints]:
    for place in places(rule, batch.primary_model):
        yield from _codes(place, batch, rows)


def _verdicts(rule: Rule, batch: Batch, rows: Ints) -> Iterator[Ints]:
    """Of each clause the verdict, and of a function the number of rows that a reason tells."""
    for clause in clauses(rule):
        leaf = answer(clause, batch)
        yield leaf.holds[rows].astype(np.int64)
        if isinstance(clause, Matches) and leaf.rows is not None:
            yield leaf.rows[rows]


def _codes(place: Place, batch: Batch, rows: Ints) -> tuple[Ints, Ints]:
    """Whole numbers that are equal where the values shown are equal, and whether they are missing."""
    if place.form is Form.NOWHERE:
        nothing = np.zeros(len(rows), dtype=np.int64)
        return nothing, nothing
    column = taken(batch.column(place.day if place.form in (Form.DATE, Form.AGE) else place.value), rows)
    missing = column.null.astype(np.int64)
    match place.form:
        case Form.AGE:
            return np.where(column.null, 0, batch.today[rows] - column.values), missing
        case Form.REAL:
            return column.values.view(np.int64), missing
        case Form.TEXT | Form.LIST:
            return text_numbers(column.values), missing
        case _:
            return column.values, missing


def reasons_json(told: tuple[Reason, ...]) -> str:
    return orjson.dumps([
        {"measure": r.measure, "value": r.value, "operator": r.operator, "threshold": r.threshold} for r in told
    ]).decode()  # fmt: skip
