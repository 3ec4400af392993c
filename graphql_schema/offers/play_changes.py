"""Changing plays: every change is a new version, and every version can be brought back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info, certain
from graphql_schema.errors import QueryProblem, UserError, UserErrorCode, problem_of
from graphql_schema.offers.play_types import DiscountInput, Play, PlayInput, play_of
from graphql_schema.pagination import given
from plugin.domain import offers as domain
from plugin.domain.money import to_scaled
from plugin.domain.plays.play import SHARE_SCALE, PlayError, PlayProblem
from plugin.domain.plays.play import Play as DomainPlay
from plugin.errors import NotFoundError
from plugin.lifecycle.plays import play_book, restore_play, save_play, versions_of

_OFFERS = [Access(scope=Scope.READ_OFFERS)]
_LONGEST_NOTE: Final = 1_000
# The input's fields that are not the play's as they stand; all others are.
_NAMES: Final = {"schedule_hours": "schedule", "holdout_share": "holdout", "most_cost": "most_cost"}
_MAY_BE_NULL: Final = frozenset({"stage", "rung", "valid_days", "most_cost", "tier"})
_WANTED: Final = ("name", "title", "kind", "query", "placements", "start", "priority")


@strawberry.type(description="A version of a play.", directives=_OFFERS)
class PlayVersion:
    version: int = strawberry.field(description="Its number; restore it by that.")
    note: str | None = strawberry.field(description="What the merchant wrote about the change.")
    created_at: datetime = strawberry.field(description="When it was saved.")
    play: Play = strawberry.field(description="The play as it was then.")


@strawberry.type(description="What came of a change to a play.", directives=_OFFERS)
class PlayPayload:
    play: Play | None = strawberry.field(description="The play as it is now; null when nothing was changed.")
    problems: list[QueryProblem] = strawberry.field(description="The faults of the trigger, each with its place.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.type
class PlayQueries:
    @strawberry.field(
        description="What each stage calls for; with `stage`, only what is for that stage.",
        directives=needs(Scope.READ_OFFERS),
    )
    async def plays(self, info: Info, stage: str | None = strawberry.UNSET) -> list[Play]:
        context, wanted = info.context, given(stage)
        book = await play_book(context.store.database, context.shop)
        return [
            play_of(play, context.shop.currency)
            for play in book.plays.values()
            if wanted is None or play.stage == wanted
        ]

    @strawberry.field(
        description="The saved versions of a play, the newest first; none of one that nobody changed.",
        directives=needs(Scope.READ_OFFERS, size=10),
    )
    async def play_versions(self, info: Info, key: str) -> list[PlayVersion]:
        context = info.context
        return [
            PlayVersion(
                version=version, note=note, created_at=certain(at), play=play_of(play, context.shop.currency)
            )
            for version, note, at, play in await versions_of(context.store, context.shop.id, key)
        ]  # fmt: skip


@strawberry.type
class PlayMutations:
    @strawberry.mutation(
        description="Change a play; what was offered before keeps its terms. `enabled: false` switches it off, and its "
        "codes are withdrawn.",
        directives=needs(Scope.WRITE_OFFERS),
    )
    async def play_update(self, info: Info, key: str, input: PlayInput, note: str | None = None) -> PlayPayload:
        book = await play_book(info.context.store.database, info.context.shop)
        if key not in book.plays:
            return _refused("key", f"There is no play {key[:60]!r}; `plays` lists them.", UserErrorCode.NOT_FOUND)
        return await _saved(info, book.plays[key], input, note, new=False)

    @strawberry.mutation(
        description="Make a play of your own: a copy of another one, with what the input says, or one from scratch.",
        directives=needs(Scope.WRITE_OFFERS),
    )
    async def play_create(
        self, info: Info, key: str, input: PlayInput, copy_of: str | None = strawberry.UNSET, note: str | None = None
    ) -> PlayPayload:
        like = given(copy_of)
        if like is None:
            missing = [name for name in _WANTED if given(getattr(input, name)) is None]
            if missing:
                return PlayPayload(play=None, problems=[], user_errors=[_blank(name) for name in missing])
            kind, start = given(input.kind), given(input.start)
            assert kind is not None and start is not None  # noqa: S101, PT018 - among what was looked for above
            blank = DomainPlay(key=key, name="", kind=kind, title="", query="", placements=(), start=start, priority=0)
            return await _saved(info, blank, input, note, new=True)
        book = await play_book(info.context.store.database, info.context.shop)
        if like not in book.plays:
            said = f"There is no play {like[:60]!r}; `plays` lists them."
            return _refused("copyOf", said, UserErrorCode.NOT_FOUND)
        return await _saved(info, replace(book.plays[like], key=key), input, note, new=True)

    @strawberry.mutation(
        description="Put an older version of a play in force again; 0 is the play as shipped.",
        directives=needs(Scope.WRITE_OFFERS),
    )
    async def play_restore(self, info: Info, key: str, version: int) -> PlayPayload:
        context = info.context
        try:
            play = await restore_play(context.store, context.shop, key, version)
        except NotFoundError as error:
            return _refused("version", str(error), UserErrorCode.NOT_FOUND)
        except PlayError as error:
            return _wrong(error)
        await context.jobs.enqueue("offers", context.shop.id)
        return PlayPayload(play=play_of(play, context.shop.currency), problems=[], user_errors=[])


async def _saved(info: Info, play: DomainPlay, input: PlayInput, note: str | None, *, new: bool) -> PlayPayload:
    context = info.context
    if note is not None and (len(note) > _LONGEST_NOTE or "\0" in note):
        said = f"A note has at most {_LONGEST_NOTE} characters, and none that cannot be stored."
        return _refused("note", said, UserErrorCode.TOO_LONG)
    try:
        changed = replace(play, **_changes(input))
        saved = await save_play(context.store, context.shop, changed, new=new, note=note, now=context.now)
    except PlayError as error:
        return _wrong(error)
    await context.jobs.enqueue("offers", context.shop.id)
    return PlayPayload(play=play_of(saved, context.shop.currency), problems=[], user_errors=[])


def _changes(input: PlayInput) -> dict[str, Any]:
    """Raises PlayError for a null where there must be a value, and for a number that cannot be kept."""
    changes: dict[str, Any] = {}
    for name, value in vars(input).items():
        if value is strawberry.UNSET:
            continue
        if value is None and name not in _MAY_BE_NULL | {"ladder", "schedule_hours"}:
            raise PlayError([PlayProblem(_camel(name), f"{_camel(name)} cannot be null; leave it out to keep it.")])
        changes[_NAMES.get(name, name)] = _domain(name, value)
    return changes


def _domain(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever the input's field holds
    match name:
        case "ladder":
            return tuple(_discount(each) for each in value or ())
        case "schedule_hours":
            return tuple(value or ())
        case "channels" | "placements":
            return tuple(dict.fromkeys(value))
        case "holdout_share":
            return round(value * SHARE_SCALE) if 0 <= value < 1 else SHARE_SCALE  # which the check refuses
        case "most_cost":
            return None if value is None else _scaled("mostCost", value)
        case _:
            return value


def _discount(input: DiscountInput) -> domain.Discount:
    return domain.Discount(input.percentage, None if input.amount is None else _scaled("ladder", input.amount))


def _scaled(field: str, amount: Decimal) -> int:
    try:
        return to_scaled(amount)
    except (ValueError, ArithmeticError) as error:
        raise PlayError([PlayProblem(field, f"{amount} is no amount that can be kept: {error}")]) from None


def _blank(name: str) -> UserError:
    said = f"A play from scratch needs {_camel(name)}; or name a play to copy."
    return UserError(field=["input", _camel(name)], message=said, code=UserErrorCode.BLANK)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _refused(field: str, message: str, code: UserErrorCode) -> PlayPayload:
    return PlayPayload(play=None, problems=[], user_errors=[UserError(field=[field], message=message, code=code)])


def _wrong(error: PlayError) -> PlayPayload:
    errors = [
        UserError(
            field=[each.field] if each.field == "key" else ["input", each.field],
            message=each.says,
            code=UserErrorCode.INVALID_QUERY if each.problem else UserErrorCode.INVALID,
        )
        for each in error.problems
    ]
    problems = [problem_of(each.problem) for each in error.problems if each.problem]
    return PlayPayload(play=None, problems=problems, user_errors=errors)
