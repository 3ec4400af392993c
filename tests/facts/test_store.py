"""The fact sheet counted from the ledger, kept, and asked for over GraphQL, on both databases."""

from plugin.domain.fact_sheet import Verdict
from plugin.domain.instants import to_us
from plugin.installations import Gateways
from plugin.jobs.handlers import Handlers
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.removals import delete_customer
from plugin.ledger.store import Store
from plugin.lifecycle.fact_sheet import kept_fact_sheet, refresh_fact_sheet
from plugin.settings import Settings
from tests.support.graphql_world import CANARY, running_world
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import NOW, a_shop

SHOP = a_shop(7, timezone="America/New_York", scopes=frozenset({"read_all_orders"}))
DOCUMENT = """{ factSheet { computedAt leftOut { what count } lines {
  key claim { text value } counted since until timeZone rule verdict notes leftOut { what count }
  values { label unit value low high n denominator } } } }"""


async def put_orders(store: Store, shop_id: int) -> None:
    people = range(1, 13)
    await write_customers(store, shop_id, [a_customer(number, "2025-01-01T12:00:00Z") for number in people])
    firsts = [an_order(number, number, "2025-01-02T03:00:00Z") for number in people]  # still 1 January in New York
    seconds = [an_order(100 + number, number, "2025-02-01T12:00:00Z") for number in people if number > 8]
    others = [
        an_order(201, None, "2025-02-01T12:00:00Z"),
        an_order(202, 1, "2025-02-01T12:00:00Z", test=True),
        an_order(203, 1, "2025-02-02T12:00:00Z", cancelled_at=to_us(NOW) - 1),
        an_order(204, 1, "2025-02-02T12:00:00Z", total="5.00", refunds=[("2025-02-03T12:00:00Z", "5.00")]),
        an_order(205, 1, "2027-01-01T12:00:00Z"),
        an_order(206, 99, "2025-01-02T03:00:00Z"),
    ]
    await write_orders(store, shop_id, [*firsts, *seconds, *others])


async def test_the_sheet_is_counted_from_the_shops_own_orders_and_kept(store: Store) -> None:
    await put_orders(store, SHOP.id)
    await write_customers(store, 8, [a_customer(1, "2025-01-01T12:00:00Z")])
    await write_orders(store, 8, [an_order(1, 1, "2025-01-01T12:00:00Z"), an_order(2, 1, "2025-01-05T12:00:00Z")])
    assert await kept_fact_sheet(store.database, SHOP.id) is None
    sheet = await refresh_fact_sheet(store, SHOP, now=NOW)
    assert await kept_fact_sheet(store.database, SHOP.id) == (to_us(NOW), sheet)
    assert {part.what: part.count for part in sheet.left_out} == {
        "orders cancelled or refunded in full": 2, "orders dated after the day of the sheet": 1, "orders of guests": 1,
        "test orders": 1, "orders of customers who are deleted or not known yet": 1,
    }  # fmt: skip
    lines = {line.key: line for line in sheet.lines}
    day_0 = lines["first_purchase_day"].values[0]
    assert (day_0.label, day_0.n, day_0.denominator) == ("all buyers: day 0", 12, 12)
    assert [(value.n, value.denominator) for value in lines["second_purchase"].values] == [(0, 12)] + [(4, 12)] * 4
    assert await kept_fact_sheet(store.database, 8) is None


async def test_who_is_deleted_is_in_the_next_sheet_no_more(store: Store) -> None:
    await put_orders(store, SHOP.id)
    await refresh_fact_sheet(store, SHOP, now=NOW)
    async with store.database.transaction() as session:
        await delete_customer(session, SHOP.id, 12, at=to_us(NOW))
    sheet = await refresh_fact_sheet(store, SHOP, now=NOW)
    assert {line.values[-1].denominator for line in sheet.lines if line.key == "second_purchase"} == {11}
    rows = await store.database.fetch("SELECT computed_at FROM fact_sheets WHERE shop_id = $1", SHOP.id)
    assert rows == [(to_us(NOW),)]


async def test_a_sheet_of_another_version_is_as_good_as_none(store: Store) -> None:
    await refresh_fact_sheet(store, SHOP, now=NOW)
    await store.database.execute("UPDATE fact_sheets SET sheet = '{\"lines\": 3}' WHERE shop_id = $1", SHOP.id)
    assert await kept_fact_sheet(store.database, SHOP.id) is None


async def test_graphql_reads_what_is_kept_and_counts_nothing_itself(store: Store) -> None:
    async with running_world(store) as world:
        first = (await world.data(DOCUMENT))["factSheet"]
        assert first == {"computedAt": None, "leftOut": [], "lines": []}
        assert world.jobs.asked == [("facts", world.a.id, {})]
        await put_orders(store, world.a.id)
        await refresh_fact_sheet(store, world.a, now=NOW)
        world.database.statements.clear()
        sheet = (await world.data(DOCUMENT))["factSheet"]
        assert not [sql for sql in world.database.statements if "orders" in sql]
        assert sheet["computedAt"] == "2026-11-23T12:00:00Z"
        lines = {line["key"]: line for line in sheet["lines"]}
        assert len(lines) == 8
        line = lines["second_purchase"]
        assert (line["claim"]["value"], line["timeZone"], line["since"]) == (0.5, "UTC", "2025-01-02")
        assert line["verdict"] in {verdict.value for verdict in Verdict}
        assert CANARY not in str(sheet)
        assert len(world.jobs.asked) == 1
        assert await world.code(DOCUMENT, caller="a:read_customers") == "ACCESS_DENIED"


async def test_the_job_makes_the_sheet_that_was_asked_for(settings: Settings, store: Store) -> None:
    async with running_world(store) as world:
        handlers = Handlers(settings, store, Gateways(settings, store, lambda: NOW), world.jobs, lambda: NOW)
        assert await handlers.by_kind()["facts"](world.a.id) == {"lines": 8}
        assert (await world.data(DOCUMENT))["factSheet"]["computedAt"] == "2026-11-23T12:00:00Z"
