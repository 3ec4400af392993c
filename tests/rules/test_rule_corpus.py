"""Every query and every mistake of the language page's two files; the copies in `cases/` are theirs, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.domain.rules import Names, Profile, RuleError, canonical, parse
from plugin.domain.rules.attributes import ATTRIBUTES, FUNCTIONS, AttributeType
from plugin.domain.rules.meanings import ATTRIBUTE_MEANINGS, FUNCTION_MEANINGS
from plugin.domain.rules.names import MetafieldDefinition

CASES = Path(__file__).parent / "cases"


def rows(name: str) -> list[dict[str, str]]:
    """No quoting rules: a `"` is just a character, and blanks at the ends count."""
    header, *lines = (CASES / name).read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


GOOD = [row["query"] for row in rows("segment-queries.tsv")]
BAD = rows("segment-queries-bad.tsv")
DEFINED = Names(
    {
        "custom.points_balance": MetafieldDefinition("custom", "points_balance", AttributeType.INTEGER),
        "app--1576377--loyalty.status": MetafieldDefinition("app--1576377--loyalty", "status", AttributeType.STRING),
    },
    assume_metafields=False,
)


def test_the_files_are_whole() -> None:
    assert (len(GOOD), len(BAD)) == (144, 20)


@pytest.mark.parametrize("query", GOOD)
@pytest.mark.parametrize("names", [Names(), DEFINED], ids=["knowing nothing", "metafields defined"])
def test_every_public_query_is_read_and_its_tidy_text_says_the_same(query: str, names: Names) -> None:
    parsed = parse(query, names=names)
    assert parsed.text == query
    tidy = canonical(parsed.rule)
    assert parse(tidy, names=names).rule == parsed.rule
    assert canonical(parse(tidy, names=names).rule) == tidy


@pytest.mark.parametrize("query", GOOD)
def test_a_tidy_text_needs_no_repair(query: str) -> None:
    of_form = {"deprecated_form", "assumed_since", "quoted_date", "wrapper_ignored"}
    warnings = parse(canonical(parse(query).rule), names=DEFINED).warnings
    assert not of_form & {warning.kind.value for warning in warnings}


@pytest.mark.parametrize("row", BAD, ids=[row["query"] for row in BAD])
@pytest.mark.parametrize("profile", Profile)
def test_every_mistake_is_named_at_its_place(row: dict[str, str], profile: Profile) -> None:
    assert row["profile"] == "any"
    with pytest.raises(RuleError) as refused:
        parse(row["query"], profile=profile)
    primary = refused.value.primary
    assert (primary.kind.value, primary.offset) == (row["error_kind"], int(row["offset"]))
    found = {f"{problem.kind.value}@{problem.offset}" for problem in refused.value.problems}
    if row["also"].startswith("unknown_attribute"):
        assert row["also"] in found


def test_every_name_of_the_language_is_explained() -> None:
    assert set(ATTRIBUTE_MEANINGS) == set(ATTRIBUTES)
    assert set(FUNCTION_MEANINGS) == set(FUNCTIONS)
    assert all(each.description.endswith(".") for each in (*ATTRIBUTES.values(), *FUNCTIONS.values()))
