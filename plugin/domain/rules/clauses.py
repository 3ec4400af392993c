"""One clause over a batch: its answer per pair, and when the clock may flip it (segment-language.md, chapter 4)."""

from __future__ import annotations

import numpy as np

from plugin.domain.columns import Bools, Floats, Ints
from plugin.domain.instants import FOREVER
from plugin.domain.rules import compare
from plugin.domain.rules.batch import Batch, Leaf
from plugin.domain.rules.matching import matches
from plugin.domain.rules.places import ORDER_COLUMNS, Form, Place, place_of
from plugin.domain.rules.syntax import (
    Between,
    Clause,
    Comparison,
    Contains,
    HasAffix,
    In,
    IsNull,
    Matches,
    NumberValue,
    Operator,
    ScaledAttribute,
)
from plugin.domain.rules.windows import date_window, number_list, number_window, wanted_text


def answer(clause: Clause, batch: Batch) -> Leaf:
    """The clause's answer, kept in the batch for other rules that ask it again."""
    if clause not in batch.answers:
        batch.answers[clause] = matches(clause, batch) if isinstance(clause, Matches) else _on_attribute(clause, batch)
    return batch.answers[clause]


AttributeClause = Comparison | Between | Contains | In | HasAffix | IsNull


def _on_attribute(clause: AttributeClause, batch: Batch) -> Leaf:
    place = place_of(clause.attribute, batch.primary_model)
    if isinstance(clause, Comparison) and isinstance(clause.value, ScaledAttribute):
        other = place_of(clause.value.attribute, batch.primary_model)
        leaf = _between_attributes(clause.operator, place, float(clause.value.factor), other, batch)
        return _bounded(_bounded(leaf, place, batch), other, batch)
    return _bounded(_alone(clause, place, batch), place, batch)


def _bounded(leaf: Leaf, place: Place, batch: Batch) -> Leaf:
    """No longer than until the next fact that is already known, or until the stage it reads may move."""
    if place.model is not None:
        column = batch.columns.get(f"stage_valid_until:{place.model}")
    else:
        column = batch.columns.get("next_fact_at") if place.column in ORDER_COLUMNS else None
    return (
        leaf if column is None else Leaf(leaf.holds, earlier(leaf.until, np.where(column.null, FOREVER, column.values)))
    )


def earlier(one: Ints | None, other: Ints | None) -> Ints | None:
    if one is None or other is None:
        return other if one is None else one
    return np.minimum(one, other)


def _alone(clause: AttributeClause, place: Place, batch: Batch) -> Leaf:
    if isinstance(clause, IsNull):
        missing = _missing(place, batch)
        return Leaf(~missing if clause.negated else missing)
    if isinstance(clause, (Contains, HasAffix)) and clause.negated:  # an exact complement, also of a missing list
        return Leaf(~_holds_of_text(clause, place, batch))
    match place.form:
        case Form.NOWHERE:
            return Leaf(np.zeros(len(batch), dtype=np.bool_))
        case Form.INTEGER:
            return Leaf(_integers(clause, place, batch))
        case Form.AGE:
            return _ages(clause, place, batch)
        case Form.REAL:
            return Leaf(_reals(clause, place, batch))
        case Form.DATE:
            return _dates(clause, place, batch)
        case Form.TEXT | Form.LIST:
            return Leaf(_holds_of_text(clause, place, batch))


def _missing(place: Place, batch: Batch) -> Bools:
    if place.form is Form.NOWHERE:
        return np.ones(len(batch), dtype=np.bool_)
    return batch.column(place.day if place.form in (Form.DATE, Form.AGE) else place.value).null


def _integers(clause: AttributeClause, place: Place, batch: Batch) -> Bools:
    column = batch.column(place.value)
    if isinstance(clause, In):
        found = np.isin(
            column.values, np.array(number_list(clause, place.scale), dtype=np.int64), invert=clause.negated
        )
        return found & ~column.null
    return compare.within(column.values, number_window(_ordered(clause), place.scale)) & ~column.null


def _ages(clause: AttributeClause, place: Place, batch: Batch) -> Leaf:
    since = batch.column(place.day)
    age = batch.today - since.values
    if isinstance(clause, In):
        numbers = number_list(clause)
        holds = np.isin(age, np.array(numbers, dtype=np.int64), invert=clause.negated)
        flips = compare.age_list_flips(since.values, batch.today, numbers)
    else:
        window = number_window(_ordered(clause))
        holds, flips = compare.within(age, window), compare.age_flips(since.values, batch.today, window)
    return Leaf(holds & ~since.null, _starts(flips, since.null, batch))


