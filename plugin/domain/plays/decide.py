"""The one function that decides what a customer is offered, and says why, and why not.

Nothing but its arguments decides: the same inputs give the same answer in any process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from plugin.domain.offers import (
    DAY_US,
    PRODUCT_KINDS,
    Discount,
    OfferKind,
    OfferPlacement,
    OfferReason,
    Recommendation,
    offer_id,
)
from plugin.domain.plays.holdout import is_held_out
from plugin.domain.plays.ladder import in_force
from plugin.domain.plays.play import Channel, Play
from plugin.domain.plays.reasons import cost_of, discount_text, reasons_for, title_of
from plugin.domain.plays.situation import Due, Event, Grant, Situation, Step, ends_at, started, step_of


class WhyNot(StrEnum):
    """Why a play makes no offer. Members may be added, never renamed."""

    SWITCHED_OFF = "SWITCHED_OFF"
    OTHER_STAGE = "OTHER_STAGE"
    TRIGGER = "TRIGGER"
    OTHER_PLACE = "OTHER_PLACE"
    NOT_YET = "NOT_YET"
    ENDED = "ENDED"
    NO_CONSENT = "NO_CONSENT"
    COMPLAINT = "COMPLAINT"
    HOLDOUT = "HOLDOUT"
    DISMISSED = "DISMISSED"
    REDEEMED = "REDEEMED"
    COOLING_DOWN = "COOLING_DOWN"
    SAME_RUNG = "SAME_RUNG"
    BUDGET = "BUDGET"
    NOTHING_TO_SHOW = "NOTHING_TO_SHOW"
    OUTRANKED = "OUTRANKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDecision:
    """`valid_until` epoch microseconds; `cost` is what the merchant should expect to give away, ten-thousandths of the
    shop's currency. `channels` are those a message may go out by; `step` is the message that is due;
    `ladder` says why the incentive is the one it is, where proof decides."""

    id: int
    customer_id: int
    kind: OfferKind
    title: str
    because: tuple[OfferReason, ...]
    valid_until: int | None
    code: str | None
    cost: int | None
    play: Play
    period: int
    products: tuple[Recommendation, ...] = ()
    discount: Discount | None = None
    due: Due | None = None
    tier: str | None = None
    channels: tuple[Channel, ...] = ()
    step: Step | None = None
    ladder: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A play that offers nothing. `offer` is what it would have been, where only the holdout, or the customer's own no,
    stands against it."""

    play: Play
    why: WhyNot
    text: str
    offer: OfferDecision | None = None


@dataclass(frozen=True, slots=True)
class Decisions:
    """`offers` best first; one refusal for each play that is not among them, in the same order of plays."""

    offers: tuple[OfferDecision, ...]
    refused: tuple[Refusal, ...]


class _Fit(NamedTuple):
    """A play's offer in time: what it counts from, its end, what is on record of it, the message that is due."""

    event: Event
    until: int | None
    grant: Grant | None
    step: Step | None


def decide(situation: Situation, plays: Iterable[Play], placement: OfferPlacement | None) -> Decisions:
    """What `situation` calls for at `placement` (None: anywhere), of each kind the best, one bonus at a time."""
    offers: list[OfferDecision] = []
    refused: list[Refusal] = []
    for play in ranked(plays, situation):
        found = _offer(play, situation, placement)
        offer = found if isinstance(found, OfferDecision) else _newly_held(found, situation)
        if offer is not None:
            found = _beside(offer, offers, situation) or found
        if isinstance(found, Refusal):
            refused.append(found)
        else:
            offers.append(found)
    return Decisions(tuple(offers), tuple(refused))


def ranked(plays: Iterable[Play], situation: Situation) -> list[Play]:
    """Best first: a bonus that the customer was given already, then by priority."""
    held = {grant.play for grant in situation.grants if grant.discounted and grant.stands(situation.now)}
    return sorted(plays, key=lambda play: (play.key not in held, -play.priority, play.key))


