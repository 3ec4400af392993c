"""Which offer a stage calls for: as a table."""

from dataclasses import replace

import pytest

from plugin.domain.offers import (
    DAY_US,
    PLAYS,
    OfferPlacement,
    Play,
    Situation,
    loyalty_offer,
    offer_id,
    plays_for,
    together_reason,
    valid_until,
)
from plugin.domain.rules import parse
from tests.support.small_shop import NOW_US, TODAY

ANN = Situation(
    customer_id=7, stage="visitor", rung=None, added_at=NOW_US, added_day=TODAY, orders=0, net_spend=0,
    last_order_at=None, last_order_day=None, return_order_at=None, return_order_day=None, lapse_days=(90, 180, 360),
    contactable=True, today=TODAY,
)  # fmt: skip


def silent(days: int, stage: str, rung: int | None = None, orders: int = 1, **changes) -> Situation:
    """Ann with `orders` orders of 50.00 each, the last `days` days ago."""
    return replace(
        ANN, stage=stage, rung=rung, orders=orders, net_spend=orders * 500_000, last_order_at=NOW_US - days * DAY_US,
        last_order_day=TODAY - days, added_at=NOW_US - 500 * DAY_US, added_day=TODAY - 500, **changes,
    )  # fmt: skip


RETURNED = silent(3, "returned", orders=4, return_order_at=NOW_US - 3 * DAY_US, return_order_day=TODAY - 3)
CASES = [
    (replace(ANN, added_at=NOW_US - 2 * DAY_US, added_day=TODAY - 2), "welcome", 10, 5, "registered 2 days ago"),
    (silent(10, "new_buyer"), "second-order", 10, 30, "1 order so far"),
    (silent(80, "new_buyer"), "second-order", 10, 10, "1 order so far"),  # then the win-back takes its place
    (silent(91, "departing", 1), "win-back-1", 10, 30, "no order for 91 days"),
    (silent(170, "departing", 1), "win-back-1", 10, 10, "no order for 170 days"),
    (silent(200, "departing", 2), "win-back-2", 15, 30, "no order for 200 days"),
    (silent(900, "departing", 3), "win-back-3", 20, 30, "no order for 900 days"),
    (RETURNED, "returned", 10, 27, "came back 3 days ago"),
    (silent(1, "active", orders=10), "thanks-10", 10, 29, "10 orders so far"),
]


def _offers(situation: Situation, now: int = NOW_US, placement=None, value=None):
    plays = [play for play in plays_for(situation, placement) if play.percentage]
    made = (
        loyalty_offer(1, play, situation, installed_at=NOW_US, now=now, shop_order_value=value) for play in plays
    )  # fmt: skip
    return [offer for offer in made if offer]


@pytest.mark.parametrize(("situation", "play", "percentage", "days", "why"), CASES, ids=[case[1] for case in CASES])
def test_a_stage_calls_for_its_play_until_its_day_and_says_why(situation, play, percentage, days, why):
    (offer,) = _offers(situation)
    assert (offer.play.key, offer.discount.percentage, offer.valid_until) == (play, percentage, NOW_US + days * DAY_US)
    assert why in [reason.text for reason in offer.because]
    assert offer.code is None
    assert f"{percentage} %" in offer.title


@pytest.mark.parametrize(
    "situation",
    [
        silent(1, "active", orders=4),
        silent(31, "active", orders=5),
        replace(ANN, added_at=NOW_US - 7 * DAY_US, added_day=TODAY - 7),
        replace(RETURNED, return_order_at=NOW_US - 30 * DAY_US),
    ],
    ids=["active", "an old fifth order", "a cold visitor", "a month after the return"],
)
def test_no_bonus_where_none_is_called_for(situation):
    assert _offers(situation) == []


def test_a_bonus_is_given_once_and_not_renewed_within_a_rung():
    assert len(_offers(silent(900, "departing", 3), NOW_US + 30 * DAY_US - 1)) == 1
    assert _offers(silent(900, "departing", 3), NOW_US + 30 * DAY_US) == []


def test_the_expected_cost_is_the_percentage_of_the_customers_mean_order_and_says_so():
    (offer,) = _offers(silent(91, "departing", 1, orders=2))
    assert offer.cost == 50_000
    assert offer.because[-1].text == "expected cost 5.0: 10 % of the customer's mean order of 50.0"


def test_without_orders_the_cost_is_of_the_shops_mean_order_and_unknown_in_a_shop_without_any():
    (known,), (unknown,) = _offers(ANN, value=423_333), _offers(ANN)
    assert (known.cost, unknown.cost) == (42_333, None)
    assert known.because[-1].text == "expected cost 4.23: 10 % of the shop's mean order of 42.33"


def test_no_message_to_someone_who_agreed_to_none():
    silent_ann = replace(ANN, contactable=False)
    assert _offers(silent_ann, placement=OfferPlacement.MESSAGE) == []
    assert len(_offers(silent_ann, placement=OfferPlacement.HOME)) == 1
    assert len(_offers(ANN, placement=OfferPlacement.MESSAGE)) == 1


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
    first, later = _offers(silent(91, "departing", 1)), _offers(silent(92, "departing", 1))
    assert first[0].id != later[0].id


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.key)
def test_every_trigger_is_a_rule_of_the_language(play: Play):
    assert parse(play.query).rule
    assert play.placements


def test_no_play_outlives_what_it_depends_on():
    never_ordered = replace(ANN, stage="departing", rung=1)
    assert plays_for(never_ordered, None) == []
    assert valid_until(PLAYS[0], never_ordered, installed_at=0) is None


def test_the_sentence_of_a_cross_sell_is_the_one_promised():
    assert together_reason("X", 34, 5.2).text == "bought with X by 34 customers, 5.2 times more often than chance"
