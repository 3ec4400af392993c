"""Columns: how the engine holds one value of many customers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TEXT: Final = np.dtypes.StringDType()


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no one truth to compare by
class Column:
    """One value per row. `values` is int64, float64, bool or StringDType; where `null` it holds 0 or ''."""

    values: NDArray[Any]
    null: Bools


def known(values: NDArray[Any]) -> Column:
    return Column(values, np.zeros(len(values), dtype=np.bool_))


def text_column(values: Sequence[str | None]) -> Column:
    null = np.fromiter((value is None for value in values), dtype=np.bool_, count=len(values))
    return Column(np.array([value or "" for value in values], dtype=TEXT), null)


def int_column(values: Sequence[int | None]) -> Column:
    null = np.fromiter((value is None for value in values), dtype=np.bool_, count=len(values))
    return Column(np.array([value or 0 for value in values], dtype=np.int64), null)


def text_numbers(values: NDArray[Any]) -> Ints:
    """A number for each text, the same in any process: two texts share one once in 2^64."""
    known: dict[object, int] = {}
    numbers = [known[text] if text in known else known.setdefault(text, _number_of(text)) for text in values.tolist()]
    return np.array(numbers, dtype=np.int64)


def _number_of(text: object) -> int:
    return int.from_bytes(blake2b(str(text).encode(), digest_size=8).digest(), "little", signed=True)
