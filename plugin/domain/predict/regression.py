"""Logistic and Poisson regression with a small ridge, by Newton's steps: the calibrated hazard of buying again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from plugin.domain.columns import Floats, Ints

_RIDGE: Final = 1.0  # on standardised columns: that of one buyer's worth of information
_STEPS: Final = 50
_ENOUGH: Final = 1e-8
_LARGEST: Final = 30.0  # of a linear predictor: exp of more means nothing


class Link(StrEnum):
    """Of what the mean is modelled: whether something happens, or how often."""

    LOGISTIC = "logistic"
    POISSON = "poisson"


@dataclass(frozen=True, slots=True)
class Regression:
    link: Link
    centre: Floats
    scale: Floats
    weights: Floats  # the intercept first

    def __call__(self, matrix: Floats) -> Floats:
        """The expected value of each row."""
        standard = (matrix - self.centre) / self.scale
        return _mean(self.link, self.weights[0] + standard @ self.weights[1:])


def fit_regression(matrix: Floats, outcome: Ints, link: Link) -> Regression:
    """By penalised maximum likelihood. Needs at least one row; a column without variation gets no weight."""
    centre, spread = matrix.mean(axis=0), matrix.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    rows = np.column_stack([np.ones(len(matrix)), (matrix - centre) / scale])
    mean = (outcome.mean() * len(outcome) + 0.5) / (len(outcome) + 1)
    weights = np.zeros(rows.shape[1])
    weights[0] = np.log(mean / (1 - mean)) if link is Link.LOGISTIC else np.log(mean)
    penalty = np.full(rows.shape[1], _RIDGE)
    penalty[0] = 0.0
    loss = _loss(link, rows, outcome, weights, penalty)
    for _ in range(_STEPS):
        expected = _mean(link, rows @ weights)
        variance = expected * (1 - expected) if link is Link.LOGISTIC else expected
        slope = rows.T @ (expected - outcome) + penalty * weights
        curve = (rows.T * variance) @ rows + np.diag(penalty + _ENOUGH)
        step = np.linalg.solve(curve, slope)
        while (lower := _loss(link, rows, outcome, weights - step, penalty)) > loss + _ENOUGH:
            step = step / 2
        weights, gain, loss = weights - step, loss - lower, lower
        if gain < _ENOUGH * (1 + abs(loss)):
            break
    return Regression(link, centre, scale, weights)


def _mean(link: Link, linear: Floats) -> Floats:
    bounded = np.clip(linear, -_LARGEST, _LARGEST)
    mean: Floats = 1 / (1 + np.exp(-bounded)) if link is Link.LOGISTIC else np.exp(bounded)
    return mean


def _loss(link: Link, rows: Floats, outcome: Ints, weights: Floats, penalty: Floats) -> float:
    linear = np.clip(rows @ weights, -_LARGEST, _LARGEST)
    total = np.logaddexp(0, linear) if link is Link.LOGISTIC else np.exp(linear)
    return float(np.sum(total - outcome * linear) + penalty @ weights**2 / 2)
