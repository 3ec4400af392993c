"""Gamma-Gamma (Fader & Hardie 2013): what a buyer's next order is worth, her own mean drawn towards the shop's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from plugin.domain.columns import Floats, Ints


@dataclass(frozen=True, slots=True)
class SpendFit:
    p: float
    q: float
    gamma: float

    def expected(self, orders: Ints, mean: Floats) -> Floats:
        """The expected value of her next order, from the mean of those she made; a mean of 0 tells nothing."""
        count = np.where(mean > 0, orders, 0)
        return np.asarray(self.p * (self.gamma + count * mean) / (self.p * count + self.q - 1), dtype=np.float64)


def fit_spend(orders: Ints, mean: Floats) -> SpendFit:
    """By maximum likelihood on buyers with a positive mean, of whom there is at least one; q stays above 1, where
    the shop's mean exists. The unit of money does not matter: `gamma` is fitted in means of the shop."""
    told = mean > 0
    x, unit = orders[told].astype(np.float64), float(mean[told].mean())
    m = mean[told] / unit

    def loss(logs: Floats) -> float:
        p, q, gamma = np.exp(logs[0]), 1 + np.exp(logs[1]), np.exp(logs[2])
        total = p * x
        each = (
            gammaln(total + q) - gammaln(total) - gammaln(q) + q * np.log(gamma)
            + (total - 1) * np.log(m) + total * np.log(x) - (total + q) * np.log(gamma + m * x)
        )  # fmt: skip
        return -float(each.mean())

    best = minimize(loss, np.array([1.0, 1.0, 1.0]), method="L-BFGS-B", bounds=[(-8, 8)] * 3)
    p, q, gamma = np.exp(best.x).tolist()
    return SpendFit(p, 1 + q, gamma * unit)
