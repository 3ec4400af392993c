"""Figures by period and the map of journeys: exact values worked out by hand, on both databases."""

from typing import Any

from plugin.domain.calendar import day_date
from plugin.domain.metrics import MetricName
from plugin.ledger.database import Upsert
from tests.support.graphql_world import World
from tests.support.small_shop import DAY, TODAY, put

METRIC = """query($name: MetricName!, $since: Date!, $until: Date!, $by: Granularity) {
  metrics(name: $name, since: $since, until: $until, granularity: $by) {
    name unit granularity description points { since until value of amount { amount currencyCode } } } }"""
MAP = """query($since: Date!, $until: Date!, $model: String) { journeyMap(since: $since, until: $until, model: $model) {
  model { key } since until stages { stage { key } channels {
    channel touchpoints customers dropOffs handOvers { to touchpoints } } } } }"""
NOON = DAY // 2
TOUCHES = Upsert(
    table="touchpoints",
    columns=("shop_id", "source", "event_id", "customer_id", "visitor", "kind", "channel", "at", "outcome", "score",
             "received_at"),
    key=("shop_id", "source", "event_id"),
)  # fmt: skip


def day(number: int) -> str:
    return day_date(number).isoformat()


def at(days_ago: int, part: int = NOON) -> int:
    return (TODAY - days_ago) * DAY + part


def touch(world: World, number: int, kind: str, when: int, *, of: int | None = None, **more: Any) -> tuple[Any, ...]:
    return (
        world.a.id, more.get("source", "partner"), f"m{number}", of, more.get("visitor"), kind,
        more.get("channel", "web"), when, more.get("outcome"), more.get("score"), when,
    )  # fmt: skip


async def sold(world: World, number: int, days_ago: int, total: int, customer: int | None, **more: Any) -> None:
    await put(world.store.database, "orders", [{
        "id": number, "customer_id": customer, "processed_at": at(days_ago), "created_at": at(days_ago),
        "total": total, "current_total": total, "counted": True, "test": False, **more,
    }], world.a.id)  # fmt: skip


async def points(world: World, name: str, first: int, last: int, by: str = "DAY", **more: Any) -> list[Any]:
    found = await world.data(METRIC, name=name, since=day(TODAY - first), until=day(TODAY - last), by=by, **more)
    return found["metrics"]["points"]


async def values(world: World, name: str, first: int, last: int, by: str = "DAY") -> list[Any]:
    return [point["value"] for point in await points(world, name, first, last, by)]


async def test_orders_and_money_by_day(world: World) -> None:
    await world.store.database.execute("DELETE FROM orders WHERE shop_id = $1", world.a.id)
    await sold(world, 900, 2, 100_000, 1)
    await sold(world, 901, 2, 50_000, None)
    await sold(world, 902, 0, 70_000, 2)
    await sold(world, 903, 0, 990_000, 2, counted=False)
    await sold(world, 904, 0, 990_000, 2, voided_at=at(0))
    assert await values(world, "ORDERS", 2, 0) == [2, 0, 1]
    assert await values(world, "NET_SALES", 2, 0) == [15.0, 0.0, 7.0]
    [third, second, first] = reversed(await points(world, "AVERAGE_ORDER_VALUE", 2, 0))
    assert (first["value"], first["of"], first["amount"]) == (7.5, 2, {"amount": "7.5", "currencyCode": "EUR"})
    assert (second["value"], second["of"], second["amount"]) == (None, 0, None)
    assert (third["value"], third["since"], third["until"]) == (7.0, day(TODAY), day(TODAY))


async def test_rates_are_of_what_they_say(world: World) -> None:
    await world.store.database.execute("DELETE FROM orders WHERE shop_id = $1", world.a.id)
    first = [row[0] for row in await world.store.database.fetch(
        "SELECT first_order_at FROM profiles WHERE shop_id = $1 AND customer_id = 1", world.a.id
    )]  # fmt: skip
    await sold(world, 910, 1, 10_000, 1)  # later than the first of customer 1
    await sold(world, 911, 1, 10_000, 4)  # who has none: not a repeated order
    await sold(world, 912, 1, 10_000, None)
    assert first[0] < at(1)
    [point] = await points(world, "REPEAT_RATE", 1, 1)
    assert (point["value"], point["of"]) == (0.5, 2)
    await world.store.database.upsert(TOUCHES, [
        touch(world, 1, "email_sent", at(1), of=1, channel="email"),
        touch(world, 2, "email_sent", at(1), of=2, channel="email"),
        touch(world, 3, "email_open", at(1), of=1, channel="email"),
        touch(world, 4, "email_open", at(1), of=2, channel="email", outcome="machine"),
        touch(world, 5, "sms_sent", at(1), of=2, channel="sms"),
        touch(world, 6, "email_click", at(0), of=1, channel="email"),
        touch(world, 7, "survey", at(1), of=1, score=10),
        touch(world, 8, "survey", at(1), of=2, score=9),
        touch(world, 9, "survey", at(1), of=3, score=7),
        touch(world, 10, "survey", at(1), of=5, score=0),
        touch(world, 11, "visit", at(1), of=1, visitor="b1"),
        touch(world, 12, "visit", at(1), of=1, visitor="b2"),
        touch(world, 13, "visit", at(1), visitor="b3"),
        touch(world, 14, "offer_shown", at(1), of=1, source="rebloom"),
        touch(world, 15, "offer_shown", at(1), of=1, source="pixel"),
    ])  # fmt: skip
    assert await values(world, "OPEN_RATE", 1, 0) == [0.5, None]
    assert await values(world, "MESSAGE_CLICK_RATE", 1, 0) == [0.0, None]
    assert await values(world, "MESSAGES_SENT", 1, 1) == [3]
    assert await values(world, "NPS", 1, 1) == [25.0]
    assert (await values(world, "VISITS", 1, 1), await values(world, "VISITORS", 1, 1)) == ([3], [2])
    assert (await values(world, "IMPRESSIONS", 1, 1), await values(world, "CLICK_THROUGH_RATE", 1, 1)) == ([1], [0.0])


