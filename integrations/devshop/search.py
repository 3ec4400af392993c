"""The platform's search syntax (`query:` arguments), for the fields the dev shop can search."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.devshop.rows import Value

Test = Callable[[Any], bool]
FieldTest = Callable[[str, str], Test]  # (comparator, value) -> test of a row
TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<or>OR\b)|(?P<and>AND\b)|(?P<not>NOT\b|-)
    |(?:(?P<field>\w+):(?P<cmp><=|>=|<|>|=)?)?(?P<value>'[^']*'|"[^"]*"|[^\s()]+))""",
    re.VERBOSE,
)


@dataclass
class Search:
    """A compiled search: a test of rows, and the warnings the platform would give in `extensions.search`."""

    test: Test
    warnings: list[dict[str, str]] = field(default_factory=list)


def always(_row: Value) -> bool:
    return True


def compile_search(text: str | None, fields: Mapping[str, FieldTest], *, bare: FieldTest | None = None) -> Search:
    """Blank is AND, `OR`, brackets and `-` as the platform has them.

    As on the platform, a term on an unknown field is dropped with a warning, so that *more* rows are found.
    """
    if not text or not text.strip():
        return Search(always)
    parser = _Parser(text, fields, bare)
    return Search(parser.any_of(), parser.warnings)


class _Parser:
    def __init__(self, text: str, fields: Mapping[str, FieldTest], bare: FieldTest | None) -> None:
        self.tokens = [match for match in TOKEN.finditer(text) if match.group().strip()]
        self.position = 0
        self.fields = fields
        self.bare = bare
        self.warnings: list[dict[str, str]] = []

    def peek(self, kind: str) -> bool:
        return self.position < len(self.tokens) and self.tokens[self.position].group(kind) is not None

    def any_of(self) -> Test:
        options = [self.all_of()]
        while self.peek("or"):
            self.position += 1
            options.append(self.all_of())
        return options[0] if len(options) == 1 else lambda row: any(option(row) for option in options)

    def all_of(self) -> Test:
        parts: list[Test] = []
        while self.position < len(self.tokens) and not self.peek("or") and not self.peek("close"):
            if self.peek("and"):
                self.position += 1
                continue
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def term(self) -> Test:
        if self.peek("not"):
            self.position += 1
            inner = self.term()
            return lambda row: not inner(row)
        if self.peek("open"):
            self.position += 1
            inside = self.any_of()
            if self.peek("close"):
                self.position += 1
            return inside
        token = self.tokens[self.position]
        self.position += 1
        return self.field_test(token)

    def field_test(self, token: re.Match[str]) -> Test:
        name, value = token.group("field"), (token.group("value") or "").strip("'\"")
        if name is None:
            return self.bare("", value) if self.bare else always
        if name not in self.fields:
            message = "Invalid search field for this query."
            self.warnings.append({"field": name, "message": message, "code": "invalid_field"})
            return always
        return self.fields[name](token.group("cmp") or "", value)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "": lambda left, right: bool(left == right),
    "=": lambda left, right: bool(left == right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


def by_day(read: Callable[[Any], str | None]) -> FieldTest:
    """Dates match whole days: the time of day of the search value is not looked at."""

    def compiled(comparator: str, value: str) -> Test:
        compare, day = COMPARE[comparator], value[:10]
        return lambda row: (text := read(row)) is not None and compare(text[:10], day)

    return compiled


def by_number(read: Callable[[Any], int | None]) -> FieldTest:
    def compiled(comparator: str, value: str) -> Test:
        digits = value.rsplit("/", 1)[-1]
        if not re.fullmatch(r"-?\d+", digits):
            return lambda _row: False
        compare, wanted = COMPARE[comparator], int(digits)
        return lambda row: (number := read(row)) is not None and compare(number, wanted)

    return compiled


def by_text(read: Callable[[Any], str | None]) -> FieldTest:
    def compiled(_comparator: str, value: str) -> Test:
        wanted = value.casefold()
        if wanted.endswith("*"):
            start = wanted[:-1]
            return lambda row: (read(row) or "").casefold().startswith(start)
        return lambda row: (read(row) or "").casefold() == wanted

    return compiled


def by_tag(read: Callable[[Any], list[str]]) -> FieldTest:
    def compiled(_comparator: str, value: str) -> Test:
        wanted = value.casefold()
        return lambda row: any(tag.casefold() == wanted for tag in read(row))

    return compiled
