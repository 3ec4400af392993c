"""Buy-till-you-die models: BG/NBD (Fader, Hardie & Lee 2005) and MBG/NBD (Batislam, Denizel & Filiztekin 2007), which
lets a buyer leave after the first purchase already. Time is in days; x repeats by t_x of an age T, all from the first
purchase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, hyp2f1, logsumexp

from plugin.domain.columns import Floats

_WIDEST: Final = 8.0  # of a parameter's logarithm: what lies beyond cannot be told apart


@dataclass(frozen=True, slots=True)
class Lives:
    """A row a buyer. `last` is t_x, 0 without repeats."""

    repeats: Floats
    last: Floats
    age: Floats


@dataclass(frozen=True, slots=True)
class DieFit:
    """`modified` is MBG/NBD. Rates of buying: Gamma(r, alpha), alpha in the unit of time; of leaving: Beta(a, b)."""

    modified: bool
    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, lives: Lives) -> Floats:
        """Probability that she has not left for good."""
        gone = _log_odds_gone(self, lives)
        return np.asarray(expit(-gone), dtype=np.float64)

    def expected(self, lives: Lives, span: float) -> Floats:
        """Expected number of purchases in the next `span` units of time."""
        x, age = lives.repeats, lives.age
        b = self.b + 1 if self.modified else self.b
        first = self.a + b + x - 1  # of MBG/NBD, who has stayed once oftener: a + b + x
        z = span / (self.alpha + age + span)
        series = hyp2f1(self.r + x, b + x, first, z)
        shrink = ((self.alpha + age) / (self.alpha + age + span)) ** (self.r + x)
        made = first / (self.a - 1) * (1 - shrink * series)
        return np.asarray(np.maximum(made * self.alive(lives), 0), dtype=np.float64)


def _log_odds_gone(fit: DieFit, lives: Lives) -> Floats:
    x, age = lives.repeats, lives.age
    silence = (fit.r + x) * (np.log(fit.alpha + age) - np.log(fit.alpha + lives.last))
    if fit.modified:
        return np.asarray(np.log(fit.a) - np.log(fit.b + x) + silence, dtype=np.float64)
    gone = np.log(fit.a) - np.log(np.maximum(fit.b + x - 1, 1e-12)) + silence
    return np.where(x > 0, gone, -np.inf)  # BG/NBD: who never came back cannot have left


def fit_lives(lives: Lives, *, modified: bool) -> DieFit:
    """By maximum likelihood, on each distinct row once."""
    distinct, counts = np.unique(np.column_stack([lives.repeats, lives.last, lives.age]), axis=0, return_counts=True)
    rows = Lives(*(distinct[:, place] for place in range(3)))

    def loss(logs: Floats) -> float:
        return -float(counts @ _log_likelihoods(np.exp(logs), rows, modified=modified)) / len(lives.age)

    best = minimize(loss, np.zeros(4), method="L-BFGS-B", bounds=[(-_WIDEST, _WIDEST)] * 4)
    best = minimize(loss, best.x, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 2000})
    r, alpha, a, b = np.exp(np.clip(best.x, -2 * _WIDEST, 2 * _WIDEST)).tolist()
    return DieFit(modified, r, alpha, a, b, -float(best.fun) * len(lives.age))


def _log_likelihoods(parameters: Floats, lives: Lives, *, modified: bool) -> Floats:
    r, alpha, a, b = parameters
    x, last, age = lives.repeats, lives.last, lives.age
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    extra = 1 if modified else 0
    stays = betaln(a, b + x + extra) - betaln(a, b) - (r + x) * np.log(alpha + age)
    leaves = betaln(a + 1, b + x - 1 + extra) if modified else betaln(a + 1, np.maximum(b + x - 1, 1e-12))
    leaves = leaves - betaln(a, b) - (r + x) * np.log(alpha + last)
    if not modified:
        leaves = np.where(x > 0, leaves, -np.inf)
    return np.asarray(common + logsumexp([stays, leaves], axis=0), dtype=np.float64)
