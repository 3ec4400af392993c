"""Trusted documents: what callers may ask for by an id instead of a text, and where nothing else is let in.

https://github.com/graphql/graphql-over-http/blob/main/spec/Appendix%20A%20--%20Persisted%20Documents.md

`storefront/` beside this file holds what the theme's blocks send, `graphql/` what the merchant's page sends. An
installation may add a folder with the same two of its own (`REBLOOM_DOCUMENTS`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from plugin.settings import DOORS

_OWN: Final = Path(__file__).parent


def document_id(text: str) -> str:
    """The id of a document: of its very bytes, so that `sha256sum file` tells it, too."""
    return "sha256:" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Trusted:
    """Documents of one endpoint, text by id. `alone`: nothing else may be asked for there."""

    texts: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False


def trusted_files(added: Path | None) -> dict[str, dict[Path, str]]:
    """The texts of an endpoint's documents by their files, ours and those of the folder `added`.

    Raises OSError or UnicodeDecodeError for a file that cannot be read."""
    folders = [_OWN] if added is None else [_OWN, added]
    return {
        door: {
            path: path.read_bytes().decode() for folder in folders for path in sorted((folder / door).glob("*.graphql"))
        }
        for door in DOORS
    }


def own_document(door: str, name: str) -> str:
    """The id of a document of ours."""
    return document_id((_OWN / door / f"{name}.graphql").read_bytes().decode())
