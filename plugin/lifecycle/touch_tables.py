"""Touchpoints as rules read them: with counted orders among them, and the views of products and collections apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plugin.domain.columns import TEXT, Bools, Column, Ints, known, text_column
from plugin.domain.engagement import Table, complaint_changes
from plugin.domain.instants import FOREVER
from plugin.domain.ragged import offsets_of
from plugin.domain.touchpoints import NOT_SEEN
from plugin.ledger.bulk_reads import whole
from plugin.ledger.database import NULL_INT, Arrays
from plugin.ledger.journeys import POS_APP

_NOT_SEEN: Final = frozenset(kind.value for kind in NOT_SEEN)


def touch_tables(found: Arrays, orders: Table, ids: Ints) -> dict[str, Table]:
    """The tables `touchpoints`, `product_views` and `collection_views` of the customers `ids`, from rows sorted by
    customer and instant, and from the table of their counted orders."""
    customers = whole(found["customer_id"])
    place = np.minimum(np.searchsorted(ids, customers), max(len(ids) - 1, 0))
    mine = ids[place] == customers if len(ids) else np.zeros(len(customers), dtype=np.bool_)
    owner, at = place[mine], whole(found["at"])[mine]
    texts = {name: _texts(found[name], mine) for name in ("kind", "channel", "subject", "outcome", "tags")}
    touched = {
        "processed_at": known(at), "voided_at": known(np.full(len(at), FOREVER, dtype=np.int64)),
        "kind": text_column(texts["kind"]), "channel": text_column(texts["channel"]),
        "seen": known(_acts(texts["kind"], texts["outcome"])),
        "score": _answers(whole(found["score"])[mine], texts["kind"]),
        "complaint": known(_cases(owner, texts)),
    }  # fmt: skip
    products, product_columns = _views("product_view", at, texts["kind"])
    product_columns |= {
        "product_id": _nullable(whole(found["product_id"])[mine][products]),
        "product_tags": text_column([tags for tags, one in zip(texts["tags"], products, strict=True) if one]),
    }
    collections, collection_columns = _views("collection_view", at, texts["kind"])
    collection_columns["collection_id"] = _nullable(whole(found["collection_id"])[mine][collections])
    return {
        "touchpoints": _with_orders((offsets_of(owner, len(ids)), touched), orders),
        "product_views": (offsets_of(owner[products], len(ids)), product_columns),
        "collection_views": (offsets_of(owner[collections], len(ids)), collection_columns),
    }


def _views(kind: str, at: Ints, kinds: list[str | None]) -> tuple[Bools, dict[str, Column]]:
    """Which rows are views, and when they were."""
    which = np.array([one == kind for one in kinds], dtype=np.bool_)
    never = np.full(int(which.sum()), FOREVER, dtype=np.int64)
    return which, {"processed_at": known(at[which]), "voided_at": known(never)}


def _texts(values: NDArray[Any], mine: Bools) -> list[str | None]:
    return values[mine].tolist() if values.dtype == object else [None] * int(mine.sum())


def _nullable(values: Ints) -> Column:
    null = values == NULL_INT
    return Column(np.where(null, 0, values), null)


def _acts(kinds: list[str | None], outcomes: list[str | None]) -> Ints:
    """What is sent, or opened by a machine, is no act of the customer's."""
    acts = [kind not in _NOT_SEEN and outcome != "machine" for kind, outcome in zip(kinds, outcomes, strict=True)]
    return np.array(acts, dtype=np.int64)


def _answers(scores: Ints, kinds: list[str | None]) -> Column:
    answered = np.array([kind == "survey" for kind in kinds], dtype=np.bool_) & (scores != NULL_INT)
    return Column(np.where(answered, scores, 0), ~answered)


def _cases(owner: Ints, texts: Mapping[str, list[str | None]]) -> Ints:
    support = np.array([kind == "support" for kind in texts["kind"]], dtype=np.bool_)
    changes = np.zeros(len(owner), dtype=np.int64)
    told = np.flatnonzero(support).tolist()
    cases = ((int(owner[row]), texts["subject"][row], texts["outcome"][row]) for row in told)
    changes[told] = complaint_changes(cases)
    return changes


def _with_orders(touched: Table, orders: Table) -> Table:
    """Both, sorted by customer and instant."""
    offsets, columns = touched
    order_offsets, order_columns = orders
    count, people = int(order_offsets[-1]), len(offsets) - 1
    pos = (order_columns["app_id"].values == POS_APP) & ~order_columns["app_id"].null
    nothing = np.zeros(count, dtype=np.int64)
    added = {
        "processed_at": order_columns["processed_at"], "voided_at": order_columns["voided_at"],
        "kind": known(np.full(count, "order", dtype=TEXT)),
        "channel": known(np.where(pos, np.array("pos", dtype=TEXT), np.array("web", dtype=TEXT))),
        "seen": known(nothing), "score": Column(nothing, np.ones(count, dtype=np.bool_)), "complaint": known(nothing),
    }  # fmt: skip
    owner = np.concatenate([_owners(offsets), _owners(order_offsets)])
    both = {name: _joined(columns[name], added[name]) for name in columns}
    order = np.lexsort((both["processed_at"].values, owner))
    return offsets_of(owner, people), {name: Column(of.values[order], of.null[order]) for name, of in both.items()}


def _owners(offsets: Ints) -> Ints:
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))


def _joined(one: Column, other: Column) -> Column:
    return Column(np.concatenate([one.values, other.values]), np.concatenate([one.null, other.null]))
