"""The documents sent to the Admin API, one file each, validated in the tests against the platform's own schema."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def document(name: str) -> str:
    """The text of `queries/<name>.graphql`. Names that begin with Bulk are what a bulk operation is given."""
    return files(__name__).joinpath(f"{name}.graphql").read_text(encoding="utf-8")
