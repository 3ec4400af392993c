"""What a benchmark is given and what it gives."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULES: Final = ("sync", "recommendations", "engine", "inbox", "push", "workers", "predictions", "kills", "api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`data`: a folder of bulk files, or None for made-up ones. `postgres`: URL of a server whose user may create
    databases; None leaves PostgreSQL out."""

    data: Path | None
    postgres: str | None
    folder: Path  # for files of this run; removed afterwards
    big: bool = False  # shops of ten million order lines and of a million customers, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`floor` in the same unit, measured in the same run; `goal` is what `value / floor` should reach at least."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    goal: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None


Benchmark = Callable[[Options], Awaitable[list[Figure]]]


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name. Raises ModuleNotFoundError for a name that is none."""
    run: Benchmark = importlib.import_module(f"tests.bench.{name}").run
    return run
