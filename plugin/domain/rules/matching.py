"""Functions over a batch: the customer's rows of a kind, filtered and counted (segment-language.md, chapter 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from plugin.domain.columns import Bools, Column, Ints
from plugin.domain.instants import FOREVER
from plugin.domain.ragged import offsets_of, ranges
from plugin.domain.rules import compare
from plugin.domain.rules.attributes import FUNCTIONS, AttributeType, Function, Parameter
from plugin.domain.rules.batch import Batch, Leaf, RowTable
from plugin.domain.rules.syntax import Comparison, Condition, In, Matches, Operator
from plugin.domain.rules.windows import date_window, number_list, number_window, wanted_text


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of every pair, one pair after the other; `pair` is ascending."""

    table: RowTable
    index: Ints
    pair: Ints

    def column(self, name: str) -> Column:
        column = self.table.columns[name]
        return Column(column.values[self.index], column.null[self.index])


def matches(clause: Matches, batch: Batch) -> Leaf:
    left = _rows_left(clause, batch)
    holds = np.ones(len(batch), dtype=np.bool_)
    aggregates = [condition for condition in clause.conditions if _parameter(clause, condition).aggregate]
    for condition in aggregates:
        amounts = _aggregate(clause, condition.attribute.name, left, len(batch))
        holds &= _numbers(amounts, condition, scale_of(_parameter(clause, condition)))
    count = _counts(left.pair, len(batch))
    if not aggregates:
        holds = count > 0
    return Leaf(~holds if clause.negated else holds, left.until, count)


class _Left(NamedTuple):
    """The rows that pass all row conditions (None: no part of the product records such rows), with the pair of each."""

    rows: _Rows | None
    keep: Bools
    pair: Ints
    until: Ints | None


def _rows_left(clause: Matches, batch: Batch) -> _Left:
    function = FUNCTIONS[clause.function]
    if not function.rows:
        nothing = np.zeros(0, dtype=np.int64)
        return _Left(None, nothing.astype(np.bool_), nothing, None)
    table = batch.rows[function.rows]
    rows = _Rows(table, *ranges(table.start, table.stop - table.start))
    keep, until = _counted(rows, batch)
    dated: list[Condition] = []
    for condition in clause.conditions:
        parameter = _parameter(clause, condition)
        if parameter.type is AttributeType.DATE:
            dated.append(condition)
        elif not parameter.aggregate:
            keep = keep & _row_condition(rows, parameter, condition)
    for condition in dated:  # last: only rows that pass everything else can flip anything by their date
        keep, until = _in_dates(rows, condition, keep, until, batch)
    return _Left(rows, keep, rows.pair[keep], _per_pair(until, rows.pair, len(batch)))


def _parameter(clause: Matches, condition: Condition) -> Parameter:
    return FUNCTIONS[clause.function].parameters[condition.attribute.name]


def _counted(rows: _Rows, batch: Batch) -> tuple[Bools, Ints]:
    """Rows of orders that count, and when that of a row changes."""
    at, processed, voided = batch.at[rows.pair], rows.column("processed_at").values, rows.column("voided_at").values
    lives = voided > processed
    future = processed > at
    change = np.where(future & lives, processed, np.where(lives & (voided > at), voided, FOREVER))
    return lives & ~future & (voided > at), change


def _row_condition(rows: _Rows, parameter: Parameter, condition: Condition) -> Bools:
    column = rows.column(parameter.column)
    if parameter.type is AttributeType.ENUM:
        return _among(column, parameter, condition) & ~column.null
    if parameter.type in (AttributeType.STRING, AttributeType.TEXT_LIST):
        text = wanted_text(parameter, condition.value) if isinstance(condition, Comparison) else ""
        same = (
            compare.contains(column, text)
            if parameter.type is AttributeType.TEXT_LIST
            else compare.equals(column, text)
        )
        return same & ~column.null
    return _numbers(column.values, condition, scale_of(parameter)) & ~column.null


def _among(column: Column, parameter: Parameter, condition: Condition) -> Bools:
    if isinstance(condition, In):
        found = compare.is_among(column, tuple(wanted_text(parameter, value) for value in condition.values))
        return ~found if condition.negated else found
    text = wanted_text(parameter, condition.value) if isinstance(condition, Comparison) else ""
    same = compare.equals(column, text)
    return ~same if isinstance(condition, Comparison) and condition.operator is Operator.NE else same


def scale_of(parameter: Parameter) -> int:
    """Money is kept in ten-thousandths."""
    return 10_000 if parameter.type is AttributeType.MONEY else 1


def _numbers(values: Ints, condition: Condition, scale: int) -> Bools:
    if isinstance(condition, In):
        return np.isin(values, np.array(number_list(condition, scale), dtype=np.int64), invert=condition.negated)
    return compare.within(values, number_window(condition, scale))


def _in_dates(rows: _Rows, condition: Condition, keep: Bools, until: Ints, batch: Batch) -> tuple[Bools, Ints]:
    if isinstance(condition, In):
        raise TypeError(f"{condition}: the check lets no list of dates through")
    window, today = date_window(condition, batch.calendar), batch.today[rows.pair]
    instants = rows.column("processed_at").values
    days = batch.calendar.day_of(rows.table.columns["processed_at"].values)[rows.index]
    flips = compare.date_flips(days, instants, today, window)
    if flips is not None:
        until = np.minimum(until, batch.calendar.start_of(np.where(keep, flips, compare.NEVER)))
    return keep & compare.dates_within(days, instants, today, window), until


def _per_pair(instants: Ints, pair: Ints, pairs: int) -> Ints:
    earliest = np.full(pairs, FOREVER, dtype=np.int64)
    finite = np.flatnonzero(instants < FOREVER)
    np.minimum.at(earliest, pair[finite], instants[finite])
    return earliest


def _counts(pair: Ints, pairs: int) -> Ints:
    return np.bincount(pair, minlength=pairs)


def _aggregate(clause: Matches, name: str, left: _Left, pairs: int) -> Ints:
    """`count` and sums over the rows left, 0 over none."""
    if left.rows is None:
        return np.zeros(pairs, dtype=np.int64)
    if name == "count":
        return _counts(_one_per_order(FUNCTIONS[clause.function], left), pairs)
    summed = left.rows.column("total" if name == "sum_amount" else "quantity").values[left.keep]
    sums = np.zeros(len(summed) + 1, dtype=np.int64)
    np.cumsum(summed, out=sums[1:])
    offsets = offsets_of(left.pair, pairs)
    return sums[offsets[1:]] - sums[offsets[:-1]]


def _one_per_order(function: Function, left: _Left) -> Ints:
    """Lines of one order count once: they are neighbours."""
    if function.rows != "order_lines" or left.rows is None or not len(left.pair):
        return left.pair
    order = left.rows.column("order").values[left.keep]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (order[1:] != order[:-1]) | (left.pair[1:] != left.pair[:-1])
    return left.pair[first]