def fitting(situation: Situation, plays: Iterable[Play], placement: OfferPlacement | None) -> list[Play]:
    """The plays that may make an offer, as far as can be told without products and costs."""
    return [play for play in plays if _unfit(play, situation, placement) is None]


def _offer(play: Play, situation: Situation, placement: OfferPlacement | None) -> OfferDecision | Refusal:
    """The offer of `play` taken by itself, or the first thing that speaks against it."""
    unfit = _unfit(play, situation, placement)
    if unfit is not None:
        return unfit
    event = started(play, situation)
    if event is None or event.at > situation.now:
        return Refusal(play, WhyNot.NOT_YET, "what it counts from has not happened")
    until = ends_at(play, event, situation)
    grant = _granted(play, event, situation)
    if grant is not None and grant.until is not None:
        until = grant.until  # the term that was promised
    if until is not None and until <= situation.now:
        return Refusal(play, WhyNot.ENDED, "its term is over, and it is given once")
    step = step_of(play, event, situation.now)
    if step is None and placement is OfferPlacement.MESSAGE:
        return Refusal(play, WhyNot.NOT_YET, "its first message is not due yet")
    offer = _made(play, situation, _Fit(event, until, grant, step))
    return _against(offer, grant, situation) or offer


def _unfit(play: Play, situation: Situation, placement: OfferPlacement | None) -> Refusal | None:
    """What can be told before anything of the offer is known."""
    if not play.enabled:
        return Refusal(play, WhyNot.SWITCHED_OFF, "the play is switched off")
    standing = situation.standing(play.model)
    if play.stage is not None and (standing is None or standing.stage != play.stage):
        there = "in no stage" if standing is None else f"in the stage {standing.stage}"
        return Refusal(play, WhyNot.OTHER_STAGE, f"it is for {play.stage}; the customer is {there}")
    if play.rung is not None and (standing is None or standing.rung != play.rung):
        return Refusal(play, WhyNot.OTHER_STAGE, f"it is for rung {play.rung}")
    if play.key not in situation.matched:
        return Refusal(play, WhyNot.TRIGGER, f"its trigger does not hold: {play.query}")
    if placement is not None and placement not in play.placements:
        return Refusal(play, WhyNot.OTHER_PLACE, f"it is not shown at {placement}")
    needs_consent = placement is OfferPlacement.MESSAGE or play.placements == (OfferPlacement.MESSAGE,)
    if needs_consent and not _channels(play, situation):
        wanted = " or ".join(channel.lower() for channel in play.channels)
        return Refusal(play, WhyNot.NO_CONSENT, f"the customer did not agree to {wanted}")
    if situation.complaint and play.kind is not OfferKind.SUPPORT:
        return Refusal(play, WhyNot.COMPLAINT, "a complaint is open: nothing is sold until it is settled")
    return None


def _against(offer: OfferDecision, grant: Grant | None, situation: Situation) -> Refusal | None:
    """What speaks against an offer that fits. What was given once is kept to: neither budget nor holdout takes it."""
    play = offer.play
    if play.kind in PRODUCT_KINDS and not offer.products:
        return Refusal(play, WhyNot.NOTHING_TO_SHOW, "there is no product to show")
    if offer.id in situation.dismissed:
        return Refusal(play, WhyNot.DISMISSED, "the customer turned it down", offer)
    if grant is not None and grant.redeemed:
        return Refusal(play, WhyNot.REDEEMED, "it was given, and is used up")
    if grant is not None and not grant.held:
        return None
    withheld = _withheld(offer, situation)
    if withheld is not None:
        return withheld
    if grant is not None or is_held_out(situation.shop_id, play.key, situation.customer_id, play.holdout):
        return Refusal(play, WhyNot.HOLDOUT, "the customer is in the play's holdout, which gets nothing", offer)
    return None


