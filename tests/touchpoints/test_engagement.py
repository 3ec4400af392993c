"""What touchpoints do to measures, stages and segments: from the store to the profile, and back in time."""

from datetime import timedelta

from plugin.domain.engagement import complaint_changes
from plugin.domain.instants import to_us
from plugin.domain.touchpoints import MERCHANT, read_touchpoint
from plugin.ledger.stage_readers import placements_at
from plugin.ledger.store import Store
from plugin.ledger.touchpoints import record_touchpoints
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.segments import create_segment
from plugin.lifecycle.sweep import sweep
from tests.lifecycle.conftest import dump, put_facts
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import NOW, NOW_US, a_shop

SHOP = a_shop(1, computed_models=(), lapse_mode="FIXED", optional_stages="ON")
NOTED = ("shop_id", "computed_at", "recorded_at", "joined_at", "taken_at")


def told(number: int, kind: str, days_ago: float, customer: int = 1, **more: object):
    at = (NOW - timedelta(days=days_ago)).isoformat()
    given = {"id": f"e-{number}", "kind": kind, "customerId": str(customer), "at": at, **more}
    return read_touchpoint(given, MERCHANT, now=NOW_US)


async def profile(store: Store, customer: int = 1) -> tuple[object, ...]:
    [row] = await store.database.fetch(
        "SELECT last_seen_day, nps_score, open_complaint FROM profiles WHERE shop_id = 1 AND customer_id = $1", customer
    )
    return row


async def stages(store: Store, customer: int = 1) -> dict[str, str]:
    rows = await store.database.fetch(
        "SELECT model, stage FROM placements WHERE shop_id = 1 AND customer_id = $1", customer
    )
    return dict(rows)


async def test_touchpoints_move_stages_and_segments_at_once(store: Store) -> None:
    await put_facts(store, 1, ([a_customer(1, "2026-01-01T00:00:00Z")], []))
    watched = await create_segment(
        store, SHOP, name="Lookers", query="storefront.product_viewed MATCHES (date > -30d, count >= 2)", now=NOW
    )
    await recompute_shop(store, SHOP, as_of=NOW)
    assert await profile(store) == (None, None, 0)
    assert (await stages(store))["awareness-bonding"] == "awareness"
    views = [told(n, "product_view", n, productId="gid://shopify/Product/9") for n in (1, 2)]
    await record_touchpoints(store, 1, views, now=NOW)
    assert await sweep(store, SHOP, as_of=NOW) == 1
    found = await stages(store)
    assert (found["awareness-bonding"], found["journey-funnel"]) == ("evaluation", "consideration")
    members = await store.database.fetch("SELECT segment_id, customer_id FROM segment_members WHERE shop_id = 1")
    assert members == [(watched.id, 1)]
    assert await sweep(store, SHOP, as_of=NOW) == 0
    later = NOW + timedelta(days=29, hours=1)  # the older of the two leaves the window, then the other
    await sweep(store, SHOP, as_of=later)
    assert await store.database.fetch("SELECT 1 FROM segment_members WHERE shop_id = 1") == []
    [at] = [
        row.since_at
        for row in (await placements_at(store.database, 1, [1], NOW_US))[1]
        if row.model == "journey-funnel"
    ]
    assert at == NOW_US - 2 * 86_400_000_000  # when she looked, not when we heard


async def test_answers_reviews_and_complaints(store: Store) -> None:
    orders = [an_order(1, 1, (NOW - timedelta(days=20)).isoformat())]
    await put_facts(store, 1, ([a_customer(1, "2026-01-01T00:00:00Z"), a_customer(2, "2026-01-01T00:00:00Z")], orders))
    events = [
        told(1, "survey", 9, score=3), told(2, "survey", 5, score=10), told(3, "visit", 8), told(4, "email_sent", 1),
        told(5, "email_open", 1, outcome="machine"), told(6, "support", 7, subject="case:1", outcome="complaint"),
        told(7, "support", 6, subject="case:2", outcome="complaint"), told(8, "support", 4, subject="case:1", outcome="resolved"),
        told(9, "survey", 3, 2, score=0),
    ]  # fmt: skip
    await record_touchpoints(store, 1, events, now=NOW)
    await recompute_shop(store, SHOP, as_of=NOW)
    today = NOW_US // 86_400_000_000
    assert await profile(store) == (today - 4, 10, 1)
    assert await profile(store, 2) == (today - 3, 0, 0)
    assert (await stages(store))["awareness-advocacy"] == "advocacy"
    before = {
        row.model: row.stage for row in (await placements_at(store.database, 1, [1], to_us(NOW - timedelta(days=6))))[1]
    }
    assert before["awareness-advocacy"] == "conversion"  # the answer was 3 then
    await record_touchpoints(store, 1, [told(10, "support", 2, subject="case:2", outcome="resolved")], now=NOW)
    await recompute_customers(store, SHOP, [1], as_of=NOW)
    assert await profile(store) == (today - 2, 10, 0)


async def test_in_any_order_and_number_they_end_in_one_history(store: Store) -> None:
    whole = a_shop(2, computed_models=(), lapse_mode="FIXED", optional_stages="ON")
    people = [a_customer(1, (NOW - timedelta(days=100)).isoformat())]
    orders = [
        an_order(1, 1, (NOW - timedelta(days=60)).isoformat()),
        an_order(2, 1, (NOW - timedelta(days=10)).isoformat()),
    ]
    events = [
        told(n, kind, days, score=9 if kind == "survey" else None)
        for n, (kind, days) in enumerate(
            [
                ("product_view", 90),
                ("cart", 61),
                ("survey", 40),
                ("share", 5),
                ("visit", 99.5),
                ("search", 120),
                ("cart", 2),
            ]
        )
    ]
    await put_facts(store, 1, (people, orders[:1]))
    await recompute_shop(store, SHOP, as_of=NOW - timedelta(days=30))
    for batch in (events[3:], events[:2], events[1:4], events):
        await record_touchpoints(store, 1, batch, now=NOW)
        await sweep(store, SHOP, as_of=NOW)
    await put_facts(store, 1, (people, orders))
    await recompute_customers(store, SHOP, [1], as_of=NOW)
    await put_facts(store, 2, (people, orders))
    await record_touchpoints(store, 2, events, now=NOW)
    await recompute_shop(store, whole, as_of=NOW)
    await recompute_shop(store, SHOP, as_of=NOW)
    left, right = await dump(store, 1, but=NOTED), await dump(store, 2, but=NOTED)
    for table in ("profiles", "placements", "stage_transitions"):
        assert left[table] == right[table], table


def test_a_case_opens_once_and_closes_once() -> None:
    cases = [
        (1, "a", "complaint"), (1, "a", "complaint"), (1, "b", "complaint"), (1, "a", "resolved"), (1, "a", "resolved"),
        (1, "c", "resolved"), (1, "b", None), (2, "b", "resolved"), (2, "b", "complaint"),
    ]  # fmt: skip
    assert complaint_changes(cases) == [1, 0, 1, -1, 0, 0, 0, 0, 1]
