"""The rule language: what a stage rule, a segment and a play trigger are written in (segment-language.md)."""

from __future__ import annotations

from dataclasses import dataclass

from plugin.domain.rules.canonical import canonical
from plugin.domain.rules.check import Checker
from plugin.domain.rules.errors import Kind, Problem, Profile, Report, RuleError, Severity
from plugin.domain.rules.export import ShopifyText, to_shopify
from plugin.domain.rules.names import NO_NAMES, MetafieldDefinition, Names
from plugin.domain.rules.parser import parse_text
from plugin.domain.rules.syntax import Rule, normalised

__all__ = [
    "NO_NAMES",
    "Kind",
    "MetafieldDefinition",
    "Names",
    "Parsed",
    "Problem",
    "Profile",
    "Rule",
    "RuleError",
    "Severity",
    "ShopifyText",
    "canonical",
    "normalised",
    "parse",
    "to_shopify",
]


@dataclass(frozen=True, slots=True)
class Parsed:
    """`text` is as the merchant wrote it, outer blanks included."""

    rule: Rule
    text: str
    warnings: tuple[Problem, ...]


def parse(
    text: str, *, names: Names = NO_NAMES, profile: Profile = Profile.OWN, own_model: str | None = None
) -> Parsed:
    """The rule that `text` says. `own_model` is the lifecycle model whose rule it is, if any.

    Raises RuleError, and nothing else whatever the text. Time is linear in the length of the text."""
    report = Report(text, profile)
    checker = Checker(report, names, own_model)
    rule = parse_text(report, checker.clause)
    return Parsed(rule, text, report.settle())