def _withheld(offer: OfferDecision, situation: Situation) -> Refusal | None:
    """What holds back an offer that was not given yet."""
    play, others = offer.play, [grant for grant in situation.grants if grant.offer_id != offer.id]
    if play.kind is OfferKind.WIN_BACK:
        rung = [grant for grant in others if grant.kind == play.kind and grant.rung == play.rung and not grant.held]
        if any(grant.period == offer.period for grant in rung):
            return Refusal(play, WhyNot.SAME_RUNG, "a win-back was given within this rung already")
    given = [grant.granted_at for grant in others if grant.play == play.key]
    ready = max(given, default=None)
    if ready is not None and situation.now < ready + play.cool_down_days * DAY_US:
        return Refusal(play, WhyNot.COOLING_DOWN, f"it was given less than {play.cool_down_days} days ago")
    if play.most_cost is not None and offer.discount is not None:
        spent = situation.granted_cost.get(play.key, 0)
        if spent + (offer.cost or 0) > play.most_cost:
            return Refusal(play, WhyNot.BUDGET, "its open offers may cost as much as the play is allowed to")
    return None


def _beside(offer: OfferDecision, better: Sequence[OfferDecision], situation: Situation) -> Refusal | None:
    """Whether a better offer takes its place: one of a kind, and one bonus at a time."""
    for other in better:
        if other.kind is offer.kind and not _was_given(offer, situation):
            return Refusal(offer.play, WhyNot.OUTRANKED, f"{other.play.key} comes first, and one of a kind is enough")
        if other.discount is not None and offer.discount is not None:
            return Refusal(offer.play, WhyNot.OUTRANKED, f"one bonus at a time: {other.play.key} comes first")
    return None


def _newly_held(refusal: Refusal, situation: Situation) -> OfferDecision | None:
    """An offer that the holdout withholds and that is not on record. It must pass what one that is given must pass, or
    the holdout would hold customers like whom nobody is offered anything, and could not be compared."""
    offer = refusal.offer if refusal.why is WhyNot.HOLDOUT else None
    return None if offer is None or any(grant.offer_id == offer.id for grant in situation.grants) else offer


def _was_given(offer: OfferDecision, situation: Situation) -> bool:
    return any(grant.offer_id == offer.id and grant.stands(situation.now) for grant in situation.grants)


def _granted(play: Play, event: Event, situation: Situation) -> Grant | None:
    """What is on record of this very offer; after a merge there may be two, of which the first given stands."""
    same = [grant for grant in situation.grants if grant.play == play.key and grant.period == event.day]
    return min(same, key=lambda grant: (grant.closed_at is not None, grant.granted_at, grant.offer_id), default=None)


def _made(play: Play, situation: Situation, fit: _Fit) -> OfferDecision:
    grant, period = fit.grant, fit.event.day
    play, ladder = in_force(play, situation.proven.get(play.key, frozenset()))
    given = grant.discount if grant is not None and not grant.held else None
    discount = given or play.incentive  # what was given keeps its terms
    if ladder is not None and given is not None:
        ladder = f"{discount_text(given)} was given, and keeps its terms"
    cost, cost_reasons = cost_of(discount, situation)
    shows = play.kind in PRODUCT_KINDS or play.kind is OfferKind.WIN_BACK
    products = situation.products if shows else ()
    first = products[0].because if play.kind in PRODUCT_KINDS and products else ()
    tier = play.tier if play.tier is not None else situation.tier if play.kind is OfferKind.TIER else None
    return OfferDecision(
        id=grant.offer_id if grant else offer_id(situation.shop_id, situation.customer_id, play.key, 0, period),
        customer_id=situation.customer_id, kind=play.kind, title=title_of(play, tier, situation, discount),
        because=(*first, *reasons_for(play, situation), *cost_reasons), valid_until=fit.until,
        code=grant.code if grant is not None and grant.stands(situation.now) else None, cost=cost, play=play,
        period=period, products=products, discount=discount,
        due=situation.due if play.kind is OfferKind.REPLENISHMENT else None, tier=tier,
        channels=_channels(play, situation), step=fit.step, ladder=ladder,
    )  # fmt: skip


def _channels(play: Play, situation: Situation) -> tuple[Channel, ...]:
    if OfferPlacement.MESSAGE not in play.placements:
        return ()
    return tuple(channel for channel in play.channels if channel in situation.consents)
