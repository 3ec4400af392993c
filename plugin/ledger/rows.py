"""Rows of a SQLite cursor as NumPy arrays, in pieces, so that Python objects of only one piece exist at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plugin.ledger.database import NULL_INT, Arrays

_PIECE: Final = 50_000
Piece = NDArray[Any]


def column_arrays(cursor: sqlite3.Cursor) -> Arrays:
    """Arrays by column name: integers as int64 (NULL is NULL_INT), real numbers as float64 (NULL is NaN), texts as
    objects (NULL is None). A column without values is of integers."""
    names = [column[0] for column in cursor.description]
    pieces: list[list[Piece]] = [[] for _ in names]
    while rows := cursor.fetchmany(_PIECE):
        for parts, values in zip(pieces, zip(*rows, strict=True), strict=True):
            parts.append(_piece(values))
    return {name: _joined(parts) for name, parts in zip(names, pieces, strict=True)}


def _piece(values: Sequence[Any]) -> Piece:
    kinds = set(map(type, values))
    if str in kinds or bytes in kinds:
        return np.array(values, dtype=np.object_)
    if float in kinds:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if type(None) in kinds:
        return np.array([NULL_INT if value is None else value for value in values], dtype=np.int64)
    return np.array(values, dtype=np.int64)


def _joined(parts: Sequence[Piece]) -> Piece:
    """Pieces of one column; a piece that holds only NULLs, or whole numbers among real ones, takes on their type."""
    kinds = {part.dtype.kind for part in parts}
    if "O" in kinds:
        return np.concatenate([_as_objects(part) for part in parts])
    if "f" in kinds:
        return np.concatenate([part if part.dtype.kind == "f" else _as_reals(part) for part in parts])
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _as_objects(part: Piece) -> Piece:
    return part if part.dtype.kind == "O" else np.full(len(part), None, dtype=np.object_)


def _as_reals(part: Piece) -> Piece:
    return np.where(part == NULL_INT, np.nan, part.astype(np.float64))
