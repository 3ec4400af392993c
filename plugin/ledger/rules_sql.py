"""The rule language as one set-based query: a rule as a single SQL condition over `profiles`.

Days are turned into constants before (shop's zone, at the evaluation instant), so SQL compares columns with bound
values and both databases say the same as `plugin.domain.rules.evaluate`. Every part is TRUE or FALSE, never NULL
(segment-language.md, 4.1), so NOT is plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from plugin.domain.calendar import ShopCalendar
from plugin.domain.rules.attributes import FUNCTIONS, AttributeType, Parameter
from plugin.domain.rules.places import Form, Place, place_of
from plugin.domain.rules.syntax import (
    Affix,
    And,
    Between,
    Comparison,
    Condition,
    Contains,
    HasAffix,
    In,
    IsNull,
    Matches,
    Not,
    NumberValue,
    Operator,
    Or,
    Rule,
    ScaledAttribute,
)
from plugin.domain.rules.windows import (
    LARGEST,
    SMALLEST,
    Dates,
    DayEdge,
    InstantEdge,
    Numbers,
    date_window,
    number_list,
    number_window,
    wanted_text,
)
from plugin.domain.text import SEPARATOR, storable
from plugin.ledger.touchpoint_rows import TOUCH_COLUMNS, touchpoint_rows

Dialect = Literal["sqlite", "postgres"]
Parameters = list[Any]  # int, float, str, or a list of one of them: what both drivers bind

_MARK: Final = re.compile(r"\$(\d+)")
_TRUE, _FALSE = "(1 = 1)", "(1 = 0)"


def compile_rule(
    rule: Rule,
    *,
    shop_id: int,
    at: int,
    calendar: ShopCalendar,
    dialect: Dialect,
    primary_model: str,
    alias: str = "p",
) -> tuple[str, Parameters]:
    """One condition over the table `profiles` under the name `alias`, and what to bind to its `$1`, `$2`, …

    `at` is in epoch microseconds. The condition includes the shop. Profiles hold the measures as of now, so only
    functions and dates can be asked for an `at` in the past.
    """
    writer = _Writer(at=at, calendar=calendar, dialect=dialect, primary_model=primary_model, alias=alias)
    shop = writer.bind(shop_id)
    return _only_used(f"({alias}.shop_id = {shop} AND {writer.rule(rule)})", writer.parameters)


def _only_used(sql: str, parameters: Parameters) -> tuple[str, Parameters]:
    """Drop what was bound for an expression that a constant then replaced: PostgreSQL takes none too many."""
    used = sorted({int(number) for number in _MARK.findall(sql)})
    places = {number: place for place, number in enumerate(used, start=1)}
    return _MARK.sub(lambda mark: f"${places[int(mark[1])]}", sql), [parameters[number - 1] for number in used]


@dataclass(slots=True, kw_only=True)
class _Writer:
    at: int
    calendar: ShopCalendar
    dialect: Dialect
    primary_model: str
    alias: str
    parameters: Parameters = field(default_factory=list)
    today: int = field(init=False)

    def __post_init__(self) -> None:
        self.today = self.calendar.today(self.at)

    # --- binding: with a cast, so that PostgreSQL need not guess a type from its neighbours ---

    def bind(self, value: float | str) -> str:
        self.parameters.append(value)
        kind = "TEXT" if isinstance(value, str) else "BIGINT" if isinstance(value, int) else "DOUBLE PRECISION"
        return f"CAST(${len(self.parameters)} AS {kind})"

    def among(self, expression: str, values: Iterable[int] | Iterable[str], *, texts: bool) -> str:
        """One parameter however long the list: drivers allow some 32,000 of them."""
        listed = list(values)
        if not listed:
            return _FALSE
        self.parameters.append(listed if self.dialect == "postgres" else orjson.dumps(listed).decode())
        mark = f"${len(self.parameters)}"
        if self.dialect == "postgres":
            return f"{expression} = ANY(CAST({mark} AS {'TEXT' if texts else 'BIGINT'}[]))"
        return f"{expression} IN (SELECT value FROM json_each({mark}))"

    # --- the tree ---

    def rule(self, rule: Rule) -> str:
        match rule:
            case Not(term):
                return f"(NOT {self.rule(term)})"
            case And(terms):
                return f"({' AND '.join(self.rule(term) for term in terms)})"
            case Or(terms):
                return f"({' OR '.join(self.rule(term) for term in terms)})"
            case Matches():
                return self.matches(rule)
            case Comparison(_, operator, ScaledAttribute() as scaled):
                return self.between_attributes(operator, self.place(rule), float(scaled.factor), self.place(scaled))
            case _:
                return self.clause(rule)

    def place(self, of: ScaledAttribute | Clause) -> Place:
        return place_of(of.attribute, self.primary_model)

    def clause(self, clause: Clause) -> str:
        place = self.place(clause)
        if isinstance(clause, IsNull):
            return self.is_null(place, negated=clause.negated)
        if isinstance(clause, Contains | HasAffix):
            if place.form not in (Form.TEXT, Form.LIST, Form.NOWHERE):
                raise TypeError(f"{clause} does not fit its attribute: the check lets no such clause through")
            held = _FALSE if place.form is Form.NOWHERE else self.present(place, self.text(clause, place))
            return f"(NOT {held})" if clause.negated else held
        match place.form:
            case Form.NOWHERE:
                return _FALSE
            case Form.TEXT | Form.LIST:
                return self.present(place, self.text(clause, place))
            case Form.REAL:
                return self.present(place, self.real(clause, self.column(place)))
            case Form.DATE:
                window = date_window(_ordered(clause), self.calendar)
                return self.present(
                    place, self.dates(window, f"{self.alias}.{place.day}", f"{self.alias}.{place.instant}")
                )
            case Form.AGE:
                return self.present(place, self.age(clause, self.column(place)))
            case Form.INTEGER:
                return self.present(place, self.integer(clause, self.column(place), place.scale))

    # --- columns: `p.` a profile's, `s.` a placement's ---

    def column(self, place: Place) -> str:
        name = f"{place.column}_day" if place.form in (Form.DATE, Form.AGE) else place.column
        return f"{self.alias if place.model is None else 's'}.{name}"

    def present(self, place: Place, condition: str) -> str:
        """False where the value is missing. The comparison stays bare beside the test, so that an index serves it."""
        held = f"{self.column(place)} IS NOT NULL AND {condition}"
        return f"({held})" if place.model is None else f"EXISTS (SELECT 1 {self.placement(place)} AND {held})"

    def placement(self, place: Place) -> str:
        model = self.bind(place.model or "")
        customer = f"s.shop_id = {self.alias}.shop_id AND s.customer_id = {self.alias}.customer_id"
        return f"FROM placements s WHERE {customer} AND s.model = {model}"

    def is_null(self, place: Place, *, negated: bool) -> str:
        held = _FALSE if place.form is Form.NOWHERE else self.present(place, _TRUE)
        return held if negated else f"(NOT {held})"

    # --- comparisons ---

    def numbers(self, window: Numbers, expression: str) -> str:
        parts = []
        if window.low > window.high:
            parts.append(_FALSE)
        elif window.low == window.high:
            parts.append(f"{expression} = {self.bind(window.low)}")
        else:
            if window.low > SMALLEST:
                parts.append(f"{expression} >= {self.bind(window.low)}")
            if window.high < LARGEST:
                parts.append(f"{expression} <= {self.bind(window.high)}")
        inside = " AND ".join(parts) or _TRUE
        return f"(NOT ({inside}))" if window.outside else f"({inside})"

    def age(self, clause: Clause, day: str) -> str:
        if isinstance(clause, In):
            return self.integer(clause, f"({self.bind(self.today)} - {day})", 1)
        return self.since(number_window(_ordered(clause)), day)

    def since(self, window: Numbers, day: str) -> str:
        """An age in days as a comparison of its day with a constant."""
        if window.low > window.high:
            return self.numbers(window, day)
        earliest = SMALLEST if window.high == LARGEST else max(self.today - window.high, SMALLEST)
        latest = LARGEST if window.low == SMALLEST else min(self.today - window.low, LARGEST)
        return self.numbers(Numbers(earliest, latest, window.outside), day)

    def integer(self, clause: Clause | Condition, expression: str, scale: int) -> str:
        if isinstance(clause, In):
            found = self.among(expression, number_list(clause, scale), texts=False)
            return f"(NOT ({found}))" if clause.negated else f"({found})"
        return self.numbers(number_window(_ordered(clause), scale), expression)

    def real(self, clause: Clause, expression: str) -> str:
        condition = _ordered(clause)
        if isinstance(condition, Between):
            low, high = self.bind(_double(condition.low)), self.bind(_double(condition.high))
            return f"({expression} >= {low} AND {expression} <= {high})"
        return f"({expression} {_SIGNS[condition.operator]} {self.bind(_double(condition.value))})"

    def dates(self, window: Dates, day: str | None, instant: str) -> str:
        """`day` None: there is only the instant, and days become the instants at which they start."""
        parts = []
        if window.low is not None:
            parts.append(self.edge(window.low, day, instant, low=True))
        if window.high is not None:
            parts.append(self.edge(window.high, day, instant, low=False))
        inside = " AND ".join(parts) or _TRUE
        return f"(NOT ({inside}))" if window.outside else f"({inside})"

    def edge(self, edge: DayEdge | InstantEdge, day: str | None, instant: str, *, low: bool) -> str:
        sign = ">=" if low else "<="
        if isinstance(edge, InstantEdge):
            return f"{instant} {sign} {self.bind(edge.instant)}"
        on = edge.on(self.today)
        if day is not None:
            return f"{day} {sign} {self.bind(on)}"
        if low:
            return f"{instant} >= {self.bind(self.calendar.start_of_day(on))}"
        return f"{instant} < {self.bind(self.calendar.start_of_day(on + 1))}"

    def between_attributes(self, operator: Operator, left: Place, factor: float, right: Place) -> str:
        if Form.NOWHERE in (left.form, right.form):
            return _FALSE
        held = f"{self.double(left)} {_SIGNS[operator]} {self.bind(factor)} * {self.double(right)}"
        return f"COALESCE({held}, {_FALSE})"

    def double(self, place: Place) -> str:
        """In whole units, and by the same steps as the evaluator in memory, so that both round alike."""
        column = self.column(place)
        if place.model is not None:
            column = f"(SELECT {column} {self.placement(place)})"
        if place.form is Form.AGE:
            return f"CAST({self.bind(self.today)} - {column} AS DOUBLE PRECISION)"
        value = f"CAST({column} AS DOUBLE PRECISION)"
        return f"({value} / {self.bind(float(place.scale))})" if place.scale != 1 else value

    # --- texts ---

    def text(self, clause: Clause, place: Place) -> str:
        match clause:
            case Contains(_, value):
                return self.has(self.column(place), wanted_text(place.attribute, value))
            case HasAffix(_, affix, text):
                wanted = wanted_text(place.attribute, text)
                if place.form is Form.LIST:
                    return self.has(self.column(place), wanted, affix)
                return self.affix(self.column(place), wanted, affix)
            case In(_, values, negated):
                wanted_texts = sorted({wanted_text(place.attribute, value) for value in values})
                found = self.among(self.column(place), filter(storable, wanted_texts), texts=True)
                return f"(NOT ({found}))" if negated else f"({found})"
            case Comparison(_, operator, value):
                same = self.same(self.column(place), wanted_text(place.attribute, value))
                return f"(NOT ({same}))" if operator is Operator.NE else same
            case _:
                raise TypeError(f"{clause} does not fit a text: the check lets no such clause through")

    def same(self, expression: str, text: str) -> str:
        return f"{expression} = {self.bind(text)}" if storable(text) else _FALSE

    def has(self, expression: str, element: str, affix: Affix | None = None) -> str:
        """Whether a list holds the element, or one that starts or ends so."""
        if SEPARATOR in element or not storable(element):
            return _FALSE
        head = "" if affix is Affix.ENDS else SEPARATOR
        tail = "" if affix is Affix.STARTS else SEPARATOR
        find = "strpos" if self.dialect == "postgres" else "instr"
        return f"{find}({expression}, {self.bind(head + element + tail)}) > 0"

    def affix(self, expression: str, text: str, affix: Affix) -> str:
        if not storable(text):
            return _FALSE
        if not text:
            return _TRUE
        if affix is Affix.STARTS:
            return f"substr({expression}, 1, {len(text)}) = {self.bind(text)}"
        end = (
            f"right({expression}, {len(text)})" if self.dialect == "postgres" else f"substr({expression}, -{len(text)})"
        )
        return f"{end} = {self.bind(text)}"

    # --- functions ---

    def matches(self, clause: Matches) -> str:
        function = FUNCTIONS[clause.function]
        aggregates = [c for c in clause.conditions if function.parameters[c.attribute.name].aggregate]
        if not function.rows:
            held = self.over_nothing(aggregates)
        else:
            parameters = {c: function.parameters[c.attribute.name] for c in clause.conditions if c not in aggregates}
            held = self.over_rows(function.rows, parameters, aggregates)
        return f"(NOT {held})" if clause.negated else held

    def over_nothing(self, aggregates: list[Condition]) -> str:
        """No part of the product records such rows yet: counts and sums are 0."""
        if not aggregates:
            return _FALSE
        return f"({' AND '.join(self.integer(condition, self.bind(0), 1) for condition in aggregates)})"

    def over_rows(self, rows: str, conditions: dict[Condition, Parameter], aggregates: list[Condition]) -> str:
        source = self.source(rows, conditions)
        if not aggregates:
            return f"EXISTS (SELECT 1 {source})"
        conditions_on_all = " AND ".join(self.aggregate(rows, condition) for condition in aggregates)
        # With COUNT(*) it is one row in any case, also where a condition has no aggregate left to compute.
        return f"(SELECT COUNT(*) >= 0 AND {conditions_on_all} {source})"

    def source(self, rows: str, conditions: dict[Condition, Parameter]) -> str:
        """FROM and WHERE: the customer's rows that count and pass the row conditions."""
        if rows not in {"orders", "order_lines"}:
            return self.touchpoints(rows, conditions)
        at, products = self.bind(self.at), ""
        tables = "FROM orders o"
        if rows == "order_lines":
            tables += " JOIN order_lines l ON l.shop_id = o.shop_id AND l.order_id = o.id"
            if any(
                parameter.column.startswith("product_") and parameter.column != "product_id"
                for parameter in conditions.values()
            ):
                products = " LEFT JOIN products r ON r.shop_id = l.shop_id AND r.id = l.product_id"
        wheres = [
            f"o.shop_id = {self.alias}.shop_id AND o.customer_id = {self.alias}.customer_id AND o.counted",
            f"o.processed_at <= {at} AND (o.voided_at IS NULL OR o.voided_at > {at})",
            *(self.row(condition, parameter, _ORDER_COLUMNS) for condition, parameter in conditions.items()),
        ]
        return f"{tables}{products} WHERE {' AND '.join(wheres)}"

    def touchpoints(self, rows: str, conditions: dict[Condition, Parameter]) -> str:
        source = touchpoint_rows(rows, self.alias, self.bind(self.at), conditions)
        wheres = [self.row(condition, parameter, TOUCH_COLUMNS) for condition, parameter in conditions.items()]
        return f"{source} WHERE {' AND '.join(wheres) or _TRUE}"

    def row(self, condition: Condition, parameter: Parameter, columns: Mapping[str, str]) -> str:
        """In a WHERE, where NULL is as good as false."""
        column = columns[parameter.column]
        if parameter.type is AttributeType.ENUM:
            return self.listed(condition, parameter, column)
        if parameter.type is AttributeType.DATE:
            return self.dates(date_window(_ordered(condition), self.calendar), None, column)
        if parameter.type is AttributeType.TEXT_LIST and isinstance(condition, Comparison):
            return self.has(column, wanted_text(parameter, condition.value))
        if parameter.type is AttributeType.STRING and isinstance(condition, Comparison):
            return self.same(column, wanted_text(parameter, condition.value))
        return self.integer(condition, column, _scale(parameter.type))

    def listed(self, condition: Condition, parameter: Parameter, column: str) -> str:
        if isinstance(condition, In):
            found = self.among(column, [wanted_text(parameter, value) for value in condition.values], texts=True)
            return f"(NOT ({found}))" if condition.negated else f"({found})"
        same = (
            self.same(column, wanted_text(parameter, condition.value)) if isinstance(condition, Comparison) else _FALSE
        )
        unlike = isinstance(condition, Comparison) and condition.operator is Operator.NE
        return f"(NOT ({same}))" if unlike else f"({same})"

    def aggregate(self, rows: str, condition: Condition) -> str:
        name = condition.attribute.name
        if name == "count":
            return self.integer(condition, "COUNT(DISTINCT o.id)" if rows == "order_lines" else "COUNT(*)", 1)
        summed, money = (
            ("o.total", AttributeType.MONEY) if name == "sum_amount" else ("l.quantity", AttributeType.INTEGER)
        )
        # PostgreSQL sums bigints to a numeric.
        return self.integer(condition, f"CAST(COALESCE(SUM({summed}), 0) AS BIGINT)", _scale(money))


Clause = Comparison | Between | Contains | In | HasAffix | IsNull

_SIGNS: Final = {
    Operator.EQ: "=", Operator.NE: "<>", Operator.GT: ">", Operator.GE: ">=", Operator.LT: "<", Operator.LE: "<=",
}  # fmt: skip
_ORDER_COLUMNS: Final = {
    "processed_at": "o.processed_at", "total": "o.total", "app_id": "o.app_id", "location_id": "o.location_id",
    "product_id": "l.product_id", "quantity": "l.quantity", "product_tags": "r.tags", "product_category": "r.category",
}  # fmt: skip


def _scale(kind: AttributeType) -> int:
    """Money is kept in ten-thousandths."""
    return 10_000 if kind is AttributeType.MONEY else 1


def _ordered(clause: Clause | Condition) -> Comparison | Between:
    if isinstance(clause, Comparison | Between):
        return clause
    raise TypeError(f"{clause} does not fit its attribute: the check lets no such clause through")


def _double(value: object) -> float:
    if isinstance(value, NumberValue):
        return float(value.number)
    raise TypeError(f"{value} is not a number: the check lets only numbers through here")
