"""Text as rules compare it: folded tags, and lists held in one text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SEPARATOR: Final = "\x1f"


def fold(text: str) -> str:
    """Unicode *simple* case folding (one character stays one): tags are compared so (segment-language.md, 4.3).

    `str.casefold` is the full folding, which would make 'ß' equal to 'ss'.
    """
    return text.lower() if text.isascii() else "".join(map(_fold_character, text))


def _fold_character(character: str) -> str:
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


def storable(text: str) -> bool:
    """Whether a stored text can hold it: PostgreSQL takes no NUL, and neither database takes half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def list_text(elements: Iterable[str], *, folded: bool = False) -> str | None:
    """A list as the profile holds it, a separator around each element; None when empty. Separators inside an element
    become blanks."""
    clean = [element.replace(SEPARATOR, " ") for element in elements]
    if not clean:
        return None
    return SEPARATOR + SEPARATOR.join(fold(e) if folded else e for e in clean) + SEPARATOR
