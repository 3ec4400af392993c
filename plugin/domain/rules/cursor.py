"""A place in the tokens of one text, and how a wrong token is reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from plugin.domain.rules.errors import Fault, Kind, Report, listing, quoted
from plugin.domain.rules.lexer import Lexed, Token, TokenKind, loose_offset
from plugin.domain.rules.syntax import Span

DEEPEST: Final = 64
_ODD_OPERATORS: Final = {"<>": "!=", "=>": ">=", "=<": "<=", "=!": "!="}


class Cursor:
    def __init__(self, lexed: Lexed, report: Report) -> None:
        self._tokens = lexed.tokens
        self._index = 0
        self._open: list[Token] = []
        self.report = report

    @property
    def token(self) -> Token:
        return self._tokens[self._index]

    @property
    def depth(self) -> int:
        return len(self._open)

    def ahead(self, steps: int) -> Token:
        return self._tokens[min(self._index + steps, len(self._tokens) - 1)]

    def take(self) -> Token:
        """The current token; END and FAULT are never passed."""
        token = self.token
        if self._index < len(self._tokens) - 1:
            self._index += 1
        return token

    def at_symbol(self, symbol: str) -> bool:
        return self.token.kind is TokenKind.SYMBOL and self.token.text == symbol

    def at_keyword(self, *keywords: str) -> bool:
        return self.token.keyword in keywords

    def at_word(self, *words: str) -> bool:
        return self.token.kind is TokenKind.WORD and self.token.text.upper() in words

    def accept_keyword(self, keyword: str) -> Token | None:
        return self.take() if self.at_keyword(keyword) else None

    def accept_symbol(self, symbol: str) -> Token | None:
        return self.take() if self.at_symbol(symbol) else None

    def need_keyword(self, keyword: str) -> Token:
        return self.accept_keyword(keyword) or self.fail(keyword)

    def need_symbol(self, symbol: str) -> Token:
        return self.accept_symbol(symbol) or self.fail(symbol)

    def open_bracket(self) -> Token:
        token = self.token
        if not self.at_symbol("("):
            self.fail("(")
        if len(self._open) == DEEPEST:
            self.report.stop(
                Fault(
                    kind=Kind.TOO_DEEP,
                    span=token.span,
                    says=f"brackets go at most {DEEPEST} deep.",
                    hint="Use fewer brackets, or several segments.",
                )
            )
        self._open.append(token)
        return self.take()

    def close_bracket(self, *others: str) -> Token:
        """`others` names what could have stood here instead."""
        if not self.at_symbol(")"):
            self.fail(*others, ")")
        self._open.pop()
        return self.take()

    def since(self, start: Token) -> Span:
        """From the start of `start` to the end of the token taken last."""
        last = self._tokens[max(self._index - 1, 0)]
        return Span(start.span.offset, last.end - start.span.offset)

    def fail(self, *expected: str, hint: str | None = None, suggestions: Sequence[str] = ()) -> NoReturn:
        token = self.token
        if token.fault is not None:
            self.report.stop(token.fault)
        wanted = f"Expected {listing(expected, last='or')}." if expected else None
        if token.kind is TokenKind.END:
            self._fail_at_end(token, expected, wanted, hint)
        if not suggestions and hint is None:
            hint, suggestions = self._repair(token)
        self.report.stop(
            Fault(
                kind=Kind.UNEXPECTED_TOKEN,
                span=token.span,
                says=" ".join(filter(None, (f"{quoted(token.text)} does not fit here.", wanted))),
                expected=expected,
                suggestions=tuple(suggestions),
                hint=hint,
            )
        )

    def _fail_at_end(self, token: Token, expected: tuple[str, ...], wanted: str | None, hint: str | None) -> NoReturn:
        unclosed = self._open[-1] if self._open and ")" in expected else None
        says = "the rule ends too early." if unclosed is None else "a bracket is not closed."
        self.report.stop(
            Fault(
                kind=Kind.UNEXPECTED_END if unclosed is None else Kind.UNCLOSED_PAREN,
                span=token.span,
                says=" ".join(filter(None, (says, wanted))),
                expected=expected,
                hint=hint,
                related=() if unclosed is None else (unclosed.span,),
            )
        )

    def _repair(self, token: Token) -> tuple[str | None, tuple[str, ...]]:
        """A hint and the one text that would mend it, for what people bring from other languages."""
        before = self._tokens[self._index - 1] if self._index else None
        if token.kind is TokenKind.ODD_OPERATOR:
            return None, (_ODD_OPERATORS.get(token.text, "="),)
        if token.text.upper() == "LIKE":
            return "Write STARTS WITH 'SUB' for the beginning of a text, or = for the whole of it.", ()
        if before is None:
            return None, ()
        if before.kind is TokenKind.STRING and token.kind is TokenKind.STRING and not token.blank_before:
            return "Write a quote inside text as \\'.", ()
        if before.kind is TokenKind.NUMBER and token.kind is TokenKind.WORD:
            offset = loose_offset(before.text, token.text)
            return (None, ()) if offset is None else (f"Write a span of days as {offset}.", ())
        if token.text == "," and before.kind is TokenKind.NUMBER and not self.ahead(1).blank_before:
            return "Write numbers without separators.", ()
        if token.kind is TokenKind.NUMBER and before.text == ",":
            return "Write several values as IN (1, 2).", ()
        return None, ()
