"""Figures by period, counted by the database: one statement for a whole, one for what it is a share of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from plugin.domain.metrics import MetricName
from plugin.ledger.database import Database
from plugin.ledger.journeys import CHANNEL_OF_ORDER

_M = MetricName


class _Count(NamedTuple):
    """`what` of the rows of `table` whose `at` is in the period and of which `where` holds; rows are `x`."""

    table: str
    at: str
    what: str = "COUNT(*)"
    where: str = "1 = 1"


_SOLD: Final = "x.counted AND x.voided_at IS NULL"
_KNOWN: Final = "x.deleted_at IS NULL AND x.merged_into IS NULL"
_FIRST: Final = "(SELECT p.first_order_at FROM profiles p WHERE p.shop_id = x.shop_id AND p.customer_id = x.{customer})"
_BY_MAN: Final = "(x.outcome IS NULL OR x.outcome <> 'machine')"
_OURS: Final = "x.source = 'rebloom'"
_ORDERS: Final = _Count("orders", "x.processed_at", where=_SOLD)
_NEW: Final = _Count("customers", "x.created_at", where=_KNOWN)


def _told(*kinds: str, what: str = "COUNT(*)", where: str = "1 = 1") -> _Count:
    named = ", ".join(f"'{kind}'" for kind in kinds)
    return _Count("touchpoints", "x.at", what, f"x.kind IN ({named}) AND {where}")


def _entered(stage: str) -> _Count:
    """Moves into a stage of `buyer-activity`; from one rung to the next is none."""
    return _Count(
        "stage_transitions", "x.at",
        where=f"x.model = 'buyer-activity' AND x.to_stage = '{stage}' AND COALESCE(x.from_stage, '') <> '{stage}'",
    )  # fmt: skip


_SENT: Final = _told("email_sent", "sms_sent", "push_sent")
_SHOWN: Final = _told("offer_shown", where=_OURS)
_CLICKED: Final = _told("offer_clicked", where=_OURS)
_ANSWERED: Final = _told("survey", where="x.score IS NOT NULL")
# What is counted, and what it is a share of.
_COUNTS: Final[dict[MetricName, tuple[_Count, _Count | None]]] = {
    _M.ORDERS: (_ORDERS, None),
    _M.NET_SALES: (_ORDERS._replace(what="SUM(x.current_total)"), None),
    _M.AVERAGE_ORDER_VALUE: (_ORDERS._replace(what="SUM(x.current_total)"), _ORDERS),
    _M.REPEAT_RATE: (
        _ORDERS._replace(where=f"{_SOLD} AND x.processed_at > {_FIRST.format(customer='customer_id')}"),
        _ORDERS._replace(where=f"{_SOLD} AND x.customer_id IS NOT NULL"),
    ),
    _M.NEW_CUSTOMERS: (_NEW, None),
    _M.NEW_BUYERS: (_Count("profiles", "x.first_order_at"), None),
    _M.CONVERSION_RATE: (_NEW._replace(where=f"{_KNOWN} AND {_FIRST.format(customer='id')} IS NOT NULL"), _NEW),
    _M.DEPARTURES: (_entered("departing"), None),
    _M.RETURNS: (_entered("returned"), None),
    _M.VISITS: (_told("visit"), None),
    _M.VISITORS: (
        _told("visit", what="COUNT(DISTINCT COALESCE('c' || CAST(x.customer_id AS TEXT), 'v' || x.visitor))"), None,
    ),
    _M.PRODUCT_VIEWS: (_told("product_view"), None),
    _M.MESSAGES_SENT: (_SENT, None),
    _M.OPEN_RATE: (_told("email_open", where=_BY_MAN), _told("email_sent")),
    _M.MESSAGE_CLICK_RATE: (_told("email_click", "sms_click"), _told("email_sent", "sms_sent")),
    _M.IMPRESSIONS: (_SHOWN, None),
    _M.CLICKS: (_CLICKED, None),
    _M.CLICK_THROUGH_RATE: (_CLICKED, _SHOWN),
    _M.NPS: (
        _ANSWERED._replace(what="SUM(CASE WHEN x.score >= 9 THEN 100 WHEN x.score <= 6 THEN -100 ELSE 0 END)"),
        _ANSWERED,
    ),
}  # fmt: skip


async def counted(
    database: Database, shop_id: int, name: MetricName, windows: Sequence[tuple[int, int]]
) -> list[tuple[int, int | None]]:
    """For each window (instants, from and before): the whole, and what it is a share of where it is one. Money in
    ten-thousandths."""
    whole, of = _COUNTS[name]
    wholes = await _by_window(database, shop_id, whole, windows)
    if of is None:
        return [(each, None) for each in wholes]
    return list(zip(wholes, await _by_window(database, shop_id, of, windows), strict=True))


async def _by_window(database: Database, shop_id: int, count: _Count, windows: Sequence[tuple[int, int]]) -> list[int]:
    listed = ", ".join(f"({place}, {int(start)}, {int(end)})" for place, (start, end) in enumerate(windows))
    rows = await database.fetch(
        f"WITH windows (place, opens, ends) AS (VALUES {listed}) SELECT w.place, {count.what} FROM windows w"
        f" JOIN {count.table} x ON x.shop_id = $1 AND {count.at} >= w.opens AND {count.at} < w.ends"
        f" WHERE {count.where} GROUP BY w.place",
        shop_id,
    )
    found = {int(place): int(value or 0) for place, value in rows}
    return [found.get(place, 0) for place in range(len(windows))]


class Step(NamedTuple):
    """Touchpoints of customers in one stage by one channel, and where they went next. `then` None: nowhere within the
    time, so `touchpoints` is how many journeys ended there."""

    stage: str | None
    channel: str
    then: str | None
    touchpoints: int


class Reached(NamedTuple):
    stage: str | None
    channel: str
    customers: int


async def journey_steps(
    database: Database, shop_id: int, model: str, since: int, until: int
) -> tuple[list[Step], list[Reached]]:
    """Every touchpoint and order of a known customer, of `since` <= at < `until`, in the stage of that instant."""
    where = "shop_id = $1 AND at >= $3 AND at < $4 AND customer_id IS NOT NULL"
    staged = (
        "WITH told AS ("
        f"SELECT customer_id, at, 't' || source || event_id AS told_by, channel FROM touchpoints WHERE {where}"
        " AND kind NOT IN ('offer_expired')"
        " UNION ALL SELECT customer_id, processed_at, 'o' || CAST(id AS TEXT),"
        f" {CHANNEL_OF_ORDER} FROM orders"
        " WHERE shop_id = $1 AND processed_at >= $3 AND processed_at < $4 AND customer_id IS NOT NULL AND counted),"
        " staged AS (SELECT t.customer_id AS customer_id, t.channel AS channel,"
        " (SELECT s.to_stage FROM stage_transitions s WHERE s.shop_id = $1 AND s.model = $2"
        " AND s.customer_id = t.customer_id AND s.at <= t.at ORDER BY s.at DESC LIMIT 1) AS stage,"
        " LEAD(t.channel) OVER (PARTITION BY t.customer_id ORDER BY t.at, t.told_by) AS later FROM told t)"
    )
    steps = await database.fetch(
        f"{staged} SELECT stage, channel, later, COUNT(*) FROM staged GROUP BY stage, channel, later",
        shop_id, model, since, until,
    )  # fmt: skip
    reached = await database.fetch(
        f"{staged} SELECT stage, channel, COUNT(DISTINCT customer_id) FROM staged GROUP BY stage, channel",
        shop_id, model, since, until,
    )  # fmt: skip
    return [Step(*row) for row in steps], [Reached(*row) for row in reached]
