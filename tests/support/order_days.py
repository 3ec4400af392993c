"""Made-up order days of buyers whose truth is known."""

import numpy as np

from plugin.domain.predict.features import OrderDays


def made_up(buyers: int = 400, days: int = 500, seed: int = 7) -> OrderDays:
    """Buyers who come in the first half, each with a rate of her own, and leave with a chance after each order."""
    rng = np.random.default_rng(seed)
    rows = []
    for buyer in range(1, buyers + 1):
        rate, leaves, day = rng.gamma(1.2, 1 / 30), rng.beta(1, 6), rng.integers(0, days // 2)
        while day < days:
            rows.append((buyer, int(day), float(rng.gamma(4, 5))))
            if rng.random() < leaves:
                break
            day += max(1, rng.exponential(1 / rate))
    buyer, day, amount = (np.array(column) for column in zip(*rows, strict=True))
    return OrderDays.of(buyer.astype(np.int64), day.astype(np.int64), amount)
