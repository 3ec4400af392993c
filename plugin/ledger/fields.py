"""Column types that mean the same on both databases."""

from __future__ import annotations

from typing import Any

from tortoise import fields


def _null(null: bool) -> Any:
    """Tortoise's overloads want a literal; a row of this table says it by name."""
    return {"null": null}


def instant(*, null: bool = False) -> Any:
    """Epoch microseconds. A Tortoise field is untyped; the column holds an int (or None)."""
    return fields.BigIntField(**_null(null))


def money(*, null: bool = False) -> Any:
    """Ten-thousandths of the shop's currency."""
    return fields.BigIntField(**_null(null))


def day(*, null: bool = True) -> Any:
    """Epoch day in the shop's zone."""
    return fields.IntField(**_null(null))


def platform_id(*, null: bool = False) -> Any:
    return fields.BigIntField(**_null(null))


def name(*, null: bool = False, length: int = 255) -> Any:
    return fields.CharField(max_length=length, **_null(null))


def text(*, null: bool = False) -> Any:
    return fields.TextField(**_null(null))


def integer(*, null: bool = False) -> Any:
    return fields.BigIntField(**_null(null))


def real(*, null: bool = True) -> Any:
    return fields.FloatField(**_null(null))


def flag() -> Any:
    return fields.BooleanField()


def key() -> Any:
    """The key field Tortoise asks for; the table's real key is `Meta.key`."""
    return fields.BigIntField(primary_key=True, generated=False)


def text_key() -> Any:
    """The same for a table whose key ends in a text."""
    return fields.CharField(max_length=255, primary_key=True)
