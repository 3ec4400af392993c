"""A made-up shop whose customers each like a few of its themes: what goes together is known."""

import numpy as np

from tests.support.online_retail import CUT, Lines

THEMES, OF_A_THEME = 20, 15
_DAY = 86_400_000_000


def themed_shop(*, customers: int = 300, seed: int = 7) -> tuple[Lines, dict[int, list[int]]]:
    """Lines before the cut, and what each customer bought after it and not before. One product in four is bought from
    all over the shop, the first products of a theme more often than its last."""
    random = np.random.default_rng(seed)
    liking = np.linspace(2, 0.2, OF_A_THEME)
    liking /= liking.sum()
    order, buyer, at, product = [], [], [], []
    later: dict[int, list[int]] = {}
    for customer in range(1, customers + 1):
        themes = random.choice(THEMES, 2, replace=False)
        count = int(random.integers(6, 18))
        places = random.choice(OF_A_THEME, count, p=liking)
        chosen = random.choice(themes, count) * OF_A_THEME + places
        anything = random.random(count) < 0.25
        chosen[anything] = random.integers(0, THEMES * OF_A_THEME, int(anything.sum()))
        bought, next_ones = chosen[: count // 2 + 1] + 1, chosen[count // 2 + 1 :] + 1
        order += [customer] * len(bought)
        buyer += [customer] * len(bought)
        at += (CUT - random.integers(1, 200, len(bought)) * _DAY).tolist()
        product += bought.tolist()
        if new := sorted(set(next_ones.tolist()) - set(bought.tolist())):
            later[customer] = new
    columns = (np.array(values, dtype=np.int64) for values in (order, buyer, at, product))
    return Lines(*columns), later
