"""What an earlier recompute left of many customers, and of whom it still holds.

A customer's history stands while her facts and the rules are the same (`digests.py`), her time has not come, and her
places in the computed models are what the rules say now. Whoever is not among those is told anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plugin.domain.columns import Bools, Ints
from plugin.domain.history import Standing
from plugin.domain.instants import FOREVER
from plugin.domain.lifecycles import UNPLACED, LifecycleModel
from plugin.ledger.bulk_reads import read_picked, whole
from plugin.ledger.database import NULL_INT, Arrays, Database
from plugin.ledger.picks import Pick

SCORES: Final = ("rfm_recency", "rfm_frequency", "rfm_monetary")
_PROFILES: Final = (
    f"SELECT customer_id, digest, due_at, computed_at, {', '.join(SCORES)} FROM profiles"
    " WHERE shop_id = $1 AND {customer_id} ORDER BY customer_id"
)
_PLACEMENTS: Final = (
    "SELECT model, customer_id, stage, COALESCE(rung, 0) AS rung, since_day, previous_stage, valid_until"
    " FROM placements WHERE shop_id = $1 AND {customer_id}"
)
_NONE: Final = -1
_UNKNOWN: Final = -2  # a stage that the model does not have


@dataclass(frozen=True, slots=True)
class KeptPlaces:
    """Of one model, one entry a customer of the frame: indexes of stages, `UNPLACED` for none."""

    stage: Ints
    rung: Ints
    since_day: Ints
    previous: Ints
    valid_until: Ints

    def are(self, standing: Standing) -> Bools:
        same: Bools = (self.stage == standing.stage) & (self.rung == standing.rung)
        until: Bools = (self.valid_until == standing.valid_until) | (self.stage == UNPLACED)
        return same & until


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry a customer of the frame; `places` by the model's key. `digest` is 0 where nothing is kept."""

    digest: Ints
    due_at: Ints
    computed_at: Ints
    scores: tuple[Ints, ...]  # NULL_INT: none
    places: Mapping[str, KeptPlaces]
    stray: Bools  # has places in models that are computed no more
    gone: frozenset[int]  # who has rows, and is no customer of the frame

    def hold(self, digest: Ints, standings: Mapping[str, Standing], *, at: int) -> Bools:
        """Whose history stands at `at`. `standings`: what the rules say now, of models that read nobody's stage; of the
        others what is kept says until when it stands."""
        held: Bools = (self.digest == digest) & (self.digest != 0) & (self.due_at > at) & (self.computed_at <= at)
        held &= ~self.stray
        for key, places in self.places.items():
            # Who stands nowhere has no row, and so nothing that says until when.
            stands = (places.stage != UNPLACED) & (places.valid_until > at)
            held &= places.are(standings[key]) if key in standings else stands
        return held


async def read_kept(database: Database, shop_id: int, pick: Pick, ids: Ints, models: Sequence[LifecycleModel]) -> Kept:
    """Of the customers `ids`, ascending, who are those of `pick`."""
    profiles = await read_picked(database, _PROFILES, shop_id, pick)
    placements = await read_picked(database, _PLACEMENTS, shop_id, pick)
    at, mine = _positions(profiles["customer_id"], ids)

    def spread(name: str, nothing: int) -> Ints:
        values = np.full(len(ids), nothing, dtype=np.int64)
        there = whole(profiles[name])[mine]
        values[at] = np.where(there == NULL_INT, nothing, there)
        return values

    places, stray = _places(placements, ids, models)
    gone = {
        of
        for rows in (profiles, placements)
        for of in rows["customer_id"][~_positions(rows["customer_id"], ids)[1]].tolist()
    }
    return Kept(
        digest=spread("digest", 0), due_at=spread("due_at", FOREVER), computed_at=spread("computed_at", FOREVER),
        scores=tuple(spread(name, NULL_INT) for name in SCORES), places=places, stray=stray,
        gone=frozenset(gone),
    )  # fmt: skip


def _positions(customers: NDArray[Any], ids: Ints) -> tuple[Ints, Bools]:
    """Where rows' customers stand in `ids`, and which rows have one there."""
    wanted = customers.astype(np.int64)
    if not len(ids):
        return np.zeros(0, dtype=np.int64), np.zeros(len(wanted), dtype=np.bool_)
    found = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    mine = ids[found] == wanted
    return found[mine], mine


def _places(rows: Arrays, ids: Ints, models: Sequence[LifecycleModel]) -> tuple[dict[str, KeptPlaces], Bools]:
    numbers = {model.key: number for number, model in enumerate(models)}
    of_model = np.array([numbers.get(key, _NONE) for key in rows["model"].tolist()], dtype=np.int64)
    at, mine = _positions(rows["customer_id"], ids)
    stray = np.zeros(len(ids), dtype=np.bool_)
    stray[at[of_model[mine] == _NONE]] = True
    places, until = {}, whole(rows["valid_until"])
    for number, model in enumerate(models):
        chosen = mine & (of_model == number)
        to = _positions(rows["customer_id"][chosen], ids)[0]
        stages = {key: place for place, key in enumerate(model.keys)}
        columns = {
            "stage": _indexes(rows["stage"][chosen], stages), "rung": whole(rows["rung"])[chosen],
            "since_day": whole(rows["since_day"])[chosen], "previous": _indexes(rows["previous_stage"][chosen], stages),
            "valid_until": np.where(until[chosen] == NULL_INT, FOREVER, until[chosen]),
        }  # fmt: skip
        nothing = {"stage": UNPLACED, "rung": 0, "since_day": 0, "previous": _NONE, "valid_until": FOREVER}
        spread = {name: np.full(len(ids), value, dtype=np.int64) for name, value in nothing.items()}
        for name, values in columns.items():
            spread[name][to] = values
        places[model.key] = KeptPlaces(**spread)
    return places, stray


def _indexes(keys: NDArray[Any], stages: Mapping[str, int]) -> Ints:
    if keys.dtype != object:  # all NULL
        return np.full(len(keys), _NONE, dtype=np.int64)
    return np.array([_NONE if key is None else stages.get(key, _UNKNOWN) for key in keys.tolist()], dtype=np.int64)
