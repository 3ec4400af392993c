"""How good probabilities were, once it is known what happened."""

from __future__ import annotations

from typing import Final

import numpy as np

from plugin.domain.columns import Floats, Ints

_BINS: Final = 10


def auc(score: Floats, happened: Ints) -> float | None:
    """The share of pairs, one where it happened and one where not, that `score` puts in the right order; ties count
    half. None without such a pair."""
    yes = int(happened.sum())
    no = len(happened) - yes
    if not yes or not no:
        return None
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2  # mean rank of each tie, from 1
    return float((rank[place][happened > 0].sum() - yes * (yes + 1) / 2) / (yes * no))


def calibration_error(probability: Floats, happened: Ints) -> float:
    """The mean distance between what was said and what came, over ten groups of equal size in the order of what was
    said, weighed by their sizes."""
    order = np.argsort(probability, kind="stable")
    groups = np.array_split(order, min(_BINS, len(order)))
    return float(
        sum(len(group) * abs(probability[group].mean() - happened[group].mean()) for group in groups) / len(order)
    )


def log_loss(probability: Floats, happened: Ints) -> float:
    """Mean surprise, in nats: it is smallest for the true probabilities, so it judges order and calibration at once."""
    sure = np.clip(probability, 1e-6, 1 - 1e-6)
    return float(-np.where(happened > 0, np.log(sure), np.log1p(-sure)).mean())