async def test_moves_between_stages_and_new_customers(world: World) -> None:
    # Six customers each departed 40 and 10 days ago and returned 30 days ago (`graphql_world`).
    assert await values(world, "DEPARTURES", 41, 9, "DAY") == [
        6 if days in {40, 10} else 0 for days in range(41, 8, -1)
    ]
    assert sum(await values(world, "RETURNS", 41, 0, "WEEK")) == 6
    held = await world.store.database.fetch(
        "SELECT count(*) FROM customers WHERE shop_id = $1 AND created_at >= 0", world.a.id
    )
    all_time = await world.data(METRIC, name="NEW_CUSTOMERS", since="2000-01-01", until=day(TODAY), by="MONTH")
    assert sum(point["value"] for point in all_time["metrics"]["points"]) <= held[0][0]


async def test_every_metric_is_described_and_answered_and_the_other_shop_is_not_in_it(world: World) -> None:
    for name in MetricName:
        found = (await world.data(METRIC, name=name.name, since=day(TODAY - 60), until=day(TODAY), by="MONTH"))[
            "metrics"
        ]
        assert found["description"]
        assert [found["points"][0]["since"], found["points"][-1]["until"]] == [day(TODAY - 60), day(TODAY)]
    await sold(world, 990, 0, 10_000, 1)
    assert (await values(world, "ORDERS", 0, 0))[0] >= 1
    before = await world.data(METRIC, caller="b", name="ORDERS", since=day(TODAY), until=day(TODAY), by="DAY")
    await sold(world, 991, 0, 10_000, 1)
    assert before == await world.data(METRIC, caller="b", name="ORDERS", since=day(TODAY), until=day(TODAY), by="DAY")


async def test_a_time_that_is_none_or_too_long_is_refused(world: World) -> None:
    backwards = {"name": "ORDERS", "since": day(TODAY), "until": day(TODAY - 1), "by": "DAY"}
    assert await world.code(METRIC, **backwards) == "BAD_REQUEST"
    assert await world.code(METRIC, name="ORDERS", since="1990-01-01", until="2026-01-01", by="DAY") == "BAD_REQUEST"
    assert await world.code(MAP, since=day(TODAY), until=day(TODAY), model="nonsense") == "BAD_REQUEST"
    assert await world.code(MAP, since=day(TODAY), until=day(TODAY - 1)) == "BAD_REQUEST"
    assert await world.code(METRIC, caller="a:read_customers", **backwards) == "ACCESS_DENIED"


async def test_the_map_tells_where_journeys_went_and_ended(world: World) -> None:
    await world.store.database.execute("DELETE FROM orders WHERE shop_id = $1", world.a.id)
    # Customers 1 and 2 returned 30 days ago, and have been active since 20 days ago until 10 days ago.
    await world.store.database.upsert(TOUCHES, [
        touch(world, 21, "email_open", at(25), of=1, channel="email"),
        touch(world, 22, "visit", at(25, NOON + 1), of=1),
        touch(world, 23, "visit", at(15), of=2),
        touch(world, 24, "email_open", at(15, NOON + 2), of=2, channel="email"),
        touch(world, 25, "visit", at(15, NOON + 3), visitor="nobody"),
    ])  # fmt: skip
    await sold(world, 920, 15, 10_000, 1)
    found = (await world.data(MAP, since=day(TODAY - 26), until=day(TODAY - 14)))["journeyMap"]
    assert (found["model"]["key"], found["since"]) == ("buyer-activity", day(TODAY - 26))
    told = {stage["stage"]["key"]: stage["channels"] for stage in found["stages"]}
    assert list(told) == ["visitor", "new_buyer", "active", "departing", "returned"]
    assert told["visitor"] == told["new_buyer"] == told["departing"] == []
    assert told["returned"] == [
        {"channel": "EMAIL", "touchpoints": 1, "customers": 1, "dropOffs": 0,
         "handOvers": [{"to": "WEB", "touchpoints": 1}]},
        {"channel": "WEB", "touchpoints": 1, "customers": 1, "dropOffs": 0,
         "handOvers": [{"to": "WEB", "touchpoints": 1}]},
    ]  # fmt: skip
    assert told["active"] == [
        {"channel": "WEB", "touchpoints": 2, "customers": 2, "dropOffs": 1,
         "handOvers": [{"to": "EMAIL", "touchpoints": 1}]},
        {"channel": "EMAIL", "touchpoints": 1, "customers": 1, "dropOffs": 1, "handOvers": []},
    ]  # fmt: skip
    other = (await world.data(MAP, caller="b", since=day(TODAY - 26), until=day(TODAY - 14)))["journeyMap"]
    assert [stage["channels"] for stage in other["stages"]] == [[]] * 5
