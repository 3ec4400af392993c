"""Which incentive of a play's ladder is in force, where proof decides about it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from plugin.domain.plays.play import Play
from plugin.domain.plays.reasons import discount_text
from plugin.domain.proof.arms import incentive_key


def in_force(play: Play, proven: AbstractSet[str]) -> tuple[Play, str | None]:
    """The play at the level that is given, and why, where that is for proof to say: the highest, up to the play's own
    level, of which the holdout shows that it helps (`proven`), else the first, which needs no proof."""
    if not play.ladder_raises or not play.level:
        return play, None
    earned = (level for level in range(play.level, 0, -1) if incentive_key(play.ladder[level]) in proven)
    level = next(earned, 0)
    wanted, given = discount_text(play.ladder[play.level]), discount_text(play.ladder[level])
    if level == play.level:
        return play, f"{given}: the holdout shows that it helps"
    why = "the highest that the holdout shows to help" if level else "the first, which needs no proof"
    return replace(play, level=level), f"not {wanted}: the holdout does not show that it helps; {given} is {why}"
