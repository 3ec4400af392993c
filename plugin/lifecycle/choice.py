"""Which lifecycle models are computed for a shop, and whether their optional stages are on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from plugin.domain.columns import Ints
from plugin.domain.lifecycles import LifecycleModel, models_read, without_optional
from plugin.shops import ShopContext

SLOW_CONVERSION: Final = 7
"""Days: the field says that 87 % of first purchases fall in the week of registering (lifecycle.md, section 6). Where
half of a shop's buyers took longer, a stage between knowing the shop and judging its goods tells something."""


def chosen_models(
    shop: ShopContext, models: Mapping[str, LifecycleModel], days_to_conversion: float | None
) -> tuple[LifecycleModel, ...]:
    """Those that are computed, with or without their optional stages."""
    show = shows_optional(shop, days_to_conversion)
    chosen = (model if show else without_optional(model) for model in computed_of(shop, models))
    return in_turn(chosen, shop.primary_model)


def computed_of(shop: ShopContext, models: Mapping[str, LifecycleModel]) -> list[LifecycleModel]:
    """Those that the shop's settings name (all, when they name none), the primary one, and whatever they read, in the
    order of `models`."""
    wanted, found = {*(shop.computed_models or models), shop.primary_model} & models.keys(), set[str]()
    while wanted - found:
        found |= wanted
        wanted = {key for of in found for key in models_read(models[of], shop.primary_model)} & models.keys()
    return [model for key, model in models.items() if key in found]


def in_turn(models: Iterable[LifecycleModel], primary_model: str) -> tuple[LifecycleModel, ...]:
    """Each after those whose stages its rules read, which form no cycle; else as they come."""
    left, ready = {model.key: model for model in models}, list[LifecycleModel]()
    while left:
        waiting = {key: models_read(model, primary_model) & left.keys() - {key} for key, model in left.items()}
        now = [key for key, reads in waiting.items() if not reads] or list(left)
        ready += [left.pop(key) for key in now]
    return tuple(ready)


def shows_optional(shop: ShopContext, days_to_conversion: float | None) -> bool:
    """AUTO is off for a shop that has no buyers yet."""
    if shop.optional_stages != "AUTO":
        return shop.optional_stages == "ON"
    return days_to_conversion is not None and days_to_conversion > SLOW_CONVERSION


def median_days(registered_day: Ints, first_order_day: Ints) -> float | None:
    """Median days from registering to the first order; 0 for whoever ordered first. None without buyers."""
    if not len(first_order_day):
        return None
    return float(np.median(np.maximum(first_order_day - registered_day, 0)))
