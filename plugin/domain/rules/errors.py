"""What can be wrong with a rule, where, and how it is told (segment-language.md, chapter 9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

from plugin.domain.errors import DomainError
from plugin.domain.rules.syntax import Span

MOST_ERRORS: Final = 20  # 9.2
_LONGEST_QUOTE: Final = 60


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Profile(StrEnum):
    """The parser is one; the checks after it differ (chapter 1)."""

    OWN = "own"
    SHOPIFY = "shopify"


class Kind(StrEnum):
    BLANK_QUERY = "blank_query"
    QUERY_TOO_LONG = "query_too_long"
    UNTERMINATED_STRING = "unterminated_string"
    DOUBLE_QUOTED_STRING = "double_quoted_string"
    UNEXPECTED_CHARACTER = "unexpected_character"
    INVALID_LITERAL = "invalid_literal"
    UNEXPECTED_TOKEN = "unexpected_token"  # noqa: S105 - the name of an error, not a secret
    UNEXPECTED_END = "unexpected_end"
    UNCLOSED_PAREN = "unclosed_paren"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    UNKNOWN_FUNCTION = "unknown_function"
    UNKNOWN_PARAMETER = "unknown_parameter"
    AMBIGUOUS_ATTRIBUTE = "ambiguous_attribute"
    DUPLICATE_PARAMETER = "duplicate_parameter"
    MISSING_PARAMETER = "missing_parameter"
    EMPTY_LIST = "empty_list"
    OPERATOR_NOT_SUPPORTED = "operator_not_supported"
    TYPE_MISMATCH = "type_mismatch"
    UNKNOWN_VALUE = "unknown_value"
    INVALID_DATE = "invalid_date"
    TOO_MANY_CLAUSES = "too_many_clauses"
    LIST_TOO_LONG = "list_too_long"
    TOO_DEEP = "too_deep"
    CYCLIC_REFERENCE = "cyclic_reference"
    # Warnings.
    DEPRECATED_FORM = "deprecated_form"
    ASSUMED_SINCE = "assumed_since"
    QUOTED_DATE = "quoted_date"
    WRAPPER_IGNORED = "wrapper_ignored"
    EMPTY_RANGE = "empty_range"
    NOT_PORTABLE = "not_portable"
    ALWAYS_TRUE = "always_true"
    ALWAYS_FALSE = "always_false"
    DATA_TOO_SHORT = "data_too_short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A problem before it is placed in a text: `says` is one or more sentences without the line and column."""

    kind: Kind
    span: Span
    says: str
    expected: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    hint: str | None = None
    related: tuple[Span, ...] = ()
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Shape of 9.1. `offset` and `length` count code points from 0, `line` and `column` are for people, from 1.

    `suggestions` are texts that can replace the marked stretch."""

    kind: Kind
    severity: Severity
    offset: int
    length: int
    line: int
    column: int
    found: str
    expected: tuple[str, ...]
    suggestions: tuple[str, ...]
    hint: str | None
    related: tuple[Span, ...]
    message: str

    def render(self, text: str) -> str:
        """The line of `text` with a marker under the stretch, then the message."""
        start = text.rfind("\n", 0, self.offset) + 1
        end = text.find("\n", start)
        line = text[start : end if end >= 0 else len(text)].rstrip("\r")
        before = "".join("\t" if character == "\t" else " " for character in line[: self.offset - start])
        width = max(1, min(self.length, len(line) - (self.offset - start)))
        return f"{line}\n{before}{'^' * width}\n{self.message}"

    def to_json(self) -> dict[str, object]:
        return {
            "kind": self.kind.value,
            "severity": self.severity.value,
            "offset": self.offset,
            "length": self.length,
            "line": self.line,
            "column": self.column,
            "found": self.found,
            "expected": list(self.expected),
            "suggestions": list(self.suggestions),
            "hint": self.hint,
            "related": [{"offset": span.offset, "length": span.length} for span in self.related],
            "message": self.message,
        }


class RuleError(DomainError):
    """The text is no rule. `problems` is never empty and begins with the primary one (9.2)."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(self.primary.message)

    @property
    def primary(self) -> Problem:
        return self.problems[0]

    def render(self, text: str) -> str:
        return "\n\n".join(problem.render(text) for problem in self.problems)

    def to_json(self) -> list[dict[str, object]]:
        return [problem.to_json() for problem in self.problems]


def quoted(text: str) -> str:
    """The merchant's words for a message, cut when they would fill the screen."""
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


def listing(items: Iterable[str], *, last: str = "and") -> str:
    *head, tail = items
    return f"{', '.join(head)} {last} {tail}" if head else tail


def placed(fault: Fault, text: str) -> Problem:
    offset, length = fault.span.offset, fault.span.length
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    sentences = [f"Line {line}, column {column}: {fault.says}"]
    if fault.hint is not None:
        sentences.append(fault.hint)
    if fault.suggestions:
        sentences.append(f"Did you mean {listing(fault.suggestions, last='or')}?")
    return Problem(
        kind=fault.kind,
        severity=fault.severity,
        offset=offset,
        length=length,
        line=line,
        column=column,
        found=text[offset : offset + length],
        expected=fault.expected,
        suggestions=fault.suggestions,
        hint=fault.hint,
        related=fault.related,
        message=" ".join(sentences),
    )


class Report:
    """Gathers what is found while one text is read."""

    def __init__(self, text: str, profile: Profile = Profile.OWN) -> None:
        self.text = text
        self.profile = profile
        self._errors: list[Fault] = []
        self._warnings: list[Fault] = []

    @property
    def full(self) -> bool:
        """Nobody reads on: what follows need not be looked at (the text is read from left to right)."""
        return len(self._errors) >= MOST_ERRORS

    @property
    def error_count(self) -> int:
        return len(self._errors)

    def error(
        self,
        kind: Kind,
        span: Span,
        says: str,
        *,
        expected: tuple[str, ...] = (),
        suggestions: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> None:
        self._errors.append(
            Fault(kind=kind, span=span, says=says, expected=expected, suggestions=suggestions, hint=hint)
        )

    def warning(
        self, kind: Kind, span: Span, says: str, *, suggestions: tuple[str, ...] = (), hint: str | None = None
    ) -> None:
        severity = Severity.WARNING
        self._warnings.append(
            Fault(kind=kind, span=span, says=says, suggestions=suggestions, hint=hint, severity=severity)
        )

    def not_portable(self, span: Span, says: str) -> None:
        """A construct that Shopify does not know: told to those who want to copy the rule there."""
        if self.profile is Profile.SHOPIFY:
            self.warning(Kind.NOT_PORTABLE, span, says)

    def stop(self, fault: Fault) -> NoReturn:
        """A lexical or syntax error is primary; what was found before it may follow (9.2)."""
        raise RuleError((placed(fault, self.text), *self._placed(self._errors)[: MOST_ERRORS - 1]))

    def settle(self) -> tuple[Problem, ...]:
        """The warnings, by offset; raises RuleError when there are errors."""
        if self._errors:
            raise RuleError(self._placed(self._errors)[:MOST_ERRORS])
        return tuple(self._placed(self._warnings))

    def _placed(self, faults: list[Fault]) -> list[Problem]:
        return [placed(fault, self.text) for fault in sorted(faults, key=lambda fault: fault.span.offset)]
