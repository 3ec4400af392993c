"""Which offers a situation calls for: as a table, and as laws."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.lifecycles import MODELS
from plugin.domain.offers import DAY_US, Discount, OfferKind, OfferPlacement, Recommendation, offer_id, together_reason
from plugin.domain.plays.decide import Decisions, OfferDecision, WhyNot, decide
from plugin.domain.plays.holdout import draw, is_held_out
from plugin.domain.plays.play import Channel, Play, PlayError, Start, check_play
from plugin.domain.plays.shipped import PLAYS, PLAYS_BY_KEY
from plugin.domain.plays.situation import Due, Event, Grant, Situation, Standing, ends_at, step_of
from plugin.domain.rules import Names
from tests.support.plays import ANN, BY_KEY, EVERYTHING, OPEN, event, silent
from tests.support.small_shop import NOW_US, TODAY

NAMES = Names(models={key: model.keys for key, model in MODELS.items()}, primary_model="buyer-activity")
RETURNED = silent(3, "returned", orders=4, returned=event(3))
CASES = [
    (replace(ANN, added=event(2)), "welcome", 10, 5, "registered 2 days ago"),
    (silent(10, "new_buyer"), "second-order", 10, 30, "1 order so far"),
    (silent(80, "new_buyer"), "second-order", 10, 10, "1 order so far"),  # then the win-back takes its place
    (silent(91, "departing", 1), "win-back-1", 10, 30, "no order for 91 days"),
    (silent(170, "departing", 1), "win-back-1", 10, 10, "no order for 170 days"),
    (silent(200, "departing", 2), "win-back-2", 15, 30, "no order for 200 days"),
    (silent(900, "departing", 3), "win-back-3", 20, 30, "no order for 900 days"),
    (RETURNED, "returned", 10, 27, "came back 3 days ago"),
    (silent(1, "active", orders=10), "thanks-10", 10, 29, "10 orders so far"),
]


def decided(
    situation: Situation, *keys: str, placement: OfferPlacement | None = None, plays: tuple[Play, ...] = OPEN
) -> Decisions:
    """With the triggers of `keys` (all, when none is named) holding."""
    return decide(replace(situation, matched=frozenset(keys) or EVERYTHING), plays, placement)


def shown(decisions: Decisions) -> list[str]:
    return [offer.play.key for offer in decisions.offers]


def refusal(decisions: Decisions, play: str) -> WhyNot:
    return next(each.why for each in decisions.refused if each.play.key == play)


def grant(play: str, days_ago: int = 0, **changes) -> Grant:
    values = {
        "offer_id": 1, "play": play, "kind": str(BY_KEY[play].kind), "rung": BY_KEY[play].rung, "period": TODAY,
        "held": False, "discounted": bool(BY_KEY[play].ladder), "granted_at": NOW_US - days_ago * DAY_US,
        "until": NOW_US + DAY_US,
    }  # fmt: skip
    return Grant(**{**values, **changes})


@pytest.mark.parametrize(("situation", "play", "percentage", "days", "why"), CASES, ids=[case[1] for case in CASES])
def test_a_stage_calls_for_its_play_until_its_day_and_says_why(situation, play, percentage, days, why):
    (offer,) = decided(situation, play).offers
    assert (offer.play.key, offer.discount, offer.valid_until) == (
        play,
        Discount(percentage=percentage),
        NOW_US + days * DAY_US,
    )
    assert why in [reason.text for reason in offer.because]
    assert offer.code is None
    assert f"{percentage} %" in offer.title


@pytest.mark.parametrize(
    ("situation", "play", "why"),
    [
        (silent(31, "active", orders=5), "thanks-5", WhyNot.ENDED),
        (replace(ANN, added=event(7)), "welcome", WhyNot.ENDED),
        (replace(RETURNED, returned=event(30)), "returned", WhyNot.ENDED),
        (silent(900, "departing", 3, installed_at=NOW_US - 30 * DAY_US), "win-back-3", WhyNot.ENDED),
        (silent(100, "departing", 1), "win-back-2", WhyNot.OTHER_STAGE),
        (ANN, "second-order", WhyNot.OTHER_STAGE),
        (replace(ANN, standings={}), "welcome", WhyNot.OTHER_STAGE),
        (replace(ANN, standings={"buyer-activity": Standing("departing", 1)}), "win-back-1", WhyNot.NOT_YET),
        (ANN, "popular", WhyNot.NOTHING_TO_SHOW),
        (silent(1, "new_buyer"), "private-sale", WhyNot.SWITCHED_OFF),
    ],
)
def test_no_offer_where_none_is_called_for_and_the_reason(situation, play, why):
    decisions = decided(situation, play)
    assert (shown(decisions), refusal(decisions, play)) == ([], why)


def test_a_trigger_that_does_not_hold_is_said_with_its_text():
    (said,) = [each for each in decide(ANN, OPEN, None).refused if each.play.key == "welcome"]
    assert (said.why, said.text) == (WhyNot.TRIGGER, f"its trigger does not hold: {BY_KEY['welcome'].query}")


def test_the_expected_cost_is_the_percentage_of_the_customers_mean_order_and_says_so():
    (offer,) = decided(silent(91, "departing", 1, orders=2), "win-back-1").offers
    assert offer.cost == 50_000
    assert offer.because[-1].text == "expected cost 5.0: 10 % of the customer's mean order of 50.0"


def test_without_orders_the_cost_is_of_the_shops_mean_order_and_unknown_in_a_shop_without_any():
    (known,) = decided(replace(ANN, shop_order_value=423_333), "welcome").offers
    (unknown,) = decided(ANN, "welcome").offers
    assert (known.cost, unknown.cost) == (42_333, None)
    assert known.because[-1].text == "expected cost 4.23: 10 % of the shop's mean order of 42.33"


@pytest.mark.parametrize(("value", "cost"), [(None, 70_000), (423_333, 70_000), (50_000, 50_000)])
def test_an_amount_costs_itself_but_not_more_than_the_order(value, cost):
    plays = (replace(BY_KEY["welcome"], ladder=(Discount(amount=70_000),)),)
    (offer,) = decided(replace(ANN, shop_order_value=value), plays=plays).offers
    assert (offer.cost, offer.title) == (cost, "7.0 off your first order")


def test_the_level_names_the_incentive_of_the_ladder():
    plays = (replace(BY_KEY["welcome"], level=1),)
    assert decided(ANN, plays=plays).offers[0].discount == Discount(percentage=15)


def test_nothing_by_a_channel_the_customer_did_not_agree_to():
    nobody = replace(ANN, consents=frozenset())
    message = decided(nobody, "welcome", placement=OfferPlacement.MESSAGE)
    assert (shown(message), refusal(message, "welcome")) == ([], WhyNot.NO_CONSENT)
    assert shown(decided(nobody, "welcome", placement=OfferPlacement.HOME)) == ["welcome"]
    by_sms = replace(ANN, consents=frozenset({Channel.SMS}))
    assert decided(by_sms, "welcome", placement=OfferPlacement.MESSAGE).offers[0].channels == (Channel.SMS,)
    email = (replace(BY_KEY["welcome"], channels=(Channel.EMAIL,)),)
    assert shown(decided(by_sms, placement=OfferPlacement.MESSAGE, plays=email)) == []
    silent_play = (replace(BY_KEY["welcome"], placements=(OfferPlacement.MESSAGE,)),)
    assert refusal(decided(nobody, plays=silent_play), "welcome") is WhyNot.NO_CONSENT


def test_while_a_complaint_is_open_there_is_support_and_nothing_to_sell():
    for stage, rung in (("visitor", None), ("active", None), ("departing", 1)):
        decisions = decided(silent(95, stage, rung, complaint=True))
        assert shown(decisions) == ["support"]
        assert WhyNot.COMPLAINT in {each.why for each in decisions.refused}


def test_a_series_says_which_message_is_due_and_when_the_next_one_is():
    hour = 3_600_000_000
    play, begun = BY_KEY["welcome"], Event(NOW_US, TODAY)
    steps = [step_of(play, begun, NOW_US + hours * hour) for hours in (-1, 0, 23, 24, 72, 143, 144, 999)]
    assert [step and step.position for step in steps] == [None, 1, 1, 2, 3, 3, 4, 4]
    assert (steps[3].due_at, steps[3].next_at, steps[7].next_at) == (NOW_US + 24 * hour, NOW_US + 72 * hour, None)
    survey = silent(3, "new_buyer")
    assert refusal(decided(survey, "survey", placement=OfferPlacement.MESSAGE), "survey") is WhyNot.NOT_YET
    assert shown(decided(survey, "survey", placement=OfferPlacement.ACCOUNT)) == ["survey"]


def test_of_each_kind_the_best_and_one_bonus_at_a_time():
    copy = replace(BY_KEY["win-back-1"], key="win-back-1b", priority=89)
    departing = silent(95, "departing", 1)
    decisions = decide(replace(departing, matched=EVERYTHING | {copy.key}), (*OPEN, copy), None)
    assert [offer.play.key for offer in decisions.offers if offer.discount] == ["win-back-1"]
    assert refusal(decisions, "win-back-1b") is WhyNot.OUTRANKED
    assert len({offer.kind for offer in decisions.offers}) == len(decisions.offers)


def test_a_bonus_that_was_given_stands_before_a_better_one():
    given = grant("anniversary-registered", 3, period=TODAY - 3, until=NOW_US + 11 * DAY_US, code="ABC", offer_id=99)
    situation = replace(silent(10, "new_buyer"), added=event(368), grants=(given,))
    (offer,) = decided(situation, "anniversary-registered", "second-order").offers
    assert (offer.play.key, offer.id, offer.code, offer.valid_until) == (
        "anniversary-registered",
        99,
        "ABC",
        NOW_US + 11 * DAY_US,
    )
    ended = replace(situation, grants=(replace(given, closed_at=NOW_US, redeemed=True),))
    assert shown(decided(ended, "anniversary-registered", "second-order")) == ["second-order"]


def test_never_two_win_backs_in_one_rung_whatever_play_the_first_was_of():
    departing = silent(95, "departing", 1)
    first = replace(grant("win-back-1", 4, period=TODAY - 95, closed_at=NOW_US), play="win-back-copy")
    assert refusal(decided(replace(departing, grants=(first,)), "win-back-1"), "win-back-1") is WhyNot.SAME_RUNG
    for other in (replace(first, rung=2), replace(first, period=TODAY - 400), replace(first, held=True)):
        assert shown(decided(replace(departing, grants=(other,)), "win-back-1")) == ["win-back-1"]


def test_a_play_cools_down_and_then_comes_again():
    days = BY_KEY["early-access"].cool_down_days
    active = silent(5, "active", orders=3)
    for ago, why in ((days - 1, [WhyNot.COOLING_DOWN]), (days, [])):
        before = grant("early-access", ago, period=TODAY - ago, until=NOW_US - DAY_US)
        decisions = decided(replace(active, grants=(before,)), "early-access")
        assert [each.why for each in decisions.refused if each.play.key == "early-access"] == why


def test_an_offer_from_the_day_it_was_found_is_the_same_until_its_end():
    active = silent(5, "active", orders=3)
    (first,) = decided(active, "early-access").offers
    given = grant(
        "early-access", period=first.period, granted_at=NOW_US, until=first.valid_until, offer_id=first.id
    )  # fmt: skip
    later = replace(
        active, now=NOW_US + 5 * DAY_US, today=TODAY + 5, day_start=(TODAY + 5) * DAY_US, grants=(given,)
    )  # fmt: skip
    (still,) = decided(later, "early-access").offers
    assert (still.id, still.valid_until) == (first.id, first.valid_until)


def test_a_play_gives_no_more_than_it_may_cost():
    plays = (replace(BY_KEY["win-back-1"], most_cost=100_000),)
    departing = silent(95, "departing", 1)  # 5.00 expected
    assert shown(decided(replace(departing, granted_cost={"win-back-1": 50_000}), plays=plays)) == ["win-back-1"]
    spent = replace(departing, granted_cost={"win-back-1": 50_001})
    assert refusal(decided(spent, plays=plays), "win-back-1") is WhyNot.BUDGET
    own = grant("win-back-1", 1, period=TODAY - 95)
    assert shown(decided(replace(spent, grants=(own,)), plays=plays)) == ["win-back-1"]  # a promise is kept


def test_the_holdout_gets_nothing_is_told_what_it_would_be_and_stays_as_recorded():
    plays = (replace(BY_KEY["welcome"], holdout=9_999),)
    held = decided(ANN, plays=plays)
    assert (shown(held), refusal(held, "welcome")) == ([], WhyNot.HOLDOUT)
    assert held.refused[0].offer.discount == Discount(percentage=10)
    given, withheld = grant("welcome"), grant("welcome", held=True)
    assert shown(decided(replace(ANN, grants=(given,)), plays=plays)) == ["welcome"]
    assert refusal(decided(replace(ANN, grants=(withheld,)), "welcome"), "welcome") is WhyNot.HOLDOUT


def test_the_draw_is_the_same_everywhere_even_and_only_grows_with_the_share():
    assert draw(1, "welcome", 7) == draw(1, "welcome", 7) == 8_178_581_572_585_920
    customers = range(20_000)
    for share in (0, 500, 1_000, 5_000):
        held = {who for who in customers if is_held_out(1, "welcome", who, share)}
        assert abs(len(held) - share * 2) < 300
        assert held <= {who for who in customers if is_held_out(1, "welcome", who, share + 500)}
    both = sum(is_held_out(1, "a", who, 5_000) and is_held_out(1, "b", who, 5_000) for who in customers)
    assert abs(both - 5_000) < 300  # independent between plays


def test_anniversaries_come_round_each_year_and_hold_for_two_weeks():
    for ago, wanted in ((365, 14), (366, 13), (378, 1), (379, None), (200, None), (730, 14)):
        situation = replace(silent(40, "active", orders=3), added=event(ago))
        decisions = decided(situation, "anniversary-registered")
        ends = [offer.valid_until for offer in decisions.offers]
        assert ends == ([] if wanted is None else [TODAY * DAY_US + wanted * DAY_US]), ago


def test_a_replenishment_names_the_product_and_its_day():
    active = replace(silent(20, "active", orders=3), due=Due(55, TODAY - 1, TODAY - 4))
    (offer,) = decided(active, "replenishment").offers
    assert (offer.due, offer.cost, offer.discount) == (Due(55, TODAY - 1, TODAY - 4), 0, None)
    assert "due 1 day ago" in [reason.text for reason in offer.because]
    (soon,) = decided(replace(active, due=Due(55, TODAY + 3, TODAY)), "replenishment").offers
    assert (soon.id, "due in 3 days" in [reason.text for reason in soon.because]) == (offer.id, True)
    early = replace(active, due=Due(55, TODAY + 5, TODAY + 2))
    assert refusal(decided(early, "replenishment"), "replenishment") is WhyNot.NOT_YET


PRODUCTS = (Recommendation(5, 1.0, 5.2, 34, 3, (together_reason("X", 34, 5.2),)),)


@st.composite
def situations(draw_: st.DrawFn) -> Situation:
    days = st.integers(0, 800)
    orders = draw_(st.integers(0, 30))
    stage = draw_(st.sampled_from(["visitor", "new_buyer", "active", "departing", "returned"]))
    ordered = draw_(days) if orders else None
    keys = draw_(st.sets(st.sampled_from(sorted(EVERYTHING))))
    grants = [
        grant(
            key, draw_(st.integers(0, 100)), offer_id=number, period=TODAY - draw_(st.sampled_from([0, 5, ordered or 0])),
            held=draw_(st.booleans()), closed_at=draw_(st.sampled_from([None, NOW_US - 1])),
            redeemed=draw_(st.booleans()), until=NOW_US + draw_(st.integers(-3, 30)) * DAY_US,
        )
        for number, key in enumerate(sorted(draw_(st.sets(st.sampled_from(sorted(EVERYTHING)), max_size=4))), 1)
    ]  # fmt: skip
    return replace(
        ANN, customer_id=draw_(st.integers(1, 2**60)), added=event(draw_(days)), orders=orders, net_spend=orders * 99,
        last_order=None if ordered is None else event(ordered), first_order=None if ordered is None else event(ordered),
        returned=event(draw_(st.integers(0, 40))), checkout=event(draw_(st.integers(0, 5))), due=Due(3, TODAY - 2, TODAY - 3),
        standings={"buyer-activity": Standing(stage, draw_(st.sampled_from([1, 2, 3])) if stage == "departing" else None)},
        matched=frozenset(keys), consents=frozenset(draw_(st.sets(st.sampled_from(list(Channel))))),
        complaint=draw_(st.booleans()), grants=tuple(grants), products=PRODUCTS,
    )  # fmt: skip


@settings(max_examples=150)
@given(situations(), st.sampled_from([None, *OfferPlacement]), st.randoms(use_true_random=False))
def test_laws_of_a_decision(situation: Situation, placement: OfferPlacement | None, rng):
    decisions = decide(situation, PLAYS, placement)
    shuffled = list(PLAYS)
    rng.shuffle(shuffled)
    grants = list(situation.grants)
    rng.shuffle(grants)
    assert decide(replace(situation, grants=tuple(grants)), shuffled, placement) == decisions  # in any order of inputs
    told = [each.play.key for each in (*decisions.offers, *decisions.refused)]
    assert sorted(told) == sorted(PLAYS_BY_KEY)  # every play is answered for, once
    kinds = [offer.kind for offer in decisions.offers]
    assert sum(offer.discount is not None for offer in decisions.offers) <= 1
    assert len(set(kinds)) == len(kinds) or situation.grants
    for offer in decisions.offers:
        _lawful(offer, situation, placement)


def _lawful(offer: OfferDecision, situation: Situation, placement: OfferPlacement | None) -> None:
    play = offer.play
    assert play.enabled
    assert play.key in situation.matched
    assert offer.valid_until is None or offer.valid_until > situation.now
    assert not situation.complaint or play.kind is OfferKind.SUPPORT
    assert set(offer.channels) <= situation.consents
    if placement is OfferPlacement.MESSAGE:
        assert offer.channels
        assert offer.step is not None
    given_before = any(each.play == play.key and not each.held for each in situation.grants)
    assert given_before or not is_held_out(1, play.key, situation.customer_id, play.holdout)


def test_an_id_is_63_bits_the_same_everywhere_and_different_for_each_part():
    assert offer_id(1, 7, "welcome", 0, 20_000) == 3_139_962_010_886_883_154
    ids = {
        offer_id(shop, customer, play, subject, period)
        for shop in (1, 2)
        for customer in (1, 11)
        for play in ("welcome", "returned")
        for subject in (0, 1)
        for period in (0, 10)
    }
    assert len(ids) == 32
    assert all(0 < number < 2**63 for number in ids)


def test_a_new_order_makes_a_new_offer():
    first, later = (decided(silent(days, "departing", 1), "win-back-1").offers[0] for days in (91, 92))
    assert first.id != later.id


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.key)
def test_every_shipped_play_passes_its_own_check(play: Play):
    check_play(play, NAMES)
    assert PLAYS_BY_KEY[play.key] is play
    if play.ladder:  # the ladder rises, and what gives money away ends
        assert list(play.ladder) == sorted(play.ladder, key=lambda each: each.percentage)
        assert ends_at(play, Event(NOW_US, TODAY), silent(1, "active")) is not None


def test_every_stage_has_plays_as_the_table_says():
    stages = {stage: [play.key for play in PLAYS if play.stage == stage] for stage in {play.stage for play in PLAYS}}
    assert {stage: len(keys) for stage, keys in stages.items()} == {
        "visitor": 6, "new_buyer": 6, "active": 10, "departing": 3, "returned": 4, None: 5,
    }  # fmt: skip
    assert BY_KEY["welcome"].schedule == (0, 24, 72, 144)
    assert BY_KEY["abandoned-checkout"].schedule == (1, 24, 72)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": "Win Back"}, "key"), ({"name": " "}, "name"), ({"title": "x" * 256}, "title"),
        ({"query": "orders >"}, "query"), ({"query": "lifecycle_stage = 'gone'"}, "query"), ({"stage": "gone"}, "stage"),
        ({"model": "gone"}, "model"), ({"rung": 0}, "rung"), ({"stage": None, "rung": 1}, "rung"),
        ({"placements": ()}, "placements"), ({"channels": ()}, "channels"), ({"start": Start.LAPSED}, "start"),
        ({"ladder": (Discount(),)}, "ladder"), ({"ladder": (Discount(10, 10),)}, "ladder"),
        ({"ladder": (Discount(101),)}, "ladder"), ({"ladder": (Discount(amount=0),)}, "ladder"), ({"level": 2}, "level"),
        ({"level": -1}, "level"), ({"valid_days": None}, "validDays"), ({"valid_days": 0}, "validDays"),
        ({"cool_down_days": -1}, "coolDownDays"), ({"schedule": (3, 1)}, "scheduleHours"),
        ({"schedule": (-1,)}, "scheduleHours"), ({"schedule": (10**6,)}, "scheduleHours"), ({"priority": -1}, "priority"),
        ({"holdout": 10_000}, "holdoutShare"), ({"most_cost": -1}, "mostCost"),
    ],
    ids=str,
)  # fmt: skip
def test_a_play_that_cannot_be_used_is_refused_with_the_field(changes, field):
    with pytest.raises(PlayError) as refused:
        check_play(replace(PLAYS_BY_KEY["welcome"], **changes), NAMES)
    assert [each.field for each in refused.value.problems] == [field]


def test_a_fault_in_a_trigger_has_its_place():
    with pytest.raises(PlayError) as refused:
        check_play(replace(PLAYS_BY_KEY["welcome"], query="number_of_orders = 0 AND colour = 'red'"), NAMES)
    (problem,) = refused.value.problems
    assert (problem.problem.offset, problem.problem.length) == (25, 6)


def test_the_sentence_of_a_cross_sell_is_the_one_promised():
    assert together_reason("X", 34, 5.2).text == "bought with X by 34 customers, 5.2 times more often than chance"
