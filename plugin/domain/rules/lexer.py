"""Text to tokens (segment-language.md, chapter 2): one pass, offsets in Unicode code points.

Reading stops at the first malformed stretch: it becomes a token of kind FAULT, which the parser reports when it gets
there, unless something before it is wrong, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from plugin.domain.rules.errors import Fault, Kind, quoted
from plugin.domain.rules.syntax import DateTimeValue, DateValue, NumberValue, OffsetValue, Span, TextValue, Unit

KEYWORDS: Final = frozenset({
    "AND", "OR", "NOT", "BETWEEN", "IN", "IS", "NULL", "CONTAINS", "MATCHES", "NOT_MATCHES", "STARTS", "ENDS", "WITH",
    "TRUE", "FALSE",
})  # fmt: skip
NAMED_DATES: Final = {"today": 0, "yesterday": -1}
_OLD_NAMED_DATES: Final = {
    "7_days_ago": (-7, Unit.DAY),
    "30_days_ago": (-30, Unit.DAY),
    "90_days_ago": (-90, Unit.DAY),
    "12_months_ago": (-12, Unit.MONTH),
}
# A date more than 9999 years away exists in no calendar of ours.
_FARTHEST: Final = {Unit.DAY: 3_652_059, Unit.WEEK: 521_722, Unit.MONTH: 119_988, Unit.YEAR: 9_999}
_SAFE_DIGITS: Final = 9  # enough for every offset, and Python refuses to read thousands of digits as an int


class TokenKind(StrEnum):
    WORD = "name"
    STRING = "text"
    NUMBER = "number"
    DATE = "date"
    DATE_TIME = "date-time"
    OFFSET = "date offset"
    OPERATOR = "operator"
    ODD_OPERATOR = "operator of another language"
    SYMBOL = "symbol"
    FAULT = "fault"
    END = "end"


Literal = TextValue | NumberValue | DateValue | DateTimeValue | OffsetValue


@dataclass(frozen=True, slots=True)
class Token:
    """`value` of a date that no calendar has is None. `blank_before` is False where two tokens touch."""

    kind: TokenKind
    text: str
    span: Span
    value: Literal | None = None
    fault: Fault | None = None
    blank_before: bool = True

    @property
    def end(self) -> int:
        return self.span.offset + self.span.length

    @property
    def keyword(self) -> str | None:
        """The keyword in upper case, or None."""
        upper = self.text.upper() if self.kind is TokenKind.WORD else ""
        return upper if upper in KEYWORDS else None


@dataclass(frozen=True, slots=True)
class Lexed:
    tokens: tuple[Token, ...]  # the last one is END or FAULT
    comments: tuple[Span, ...]


_BLANK = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"--[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+(?:\.[A-Za-z0-9_-]++)*+")
# Possessive, so that `\'` is never taken for a backslash and a closing quote.
_STRING = re.compile(r"'((?:[^'\\]++|\\['\\]?+)*+)'")
_ESCAPE = re.compile(r"\\(['\\])")
_LITERAL_START = re.compile(r"[+-]?[0-9]")
_LITERAL = re.compile(r"[+-]?[0-9](?:[\w.:]|-(?!-))*+")
_THOUSANDS = re.compile(r"(?:,[0-9](?:[\w.:]|-(?!-))*+)++")
_ODD_OPERATOR = re.compile(r"==+|<>|=>|=<|=!")
_OPERATOR = re.compile(r"!=|>=|<=|=|>|<")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
_OFFSET = re.compile(r"([+-][0-9]+)([dwmy])")
_LOOSE_OFFSET = re.compile(r"([+-]?)([0-9]{1,6})_?(d|w|m|y|day|week|month|year)s?(_?ago)?", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")

_STRAIGHT_QUOTES: Final = "Write text in straight single quotes: 'VIP'."
_PLAIN_AMOUNTS: Final = "Amounts are plain numbers in the shop's currency."
_CHARACTER_HINTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "&": ("Write AND between two conditions.", ("AND",)),
    "|": ("Write OR between two conditions.", ("OR",)),
    "!": ("Write NOT in front of a condition, or != between a name and a value.", ()),
    **dict.fromkeys("\u2018\u2019\u201c\u201d", (_STRAIGHT_QUOTES, ())),
    **dict.fromkeys("\u200b\u2060\ufeff", ("It is an invisible mark: delete it.", ())),
    **dict.fromkeys("$\u20ac\u00a3\u00a5", (_PLAIN_AMOUNTS, ())),
    "\u00a0": ("It is a no-break space: write an ordinary space.", ()),
    "%": ("Write a share as a decimal: 50 % is 0.5.", ()),
}


def tokenize(text: str) -> Lexed:
    """Linear in the length of `text`; never raises."""
    lexer = _Lexer(text)
    while lexer.step():
        pass
    return Lexed(tuple(lexer.tokens), tuple(lexer.comments))


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.after_blank = True
        self.tokens: list[Token] = []
        self.comments: list[Span] = []

    def step(self) -> bool:
        """Read one token, comment or stretch of blanks; False when done."""
        text, start = self.text, self.position
        if start >= len(text):
            self._add(TokenKind.END, start)
            return False
        if blank := _BLANK.match(text, start):
            self.position, self.after_blank = blank.end(), True
        elif comment := _COMMENT.match(text, start):
            self.comments.append(Span(start, comment.end() - start))
            self.position, self.after_blank = comment.end(), True
        elif word := _WORD.match(text, start):
            self._add(TokenKind.WORD, word.end())
        elif _LITERAL_START.match(text, start):
            return self._literal()
        elif text[start] == "'":
            return self._string()
        elif text[start] in "(),:*":
            self.depth += (text[start] == "(") - (text[start] == ")")
            self._add(TokenKind.SYMBOL, start + 1)
        elif odd := _ODD_OPERATOR.match(text, start):
            self._add(TokenKind.ODD_OPERATOR, odd.end())
        elif operator := _OPERATOR.match(text, start):
            self._add(TokenKind.OPERATOR, operator.end())
        else:
            return self._stop(_bad_character(text, start))
        return True

    def _add(self, kind: TokenKind, end: int, value: Literal | None = None) -> None:
        span = Span(self.position, end - self.position)
        self.tokens.append(Token(kind, self.text[self.position : end], span, value, None, self.after_blank))
        self.position, self.after_blank = end, False

    def _stop(self, fault: Fault) -> bool:
        text = self.text[fault.span.offset : fault.span.offset + fault.span.length]
        self.tokens.append(Token(TokenKind.FAULT, text, fault.span, None, fault, self.after_blank))
        return False

    def _string(self) -> bool:
        start = self.position
        match = _STRING.match(self.text, start)
        if match is None:
            says = "the text that begins here has no closing quote."
            return self._stop(
                Fault(kind=Kind.UNTERMINATED_STRING, span=Span(start, 1), says=says, expected=("'",),
                      hint="Close it with ', and write a quote inside it as \\'.")
            )  # fmt: skip
        text = _ESCAPE.sub(r"\1", match[1])
        self._add(TokenKind.STRING, match.end(), TextValue(text, Span(start, match.end() - start)))
        return True

    def _literal(self) -> bool:
        start = self.position
        match = _LITERAL.match(self.text, start)
        end = match.end() if match else start + 1
        # Within brackets the comma separates values; elsewhere 1,000 is one malformed number.
        if self.depth <= 0 and (more := _THOUSANDS.match(self.text, end)):
            end = more.end()
        written, span = self.text[start:end], Span(start, end - start)
        kind, value = _literal_value(written, span)
        if kind is TokenKind.FAULT:
            return self._stop(_bad_literal(written, span))
        self._add(kind, end, value)
        return True


def _literal_value(written: str, span: Span) -> tuple[TokenKind, Literal | None]:
    """FAULT when it is no literal at all, no value when it is a date that does not exist."""
    if _NUMBER.fullmatch(written):
        return TokenKind.NUMBER, NumberValue(Decimal(written), written, span)
    if _DATE.fullmatch(written):
        day = calendar_day(written)
        return TokenKind.DATE, None if day is None else DateValue(day, span)
    if moment := _DATE_TIME.fullmatch(written):
        exists = calendar_day(moment[1]) is not None
        return TokenKind.DATE_TIME, DateTimeValue(datetime.fromisoformat(written), span) if exists else None
    if old := _OLD_NAMED_DATES.get(written.lower()):
        return TokenKind.OFFSET, OffsetValue(*old, None, span)
    if (offset := _OFFSET.fullmatch(written)) and len(offset[1]) <= _SAFE_DIGITS:
        count, unit = int(offset[1]), Unit(offset[2])
        if abs(count) <= _FARTHEST[unit]:
            return TokenKind.OFFSET, OffsetValue(count, unit, None, span)
    return TokenKind.FAULT, None


def calendar_day(written: str) -> date | None:
    """The day written as YYYY-MM-DD; None when it is written otherwise or the calendar does not have it."""
    if not _DATE.fullmatch(written):
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None


def looks_like_date(written: str) -> bool:
    return _DATE.fullmatch(written) is not None


def loose_offset(count: str, unit: str) -> str | None:
    """`30`, `days` as the merchant would have to write it, `-30d`; None when it is no span of days."""
    match = _LOOSE_OFFSET.fullmatch(f"{count}{unit}")
    return None if match is None else f"{match[1] or '-'}{match[2]}{match[3][0].lower()}"


def _bad_literal(written: str, span: Span) -> Fault:
    suggestions: tuple[str, ...] = ()
    hint = "Write a number like 12.50, a date like 2025-01-31 or a span like -30d."
    if _GROUPED.fullmatch(written):
        suggestions, hint = (written.replace(",", ""),), "Write numbers without separators."
    elif (offset := loose_offset(written, "")) is not None and offset != written:
        suggestions, hint = (offset,), "A span of days has a sign, a number and d, w, m or y."
    return Fault(
        kind=Kind.INVALID_LITERAL,
        span=span,
        says=f"{quoted(written)} is neither a number nor a date.",
        expected=("number", "date", "date offset"),
        suggestions=suggestions,
        hint=hint,
    )


def _bad_character(text: str, start: int) -> Fault:
    character = text[start]
    if character == '"':
        return Fault(
            kind=Kind.DOUBLE_QUOTED_STRING,
            span=Span(start, 1),
            says="text stands in single quotes, not in double quotes.",
            expected=("'",),
            hint="Write 'VIP', not \"VIP\".",
        )
    if text.startswith("/*", start):
        return Fault(
            kind=Kind.UNEXPECTED_END,
            span=Span(len(text), 0),
            says="the comment that begins with /* has no end.",
            expected=("*/",),
            related=(Span(start, 2),),
        )
    length = 2 if text.startswith(("&&", "||"), start) else 1
    hint, suggestions = _CHARACTER_HINTS.get(character, ("", ()))
    return Fault(
        kind=Kind.UNEXPECTED_CHARACTER,
        span=Span(start, length),
        says=f"{_shown(text[start : start + length])} has no meaning here.",
        suggestions=suggestions,
        hint=hint or None,
    )


def _shown(characters: str) -> str:
    return characters if characters.isprintable() else f"U+{ord(characters[0]):04X}"
