"""Instants: aware UTC datetimes in Python, integer epoch microseconds in the store and in arrays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FOREVER = 2**63 - 1  # "never", where an instant must be a number


def to_us(instant: datetime) -> int:
    """Epoch microseconds. Raises ValueError for a naive datetime."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return (instant - EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC datetime of epoch microseconds."""
    return EPOCH + timedelta(microseconds=us)


def parse_instant(text: str) -> int:
    """ISO 8601 with a zone, as the shop writes it (`2026-11-22T10:00:00Z`) → epoch microseconds. Raises ValueError."""
    return to_us(datetime.fromisoformat(text))
