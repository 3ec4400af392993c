"""The stage history of many customers, with the reason for each change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from plugin.domain.columns import Bools, Column, Ints, known, text_numbers
from plugin.domain.history import Entered, Journey, Standing, journey, stays
from plugin.domain.instants import FOREVER
from plugin.domain.lifecycles import LifecycleModel, classify
from plugin.domain.measures import Orders, measure
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


def trace(model: LifecycleModel, frame: Frame, plan: Plan, *, whose: Bools | None = None) -> Trail:
    """From the instant each customer (of `whose` it is true, or everyone) was first known through `plan.as_of`."""

    def judge(customer: Ints, at: Ints) -> Standing:
        return classify(model, past_batch(tuple(model), frame, plan, customer, at))

    customers, instants = known_instants(frame)
    if whose is not None:
        customers, instants = customers[whose[customers]], instants[whose[customers]]
    path = journey(customers, instants, until=plan.as_of, judge=judge)
    batch = past_batch(tuple(model), frame, plan, path.customer, path.at)
    return Trail(path, stays(path), because(model, path, batch, plan.told))


def first_known(frame: Frame) -> Ints:
    """Per customer: the instant its record was made or, where an import is older, of its first order."""
    orders = frame.orders
    first = frame.created_at.copy()
    lives = _living(orders)
    np.minimum.at(first, _owners(orders)[lives], orders.processed_at[lives])
    return first


def known_instants(frame: Frame) -> tuple[Ints, Ints]:
    """Customers and instants at which a fact may change where they stand: first known, ordered, voided, refunded."""
    orders = frame.orders
    owner, lives = _owners(orders), _living(orders)
    voided = lives & (orders.voided_at < FOREVER)
    refund_of = orders.refund_order
    customers = (np.arange(len(frame)), owner[lives], owner[voided], owner[refund_of])
    refunded_at = np.maximum(orders.refund_at, orders.processed_at[refund_of])
    instants = (first_known(frame), orders.processed_at[lives], orders.voided_at[voided], refunded_at)
    return np.concatenate(customers), np.concatenate(instants)


def _owners(orders: Orders) -> Ints:
    return np.repeat(np.arange(len(orders.offsets) - 1, dtype=np.int64), np.diff(orders.offsets))


def _living(orders: Orders) -> NDArray[np.bool_]:
    """Orders that counted at some time."""
    return orders.voided_at > orders.processed_at


def past_batch(rules: tuple[Rule, ...], frame: Frame, plan: Plan, customer: Ints, at: Ints) -> Batch:
    """Pairs with what `rules` read of them: measures as of each instant, and what the shop states now."""
    wanted = frozenset(name for name in columns_read(rules, plan.primary_model) if ":" not in name)
    columns = measure(frame.orders, customer, at, calendar=plan.calendar, lapse=plan.lapse, wanted=wanted)
    columns |= {name: taken(column, customer) for name, column in stated(frame, plan).items() if name in wanted}
    for name in wanted - columns.keys():  # RFM: where somebody stood among the others is not kept
        columns[name] = Column(np.zeros(len(at), dtype=np.int64), np.ones(len(at), dtype=np.bool_))
    rows = frame.rows(customer) if functions_read(rules) else {}
    return Batch(at, plan.calendar.day_of(at), plan.calendar, columns, rows, plan.primary_model)


def stated(frame: Frame, plan: Plan) -> dict[str, Column]:
    """The columns of the profile that no order says."""
    added = {"added_at": known(frame.created_at), "added_day": known(plan.calendar.day_of(frame.created_at))}
    return {**frame.attributes, **added}


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
