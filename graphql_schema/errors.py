"""Errors as callers see them: `userErrors` for what a user can mend, a stable code for everything else."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import strawberry

from graphql_schema.access import Access, Scope
from plugin.domain.rules import Problem, RuleError
from plugin.errors import BadRequestError


@strawberry.enum(description="What is wrong with an input. Codes may be added, never renamed.")
class UserErrorCode(StrEnum):
    BLANK = "BLANK"
    TOO_LONG = "TOO_LONG"
    TAKEN = "TAKEN"
    INVALID = "INVALID"
    INVALID_QUERY = "INVALID_QUERY"
    NOT_FOUND = "NOT_FOUND"
    LIMIT_REACHED = "LIMIT_REACHED"


@strawberry.type(description="Something in the input that the user can mend.", directives=[Access(scope=Scope.ANY)])
class UserError:
    field: list[str] | None = strawberry.field(description="The path of the argument that is wrong.")
    message: str = strawberry.field(description="What is wrong and what to do, for people.")
    code: UserErrorCode = strawberry.field(description="What is wrong, for programs.")


@strawberry.type(
    description="A fault in a segment query, with its place in the text.", directives=[Access(scope=Scope.ANY)]
)
class QueryProblem:
    kind: str = strawberry.field(description="A stable name of the fault, such as `unknown_attribute`.")
    message: str = strawberry.field(description="What is wrong, where and what was expected, for people.")
    offset: int = strawberry.field(description="Where it begins: characters from 0.")
    length: int = strawberry.field(description="How many characters it covers.")
    line: int = strawberry.field(description="The line it begins on, from 1.")
    column: int = strawberry.field(description="The column it begins at, from 1.")
    suggestions: list[str] = strawberry.field(description="Texts that can stand in its place.")
    hint: str | None = strawberry.field(description="What usually helps.")


def problem_of(problem: Problem) -> QueryProblem:
    return QueryProblem(
        kind=problem.kind.value,
        message=problem.message,
        offset=problem.offset,
        length=problem.length,
        line=problem.line,
        column=problem.column,
        suggestions=list(problem.suggestions),
        hint=problem.hint,
    )


class InvalidQueryError(BadRequestError):
    """A segment query that is none; `extensions` say where."""

    code = "INVALID_QUERY"

    def __init__(self, error: RuleError) -> None:
        super().__init__(str(error))
        self.extensions: dict[str, Any] = {"problem": error.primary.to_json()}


def user_error(field: str | None, message: str, code: UserErrorCode) -> UserError:
    return UserError(field=[field] if field else None, message=message, code=code)
