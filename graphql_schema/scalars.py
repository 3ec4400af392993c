"""Scalars: instants in UTC, whole days, exact decimals; and Shopify's form of money."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from graphql_schema.access import Access, Scope
from plugin.domain.money import amount_text, from_scaled, to_scaled


def write_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_instant(value: object) -> datetime:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
        if instant is not None and instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise GraphQLError(f"{value!r:.80} is not an instant; write it like 2026-11-22T10:00:00Z.")


def read_date(value: object) -> date:
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise GraphQLError(f"{value!r:.80} is not a date; write it like 2026-11-22.")


def read_decimal(value: object) -> Decimal:
    try:
        number = Decimal(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
        if number is not None and number.is_finite():
            return number
    except InvalidOperation:
        pass
    raise GraphQLError(f'{value!r:.80} is not a decimal number; write it as a string like "12.50".')


def write_decimal(number: Decimal) -> str:
    return amount_text(to_scaled(number))


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime", description="An instant in UTC, ISO 8601: `2026-11-22T10:00:00Z`. Input may carry any zone.",
        serialize=write_instant, parse_value=read_instant,
    ),
    date: strawberry.scalar(
        name="Date", description="A whole day, ISO 8601: `2026-11-22`.",
        serialize=date.isoformat, parse_value=read_date,
    ),
    Decimal: strawberry.scalar(
        name="Decimal", description='An exact decimal number, written as a string: `"12.5"`.',
        serialize=write_decimal, parse_value=read_decimal,
    ),
}  # fmt: skip


@strawberry.type(description="An amount in the shop's currency.", directives=[Access(scope=Scope.ANY)])
class Money:
    amount: Decimal = strawberry.field(description="The exact amount, as a decimal string.")
    currency_code: str = strawberry.field(description="The ISO 4217 code of the currency.")


def money(scaled: int, currency: str) -> Money:
    """Money of ten-thousandths."""
    return Money(amount=from_scaled(scaled), currency_code=currency)
