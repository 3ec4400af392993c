"""The promise to callers: what the last release answered is answered still."""

from pathlib import Path

import pytest
from graphql import build_schema, find_breaking_changes

SCHEMAS = Path(__file__).parents[2] / "graphql_schema"
NAMES = ("schema.graphql", "storefront.graphql")


def broken(released: str, now: str) -> list[str]:
    return [change.description for change in find_breaking_changes(build_schema(released), build_schema(now))]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_last_release_is_gone_or_changed(name: str) -> None:
    """A field that should go is deprecated first; at a release its files are copied to `graphql_schema/released`."""
    assert broken((SCHEMAS / "released" / name).read_text("utf-8"), (SCHEMAS / name).read_text("utf-8")) == []


def test_what_would_break_a_caller_is_seen() -> None:
    now = (SCHEMAS / "schema.graphql").read_text("utf-8")
    assert broken(now, now.replace("  displayName: String\n", "  displayName: Int\n", 1)) == [
        "Field Customer.displayName changed type from String to Int."
    ]
    assert broken(now, now.replace("  rfm: Rfm\n", "  scores: Rfm\n", 1)) == ["Field Customer.rfm was removed."]
    assert broken(now, now.replace("  rfm: Rfm\n", "  rfm: Rfm\n  more: Rfm\n", 1)) == []
