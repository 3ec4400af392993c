"""Where a named value of a customer stands, in arrays and in the database alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from plugin.domain.rules.attributes import ATTRIBUTES, Attribute, AttributeType, Storage
from plugin.domain.rules.syntax import AttributeRef


class Form(StrEnum):
    """What a value is to an evaluator."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    LIST = "list"
    DATE = "date"
    AGE = "age"  # whole days from a date to `today`: grows by one each midnight
    NOWHERE = "nowhere"  # always missing


_FORMS: Final = {
    Storage.INT: Form.INTEGER, Storage.MONEY: Form.INTEGER, Storage.REAL: Form.REAL, Storage.TEXT: Form.TEXT,
    Storage.LIST: Form.LIST, Storage.DAY: Form.DATE, Storage.DAYS_SINCE: Form.AGE, Storage.NOWHERE: Form.NOWHERE,
}  # fmt: skip

# Columns that move when an order that is already known comes to count, or stops to.
ORDER_COLUMNS: Final = frozenset({
    "orders", "net_spend", "purchase_days", "unbroken_days", "laps", "first_order", "last_order", "last_seen",
    "return_order", "gap_median", "last_gap",
    "lapse_1", "lapse_2", "lapse_3", "first_order_items", "average_order_value", "refund_rate", "discount_share",
})  # fmt: skip

_UNKNOWN: Final = Attribute(name="", type=AttributeType.STRING, storage=Storage.NOWHERE)


@dataclass(frozen=True, slots=True)
class Place:
    """`column` is the base name: a DATE has `<column>_day` and `<column>_at`, an AGE `<column>_day`.
    `model` is set for what stands in the placements of a lifecycle model."""

    attribute: Attribute
    form: Form
    column: str
    model: str | None = None

    @property
    def day(self) -> str:
        return self._named(f"{self.column}_day")

    @property
    def instant(self) -> str:
        return self._named(f"{self.column}_at")

    @property
    def value(self) -> str:
        return self._named(self.column)

    @property
    def scale(self) -> int:
        """What an integer holds per unit: money is kept in ten-thousandths."""
        return 10_000 if self.attribute.storage is Storage.MONEY else 1

    def _named(self, column: str) -> str:
        return column if self.model is None else f"{column}:{self.model}"


def place_of(reference: AttributeRef, primary_model: str) -> Place:
    """Metafields and anniversaries have no data yet: they stand nowhere."""
    attribute = ATTRIBUTES.get(reference.name, _UNKNOWN)
    if attribute.storage is not Storage.STAGE:
        return Place(attribute, _FORMS[attribute.storage], attribute.column)
    form = Form.AGE if attribute.type is AttributeType.INTEGER else Form.TEXT
    return Place(attribute, form, attribute.column, reference.argument or primary_model)
