"""A play as a merchant writes it, and the check it must pass before it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from plugin.domain.errors import DomainError
from plugin.domain.offers import Discount, OfferKind, OfferPlacement
from plugin.domain.rules import Names, Problem, Rule, RuleError, parse

BUYER_ACTIVITY: Final = "buyer-activity"
SHARE_SCALE: Final = 10_000  # of a holdout's share: 1_000 is 10 %
LONGEST_DAYS: Final = 3_650
MOST_STEPS: Final = 20
MOST_RUNGS_OF_LADDER: Final = 9
_LONGEST_NAME: Final = 255
_LONGEST_QUERY: Final = 10_000
_PRIORITIES: Final = range(1_001)
_KEY: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_MOST_PERCENT: Final = 100
_LARGEST_AMOUNT: Final = 10**15  # ten-thousandths


class Channel(StrEnum):
    """What a message goes out by; each needs the customer's consent of its own."""

    EMAIL = "EMAIL"
    SMS = "SMS"


class Start(StrEnum):
    """The event an offer counts its days from; that event's day is also its period, so that each gives one offer."""

    REGISTERED = "REGISTERED"
    FIRST_ORDER = "FIRST_ORDER"
    LAST_ORDER = "LAST_ORDER"
    LAPSED = "LAPSED"  # the day on which the rung began
    RETURNED = "RETURNED"
    CHECKOUT = "CHECKOUT"  # the latest that was left
    REGISTERED_YEARLY = "REGISTERED_YEARLY"  # the latest anniversary
    FIRST_ORDER_YEARLY = "FIRST_ORDER_YEARLY"
    DUE = "DUE"  # a product's own cycle has come round
    MATCHED = "MATCHED"  # the day on which the trigger was found to hold; while that offer stands, it is no new one


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What a stage calls for. `query` is the trigger in the rule language; `stage` (of `model`) and `rung` must hold as
    well. `ladder` are the incentives, the smallest first, `level` the one in force; without any the offer gives
    nothing away. `schedule` are the hours after the start at which the messages of a series are due.

    `holdout` in ten-thousandths of the customers; `most_cost`, ten-thousandths of the shop's currency: what its open
    offers may be expected to cost together. `version` 0 is the play as shipped.
    """

    key: str
    name: str
    kind: OfferKind
    title: str  # before the customer; {discount}, {tier} and {orders} are filled in
    stage: str | None = None  # None: any
    model: str = BUYER_ACTIVITY
    rung: int | None = None
    query: str
    channels: tuple[Channel, ...] = (Channel.EMAIL, Channel.SMS)
    placements: tuple[OfferPlacement, ...]
    ladder: tuple[Discount, ...] = ()
    level: int = 0
    # Whether proof decides: no level above the first is given but one that the holdout shows to help, up to `level`.
    ladder_raises: bool = False
    start: Start
    valid_days: int | None = None
    cool_down_days: int = 0
    schedule: tuple[int, ...] = ()
    # A customer who lapsed long before the app was installed still gets the whole term, once.
    counts_from_install: bool = False
    priority: int
    holdout: int = 1_000
    most_cost: int | None = None
    tier: str | None = None
    enabled: bool = True
    version: int = 0

    @property
    def incentive(self) -> Discount | None:
        return self.ladder[self.level] if self.ladder else None


@dataclass(frozen=True, slots=True)
class PlayProblem:
    """`field` is one of the play's; `problem` places the fault within the text of the trigger."""

    field: str
    says: str
    problem: Problem | None = None


class PlayError(DomainError):
    """The play cannot be used; every fault that was found is in `problems`."""

    def __init__(self, problems: list[PlayProblem]) -> None:
        super().__init__(" ".join(problem.says for problem in problems))
        self.problems = tuple(problems)


def check_play(play: Play, names: Names) -> Rule:
    """The rule of its trigger. Raises PlayError."""
    problems = [*_of_name(play), *_of_place(play, names), *_of_ladder(play), *_of_numbers(play)]
    rule: Rule | None = None
    if len(play.query) > _LONGEST_QUERY:
        problems.append(PlayProblem("query", f"A trigger has at most {_LONGEST_QUERY} characters."))
    else:
        try:
            rule = parse(play.query, names=names).rule
        except RuleError as error:
            problems += [PlayProblem("query", each.message, each) for each in error.problems]
    if problems or rule is None:
        raise PlayError(problems)
    return rule


