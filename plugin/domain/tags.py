"""The tags Rebloom wants on a customer (interface.md section 5): folded, since the shop keeps one spelling of a tag for
all its customers, and never one that the shop would split, cut or refuse."""

from __future__ import annotations

from typing import Final

from plugin.domain.text import fold, storable

LONGEST_TAG: Final = 255  # characters, the platform's limit
STAGE: Final = "stage-"


def stage_tag(prefix: str, stage: str, rung: int | None) -> str:
    """`rbl-stage-active`, `rbl-stage-departing-2`."""
    return fold(f"{prefix}{STAGE}{stage}" + (f"-{rung}" if rung else ""))


def segment_tag(prefix: str, tag: str) -> str | None:
    """`rbl-<tag>`; None for a tag that the shop would refuse or split, or that would pass for a stage."""
    wanted = fold(f"{prefix}{tag.strip()}")
    fits = len(wanted) <= LONGEST_TAG and storable(wanted) and "," not in wanted
    named = fold(tag.strip())
    return wanted if fits and named and not named.startswith(STAGE) else None
