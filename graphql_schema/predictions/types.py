"""What customers are expected to do, and how good the shop's models of it are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import certain
from graphql_schema.scalars import Money, money
from plugin.domain.predict.forecast import SOON
from plugin.ledger.predictions import PredictionModelRow, PredictionRow

_CUSTOMERS = [Access(scope=Scope.READ_CUSTOMERS)]
_FIRST_DAY = date(1970, 1, 1).toordinal()


@strawberry.enum(description="Customers in three tiers by the spend expected of the following year.")
class SpendTier(StrEnum):
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


@strawberry.type(
    description="What the shop's models expect of a customer, from the day after the fit. A figure is null where the "
    "shop's history does not reach that far.",
    directives=_CUSTOMERS,
)
class CustomerPredictions:
    order_within30_days: float = strawberry.field(
        name="orderWithin30Days", description="Probability, from 0 to 1, of one or more orders within 30 days."
    )
    order_within90_days: float | None = strawberry.field(
        name="orderWithin90Days", description="The same within 90 days."
    )
    probability_alive: float = strawberry.field(
        description="Probability that she will ever order again, by the rates of buying and leaving of all buyers."
    )
    expected_orders90_days: float | None = strawberry.field(
        name="expectedOrders90Days", description="Expected number of orders within 90 days."
    )
    next_order_date: date | None = strawberry.field(
        description="The first day by which an order is at least as likely as not; null when that is over a year away."
    )
    lifetime_value: Money | None = strawberry.field(
        description="Expected spend of the next 365 days, not discounted for time."
    )
    spend_tier: SpendTier | None = strawberry.field(
        description="Where that stands: the lowest tenth, the highest three tenths, or between."
    )
    fitted_at: datetime = strawberry.field(description="When the models were fitted.")


@strawberry.type(
    description="The model of ordering again within a horizon: whichever was least surprised by days held out from the "
    "shop's own history. `reason` says why there is none; figures are null then.",
    directives=_CUSTOMERS,
)
class PredictionModel:
    days: int = strawberry.field(description="The horizon, in days.")
    method: str | None = strawberry.field(description="The model in use.")
    reason: str | None = strawberry.field(description="Why the shop has none.")
    auc: float | None = strawberry.field(
        description="How often, of one buyer who came back and one who did not, it put the first higher."
    )
    baseline_auc: float | None = strawberry.field(description="The same of days of silence alone.")
    calibration_error: float | None = strawberry.field(
        description="Mean distance between what it said and what came, over ten groups of buyers."
    )
    rate: float | None = strawberry.field(description="The share of buyers who came back in the days held out.")
    n: int = strawberry.field(description="Buyers that the figures are of.")
    candidates: int = strawberry.field(description="Models that were tried.")
    windows: int = strawberry.field(description="Spans held out to choose by; the figures are of the latest.")
    history_from: date | None = strawberry.field(description="The day of the first order used.")
    tested_from: date | None = strawberry.field(description="The first day held out.")
    tested_until: date | None = strawberry.field(description="The last day held out.")
    fitted_at: datetime = strawberry.field(description="When it was fitted.")


def predictions_of_row(row: PredictionRow, currency: str) -> CustomerPredictions:
    return CustomerPredictions(
        order_within30_days=row.within_30,
        order_within90_days=row.within_90,
        probability_alive=row.alive,
        expected_orders90_days=row.orders,
        next_order_date=_day(row.next_day),
        lifetime_value=None if row.value is None else money(row.value, currency),
        spend_tier=SpendTier(row.tier) if row.tier else None,
        fitted_at=certain(row.fitted_at),
    )


def prediction_model(row: PredictionModelRow) -> PredictionModel:
    return PredictionModel(
        days=row.days,
        method=row.method,
        reason=row.reason,
        auc=row.auc,
        baseline_auc=row.baseline_auc,
        calibration_error=row.calibration_error,
        rate=row.rate,
        n=row.n,
        candidates=row.candidates,
        windows=row.windows,
        history_from=_day(row.first_day),
        tested_from=_day(row.tested_from),
        tested_until=_day(None if row.tested_until is None else row.tested_until - 1),
        fitted_at=certain(row.fitted_at),
    )


def why_unpredicted(models: Sequence[PredictionModelRow]) -> str:
    """Of a customer of whom nothing is predicted."""
    if not models:
        return "No model of repurchase has been fitted on this shop's history yet."
    refused = [row.reason for row in models if row.days == SOON and row.reason]
    return refused[0] if refused else "She had no order when the models were last fitted."


def _day(number: int | None) -> date | None:
    return None if number is None else date.fromordinal(_FIRST_DAY + number)
