"""The registered documents of an installation, read at its start."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from graphql_schema.documents import Documents, InvalidDocumentError
from graphql_schema.schema import core, merchant_schema, storefront_schema
from graphql_schema.trusted import Trusted, document_id, trusted_files
from plugin.errors import SettingsError

_SCHEMAS = {"storefront": storefront_schema, "graphql": merchant_schema}


def trusted_documents(added: Path | None = None, alone: Collection[str] = ()) -> dict[str, Trusted]:
    """Those of each endpoint, ours and those of the folder `added`; `alone` names endpoints with nothing else.

    Raises SettingsError, one line a file, where one is no document of its endpoint's schema: found at the start, not by
    a customer."""
    try:
        files = trusted_files(added)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"REBLOOM_DOCUMENTS: a document cannot be read: {error}") from None
    faults = [fault for door, texts in files.items() for fault in _faults(door, texts)]
    if faults:
        raise SettingsError(
            "REBLOOM_DOCUMENTS: these files are no documents of their schema:\n  " + "\n  ".join(faults)
        )
    return {
        door: Trusted({document_id(text): text for text in texts.values()}, alone=door in alone)
        for door, texts in files.items()
    }


def listed(added: Path | None = None) -> list[tuple[str, str, str]]:
    """Endpoint, name and id of each. Raises SettingsError."""
    trusted_documents(added)
    return [
        (door, path.stem, document_id(text))
        for door, texts in trusted_files(added).items()
        for path, text in texts.items()
    ]


def _faults(door: str, texts: dict[Path, str]) -> Iterator[str]:
    documents = Documents(core(_SCHEMAS[door]))
    for path, text in texts.items():
        try:
            documents.checked(text)
        except InvalidDocumentError as error:
            yield f"{path}: {error.errors[0].message}"