def _of_name(play: Play) -> Iterable[PlayProblem]:
    if not _KEY.fullmatch(play.key):
        yield PlayProblem("key", "The key of a play has up to 63 characters: a to z, digits and hyphens.")
    for field, text in (("name", play.name), ("title", play.title)):
        plain = not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)
        if not plain or not text.strip() or len(text) > _LONGEST_NAME:
            yield PlayProblem(field, f"A play needs a {field} of at most {_LONGEST_NAME} plain characters.")


def _of_place(play: Play, names: Names) -> Iterable[PlayProblem]:
    stages = names.models.get(play.model)
    if names.models and stages is None:
        yield PlayProblem("model", f"There is no lifecycle model {play.model[:60]!r}.")
    elif stages is not None and play.stage is not None and play.stage not in stages:
        yield PlayProblem("stage", f"{play.model} has no stage {play.stage[:60]!r}; it has {', '.join(stages)}.")
    if play.rung is not None and (play.stage is None or not 1 <= play.rung <= MOST_RUNGS_OF_LADDER):
        yield PlayProblem("rung", "A rung counts from 1 and belongs to a stage.")
    if not play.placements:
        yield PlayProblem("placements", "A play needs a place where its offers can be shown.")
    if OfferPlacement.MESSAGE in play.placements and not play.channels:
        yield PlayProblem("channels", "A play with messages needs a channel to send them by.")
    if play.start is Start.LAPSED and play.rung is None:
        yield PlayProblem("start", "LAPSED is the day on which a rung began; name the rung.")


def _of_ladder(play: Play) -> Iterable[PlayProblem]:
    if len(play.ladder) > MOST_RUNGS_OF_LADDER:
        yield PlayProblem("ladder", f"A ladder has at most {MOST_RUNGS_OF_LADDER} incentives.")
    if not 0 <= play.level < max(len(play.ladder), 1):
        yield PlayProblem("level", f"The level is the place of an incentive in the ladder, from 0, not {play.level}.")
    for discount in play.ladder:
        if (discount.percentage is None) == (discount.amount is None):
            yield PlayProblem("ladder", "An incentive is either a percentage or an amount.")
        elif discount.percentage is not None and not 1 <= discount.percentage <= _MOST_PERCENT:
            yield PlayProblem("ladder", f"A percentage is from 1 to 100, not {discount.percentage}.")
        elif discount.amount is not None and not 1 <= discount.amount <= _LARGEST_AMOUNT:
            yield PlayProblem("ladder", "An amount is above 0, and not beyond what a shop could give.")
    if play.ladder and play.valid_days is None:
        yield PlayProblem("validDays", "An offer that gives something away needs a day on which it ends.")


def _of_numbers(play: Play) -> Iterable[PlayProblem]:
    if play.valid_days is not None and not 1 <= play.valid_days <= LONGEST_DAYS:
        yield PlayProblem("validDays", f"A term is from 1 to {LONGEST_DAYS} days, not {play.valid_days}.")
    if not 0 <= play.cool_down_days <= LONGEST_DAYS:
        yield PlayProblem("coolDownDays", f"A cool-down is from 0 to {LONGEST_DAYS} days, not {play.cool_down_days}.")
    hours = play.schedule
    if len(hours) > MOST_STEPS or list(hours) != sorted(set(hours)) or any(hour < 0 for hour in hours):
        yield PlayProblem("scheduleHours", f"A series is at most {MOST_STEPS} rising hours from its start.")
    elif hours and hours[-1] > LONGEST_DAYS * 24:
        yield PlayProblem("scheduleHours", f"A series ends within {LONGEST_DAYS} days.")
    if play.priority not in _PRIORITIES:
        yield PlayProblem("priority", f"A priority is from 0 to 1000, not {play.priority}.")
    if not 0 <= play.holdout < SHARE_SCALE:
        yield PlayProblem("holdoutShare", "The holdout is a share from 0 to less than 1.")
    if play.most_cost is not None and not 0 <= play.most_cost <= _LARGEST_AMOUNT:
        yield PlayProblem("mostCost", "The most a play may cost is not below 0, nor beyond what a shop could give.")
