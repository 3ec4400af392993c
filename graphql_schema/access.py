"""Who may read a field, and what it costs: two directives that every field of the schema carries or inherits.

A field without a scope stops the program at import (`permissions.access_table`), so none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import strawberry
from strawberry.schema_directive import Location


class Scope(StrEnum):
    """What a partner token may be given. A merchant's session has all of them; ANY is granted to every credential."""

    ANY = "any"
    READ_CUSTOMERS = "read_customers"
    READ_LIFECYCLE = "read_lifecycle"
    WRITE_LIFECYCLE = "write_lifecycle"
    READ_SEGMENTS = "read_segments"
    WRITE_SEGMENTS = "write_segments"
    READ_OFFERS = "read_offers"
    WRITE_OFFERS = "write_offers"
    READ_PRODUCTS = "read_products"
    READ_TOUCHPOINTS = "read_touchpoints"
    WRITE_TOUCHPOINTS = "write_touchpoints"
    READ_SHOP = "read_shop"
    WRITE_SHOP = "write_shop"
    WRITE_WEBHOOKS = "write_webhooks"
    WRITE_TOKENS = "write_tokens"


ALL_SCOPES = frozenset(Scope)


@strawberry.schema_directive(
    locations=[Location.OBJECT, Location.INTERFACE, Location.FIELD_DEFINITION],
    name="access",
    description="The scope a credential needs. On a type: for each of its fields that names none of its own.",
)
class Access:
    scope: str = strawberry.directive_field(name="scope")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="`points` the field costs beside its children; `size`: rows assumed without first and last.",
)
class Cost:
    points: int | None = strawberry.directive_field(name="points", default=strawberry.UNSET)
    size: int | None = strawberry.directive_field(name="size", default=strawberry.UNSET)


def needs(scope: Scope, *, points: int | None = None, size: int | None = None) -> Sequence[object]:
    """Directives of a field that needs `scope`."""
    price = () if points is None and size is None else (costs(points=points, size=size),)
    return (Access(scope=scope.value), *price)


def costs(*, points: int | None = None, size: int | None = None) -> Cost:
    given = {"points": points, "size": size}
    return Cost(**{name: value for name, value in given.items() if value is not None})
