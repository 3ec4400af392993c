"""The randomised e-mail experiment of ../shared/data/hillstrom, where it is present; and one like it, made up."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plugin.domain.money import SCALE
from plugin.domain.proof.arms import Arm, Side

ROOT: Final = Path(__file__).parents[3] / "shared" / "data" / "hillstrom"
PRESENT: Final = [ROOT] if ROOT.exists() else []
Floats = NDArray[np.float64]


def arm(spend: Floats) -> Arm:
    """Of customers who spent so much in their window, in one order if they spent at all."""
    ordered = int((spend > 0).sum())
    revenue = int(np.rint(spend * SCALE).sum())
    return Arm(
        n=len(spend), ordered=ordered, orders=ordered, order_squares=ordered, revenue=revenue,
        revenue_squares=float((spend**2).sum()),
    )  # fmt: skip


def sides(offered: Floats, held: Floats, share: int = 5_000, incentive: str = "") -> dict[Side, Arm]:
    return {Side(incentive, share, False): arm(offered), Side(incentive, share, True): arm(held)}


def made_up(seed: int, customers: int, rate: float, *, uplift: float = 0.0, share: float = 0.5) -> tuple[Floats, Any]:
    """(spend, held) of so many customers, one by one as they come. Order values are log-normal, as shops' are."""
    numbers = np.random.default_rng(seed)
    held = numbers.random(customers) < share
    orders = numbers.random(customers) < np.where(held, rate, rate * (1 + uplift))
    return orders * np.exp(numbers.normal(3.5, 1.0, customers)), held


def read(folder: Path) -> dict[str, Floats]:
    """What each customer spent, by arm of the experiment."""
    with gzip.open(folder / "hillstrom.csv.gz", "rt", encoding="utf-8") as file:
        rows = [(row["segment"], float(row["spend"])) for row in csv.DictReader(file)]
    return {name: np.array([spend for each, spend in rows if each == name]) for name in {row[0] for row in rows}}


def truth(folder: Path) -> Any:
    return json.loads((folder / "truth.json").read_text(encoding="utf-8"))
