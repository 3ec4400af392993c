"""Webhooks that say one thing, not a whole: tags, consent, lifetime totals, checkouts, the end of a bulk operation.

Their bodies come in two manners, the REST one (numbers, snake case) and that of the newer topics (GIDs, camel case).
https://shopify.dev/docs/api/webhooks (payloads by topic)
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from integrations.shopify.mapping import CUSTOMER
from integrations.shopify.reading import (
    Id,
    Quantity,
    clean,
    instant_of,
    instant_or_none,
    number_of,
    read_body,
    scaled,
    short,
    upper,
)
from plugin.domain.facts import CheckoutFact, TraitFact
from plugin.domain.text import fold

_TAG: Final = 255


class _Tags(Struct, rename="camel"):
    customer_id: str
    tags: list[str]
    occurred_at: str


class _Consent(Struct):
    state: str
    consent_updated_at: str | None = None


class _EmailConsent(Struct):
    customer_id: Id
    email_marketing_consent: _Consent


class _SmsConsent(Struct):
    sms_marketing_consent: _Consent
    id: Id | None = None
    customer_id: Id | None = None


class _Money(Struct, rename="camel"):
    amount: Decimal
    currency_code: str | None = None


class _Summary(Struct, rename="camel"):
    customer_id: str
    number_of_orders: int | str
    amount_spent: _Money
    occurred_at: str


class _Ref(Struct):
    id: Id


class _CheckoutLine(Struct):
    quantity: Quantity = 1


class _Checkout(Struct):
    id: Id
    created_at: str
    updated_at: str
    completed_at: str | None = None
    total_price: Decimal = Decimal(0)
    customer: _Ref | None = None
    line_items: list[_CheckoutLine] = []


class _Finished(Struct):
    admin_graphql_api_id: str
    status: str | None = None


def read_tags(body: bytes, *, added: bool) -> list[TraitFact]:
    """`customer.tags_added` and `customer.tags_removed`. Raises BadStatementError, as all readers here do."""

    def facts(stated: _Tags) -> list[TraitFact]:
        customer_id, at = number_of(stated.customer_id, CUSTOMER), instant_of(stated.occurred_at)
        tags = [tag for tag in (clean(each).strip()[:_TAG] for each in stated.tags) if tag]
        return [
            TraitFact(customer_id=customer_id, kind="tag", name=fold(tag), value=tag if added else None, at=at)
            for tag in tags
        ]

    return read_body(body, _Tags, facts)


def read_email_consent(body: bytes, told_at: int) -> list[TraitFact]:
    """`customers_email_marketing_consent/update`. `told_at` for a consent without an instant of its own."""
    return read_body(
        body,
        _EmailConsent,
        lambda stated: [_consent(stated.customer_id, "email", stated.email_marketing_consent, told_at)],
    )


def read_sms_consent(body: bytes, told_at: int) -> list[TraitFact]:
    """`customers_marketing_consent/update`, which is about SMS."""

    def facts(stated: _SmsConsent) -> list[TraitFact]:
        customer_id = stated.customer_id or stated.id
        if customer_id is None:
            raise ValueError("it names no customer")
        return [_consent(customer_id, "sms", stated.sms_marketing_consent, told_at)]

    return read_body(body, _SmsConsent, facts)


def _consent(customer_id: int, kind: str, stated: _Consent, told_at: int) -> TraitFact:
    at = instant_or_none(stated.consent_updated_at)
    return TraitFact(
        customer_id=customer_id, kind=kind, name="", value=upper(stated.state), at=told_at if at is None else at
    )


def read_summary(body: bytes) -> list[TraitFact]:
    """`customers/purchasing_summary`: the shop's own lifetime figures."""

    def facts(stated: _Summary) -> list[TraitFact]:
        orders = int(stated.number_of_orders)
        if not 0 <= orders < 2**31:
            raise ValueError(f"{orders} is not a number of orders")
        totals: dict[str, Any] = {"orders": orders, "spend": scaled(stated.amount_spent.amount)}
        return [
            TraitFact(
                customer_id=number_of(stated.customer_id, CUSTOMER),
                kind="totals",
                name="",
                value=msgspec.json.encode(totals).decode(),
                at=instant_of(stated.occurred_at),
            )
        ]

    return read_body(body, _Summary, facts)


def read_checkout(body: bytes) -> CheckoutFact:
    """`checkouts/create`, `checkouts/update`: nothing of the person but the number."""
    return read_body(
        body,
        _Checkout,
        lambda stated: CheckoutFact(
            id=stated.id,
            customer_id=stated.customer.id if stated.customer else None,
            created_at=instant_of(stated.created_at),
            stated_at=instant_of(stated.updated_at),
            completed_at=instant_or_none(stated.completed_at),
            total=scaled(stated.total_price),
            items=sum(line.quantity for line in stated.line_items),
        ),
    )


def read_finished_operation(body: bytes) -> str:
    """The GID in `bulk_operations/finish`."""
    return read_body(body, _Finished, lambda stated: short(stated.admin_graphql_api_id) or "")
