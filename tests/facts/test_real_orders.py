"""The fact sheet beside the known figures of a real shop, where its orders are present."""

import gzip
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np
import pytest

from plugin.domain.calendar import ShopCalendar
from plugin.domain.fact_sheet import FactSheet, ShopOrders, Verdict, fact_sheet
from plugin.domain.instants import FOREVER, parse_instant, to_us
from tests.support.online_retail import PRESENT, truth

DAY = 86_400_000_000


class _Id(msgspec.Struct):
    id: str


class _Order(msgspec.Struct, rename="camel"):
    id: str
    processed_at: str
    cancelled_at: str | None
    customer: _Id | None


def histories(folder: Path) -> dict[str, list[int]]:
    """Instants of each customer's orders that were not cancelled, ascending."""
    decoder, found = msgspec.json.Decoder(_Order), dict[str, list[int]]()
    with gzip.open(folder / "orders.jsonl.gz") as file:
        for order in (decoder.decode(line) for line in file if b'"__parentId"' not in line):
            if order.customer is not None and order.cancelled_at is None:
                found.setdefault(order.customer.id, []).append(parse_instant(order.processed_at))
    return {customer: sorted(instants) for customer, instants in found.items()}


def sheet_of(bought: dict[str, list[int]], as_of: int) -> FactSheet:
    at = np.array([instant for instants in bought.values() for instant in instants])
    orders = ShopOrders(
        customer=np.repeat(np.arange(len(bought)), [len(instants) for instants in bought.values()]), processed_at=at,
        voided_at=np.full(len(at), FOREVER), net=np.ones(len(at), dtype=np.int64), items=np.ones(len(at), dtype=np.int64),
        registered_at=np.array([instants[0] for instants in bought.values()]),
    )  # fmt: skip
    return fact_sheet(orders, as_of=as_of, calendar=ShopCalendar("UTC"), lapse_days=90)


@pytest.mark.parametrize("folder", PRESENT, ids=lambda folder: folder.name)
def test_second_purchases_agree_with_the_known_figures(folder: Path) -> None:
    """The known figures count orders, also a second one on the same day, and only buyers watched for the whole span;
    the sheet counts purchase days, and everybody for as long as watched. The first difference is counted here
    exactly; what is left to the second is within 2.5 points (5 for the 100 customers of the small set)."""
    known, bought = truth(folder), histories(folder)
    as_of = to_us(datetime.fromisoformat(known["as_of"]).replace(tzinfo=UTC))
    [line] = [line for line in sheet_of(bought, as_of).lines if line.key == "second_purchase"]
    measured = {value.label: value for value in line.values}
    for span, figures in known["second_order_within_days"].items():
        days = int(span)
        watched = [instants for instants in bought.values() if as_of - instants[0] >= days * DAY]
        seconds = [instants[1] - instants[0] <= days * DAY for instants in watched if len(instants) > 1]
        assert len(watched) == figures["first_time_buyers_observed_that_long"]
        assert sum(seconds) == figures["second_order_within"]
        next_days = [[day for day, _ in groupby(at // DAY for at in instants)][:2] for instants in watched]
        by_day = sum(len(each) > 1 and each[1] - each[0] <= days for each in next_days) / len(watched)
        value = measured[f"a second purchase within {days} days"]
        assert value.value == pytest.approx(by_day, abs=0.025 if len(bought) > 1000 else 0.05)
        assert value.low < value.value < value.high


@pytest.mark.parametrize("folder", PRESENT, ids=lambda folder: folder.name)
def test_the_repeat_rate_is_the_known_one_but_for_repeats_on_one_day(folder: Path) -> None:
    known, bought = truth(folder), histories(folder)
    as_of = to_us(datetime.fromisoformat(known["as_of"]).replace(tzinfo=UTC))
    line = next(line for line in sheet_of(bought, as_of).lines if line.key == "second_purchase")
    repeats = known["repeat"]["customers_with_2_or_more_valid_orders"]
    on_one_day = sum(len(each) > 1 and each[0] // DAY == each[-1] // DAY for each in bought.values())
    days = [[day for day, _ in groupby(at // DAY for at in instants)][:2] for instants in bought.values()]
    span = int(line.values[-1].label.split()[-2])  # days; the longest that enough buyers were watched for
    late = sum(len(each) > 1 and each[1] - each[0] > span for each in days)
    assert line.values[-1].n == repeats - on_one_day - late
    assert line.values[-1].denominator == len(bought)
    assert line.verdict is Verdict.DIFFERS  # gifts for resale: they do buy again
