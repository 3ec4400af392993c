"""Abandoned checkouts as the shop lists them: those with a customer that were left, and among them those taken up again
later ("both abandoned and recovered"). One that was completed at once was never abandoned and is in no list."""

from __future__ import annotations

from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from integrations.devshop.paging import Connection, paginate
from integrations.devshop.search import FieldTest, by_day, by_number, by_text, compile_search

if TYPE_CHECKING:
    from integrations.devshop.rows import Checkout
    from integrations.devshop.shop import Call

ABANDONED_AFTER: Final = timedelta(minutes=10)
FIELDS: dict[str, FieldTest] = {
    "created_at": by_day(attrgetter("created_at")),
    "updated_at": by_day(attrgetter("updated_at")),
    "id": by_number(lambda row: row.id),
    "recovery_state": by_text(lambda row: "recovered" if row.completed_at else "not_recovered"),
}


def abandoned_checkouts(call: Call, args: dict[str, Any]) -> Connection:
    search = compile_search(args.get("query"), FIELDS)
    if search.warnings:
        note = {"path": ["abandonedCheckouts"], "query": args.get("query"), "parsed": None}
        call.search_notes.append({**note, "warnings": search.warnings})
    rows = [row for row in call.shop.checkouts.values() if _was_left(row) and search.test(row)]
    by_time = args.get("sortKey") == "CREATED_AT"

    def key(row: Checkout) -> tuple[Any, int]:
        return (row.created_at if by_time else row.id), row.id

    return paginate(sorted(rows, key=key), args, key)


def _was_left(row: Checkout) -> bool:
    if row.customer_id is None:
        return False
    lasted = (
        datetime.fromisoformat(row.completed_at) - datetime.fromisoformat(row.created_at) if row.completed_at else None
    )
    return lasted is None or lasted >= ABANDONED_AFTER