def _starts(days: Ints, null: Bools, batch: Batch) -> Ints:
    """A day as the instant at which it begins; what is missing stays missing."""
    return batch.calendar.start_of(np.where(null, compare.NEVER, days))


def _reals(clause: AttributeClause, place: Place, batch: Batch) -> Bools:
    column = batch.column(place.value)
    condition = _ordered(clause)
    if isinstance(condition, Between):
        holds = (column.values >= _double(condition.low)) & (column.values <= _double(condition.high))
    else:
        holds = compare.OPERATORS[condition.operator](column.values, _double(condition.value))
    present: Bools = holds & ~column.null
    return present


def _double(value: object) -> float:
    if isinstance(value, NumberValue):
        return float(value.number)
    raise TypeError(f"{value} is not a number: the check lets only numbers through here")


def _dates(clause: AttributeClause, place: Place, batch: Batch) -> Leaf:
    day, instant = batch.column(place.day), batch.column(place.instant)
    window = date_window(_ordered(clause), batch.calendar)
    holds = compare.dates_within(day.values, instant.values, batch.today, window) & ~day.null
    flips = compare.date_flips(day.values, instant.values, batch.today, window)
    return Leaf(holds, None if flips is None else _starts(flips, day.null, batch))


def _ordered(clause: AttributeClause) -> Comparison | Between:
    if isinstance(clause, (Comparison, Between)):
        return clause
    raise TypeError(f"{clause} does not fit its attribute: the check lets no such clause through")


def _holds_of_text(clause: AttributeClause, place: Place, batch: Batch) -> Bools:
    """Without the negation of CONTAINS and of affixes."""
    if place.form is Form.NOWHERE:
        return np.zeros(len(batch), dtype=np.bool_)
    column = batch.column(place.value)
    match clause:
        case Contains(_, value):
            holds = compare.contains(column, wanted_text(place.attribute, value))
        case HasAffix(_, affix, text):
            wanted = wanted_text(place.attribute, text)
            holds = compare.has_affix(column, affix, wanted, in_list=place.form is Form.LIST)
        case In(_, values, negated):
            found = compare.is_among(column, tuple(wanted_text(place.attribute, value) for value in values))
            holds = ~found if negated else found
        case Comparison(_, compared, value):
            same = compare.equals(column, wanted_text(place.attribute, value))
            holds = ~same if compared is Operator.NE else same
        case _:
            raise TypeError(f"{clause} does not fit a text: the check lets no such clause through")
    return holds & ~column.null


def _between_attributes(compared: Operator, left: Place, factor: float, right: Place, batch: Batch) -> Leaf:
    """Both sides as doubles (4.8); a side that is missing makes it false."""
    if Form.NOWHERE in (left.form, right.form):
        return Leaf(np.zeros(len(batch), dtype=np.bool_))
    test = compare.OPERATORS[compared]
    null = _missing(left, batch) | _missing(right, batch)
    holds = test(_doubles(left, batch.today, batch), factor * _doubles(right, batch.today, batch)) & ~null
    if right.form is Form.AGE:
        flips = compare.flip_by_search(
            lambda day, part: compare.OPERATORS[part](_doubles(left, day, batch), factor * _doubles(right, day, batch)),
            batch.today,
            compared,
        )
        return Leaf(holds, _starts(flips, null, batch))
    if left.form is Form.AGE:
        return Leaf(
            holds, _starts(_age_meets(compared, left, factor * _doubles(right, batch.today, batch), batch), null, batch)
        )
    return Leaf(holds)


def _age_meets(compared: Operator, left: Place, limits: Floats, batch: Batch) -> Ints:
    since = batch.column(left.day).values
    days = [since + ages for ages in compare.reaching(limits, compared)]
    return compare.earliest(batch.today, *days)


def _doubles(place: Place, day: Ints, batch: Batch) -> Floats:
    """The attribute on a day, in whole units."""
    if place.form is Form.AGE:
        ages: Floats = (day - batch.column(place.day).values).astype(np.float64)
        return ages
    values: Floats = batch.column(place.value).values.astype(np.float64)
    return values / place.scale if place.scale != 1 else values
