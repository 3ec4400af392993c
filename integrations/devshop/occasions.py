"""What else happens in a shop: accounts switched on and off, consent, checkouts left and ended, orders edited, the shop
itself changed. Each sends the webhooks of the platform, in their own manner of body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from integrations.devshop import payloads
from integrations.devshop.rows import Checkout, Customer, Order, gid
from integrations.devshop.signing import hex_hmac

if TYPE_CHECKING:
    from collections.abc import Sequence

    from integrations.devshop.shop import ShopState


@dataclass
class Occasions:
    """The part of `DevShop` that is not about placing and refunding orders."""

    state: ShopState

    def enable_account(self, number: int, *, enabled: bool = True) -> Customer:
        with self.state.lock:
            row = self.state.data.customers[number]
            row.state, row.updated_at = ("ENABLED" if enabled else "DISABLED"), self.state.now_text()
            self.state.touched("customers")
            topic = "customers/enable" if enabled else "customers/disable"
            self.state.announce(topic, payloads.customer(row, self.state.currency))
            return row

    def set_email_consent(self, number: int, state: str) -> None:
        with self.state.lock:
            row = self.state.data.customers[number]
            row.marketing_state, row.marketing_updated_at = state, self.state.now_text()
            row.updated_at = row.marketing_updated_at
            self.state.touched("customers")
            consent = {"state": state.lower(), "opt_in_level": None, "consent_updated_at": row.updated_at}
            body = {"customer_id": number, "email_address": row.email, "email_marketing_consent": consent}
            self.state.announce("customers_email_marketing_consent/update", body)

    def set_sms_consent(self, number: int, state: str) -> None:
        with self.state.lock:
            row = self.state.data.customers[number]
            if row.phone is None:
                raise ValueError("A phone number is required to set the SMS consent state.")
            row.sms_state, row.updated_at = state, self.state.now_text()
            self.state.touched("customers")
            consent = {"state": state.lower(), "opt_in_level": None, "consent_updated_at": row.updated_at}
            body = {"id": number, "phone": row.phone, "sms_marketing_consent": consent}
            self.state.announce("customers_marketing_consent/update", body)

    def tell_totals(self, row: Customer) -> None:
        """`customers/purchasing_summary`: sent whenever the shop's own lifetime figures moved."""
        last = max(self.state.orders_of(row.id), key=lambda order: order.processed_at, default=None)
        spent = {"amount": payloads.price(row.amount_spent), "currencyCode": self.state.currency}
        body: dict[str, Any] = {
            "customerId": gid("Customer", row.id),
            "numberOfOrders": row.orders_count,
            "amountSpent": spent,
            "lastOrderId": gid("Order", last.id) if last else None,
            "occurredAt": self.state.now_text(),
        }
        self.state.announce("customers/purchasing_summary", body)

    def edit_order(self, number: int, line: int, quantity: int) -> Order:
        """A line edited downwards: it stays in place, with a current quantity of its own."""
        with self.state.lock:
            order = self.state.data.orders[number]
            row = next(each for each in order.lines if each.id == line)
            if not 0 <= quantity <= row.current_quantity:
                raise ValueError(f"quantity must be from 0 to {row.current_quantity}")
            order.current_total -= round(row.discounted_total * (row.current_quantity - quantity) / row.quantity)
            row.current_quantity, order.updated_at = quantity, self.state.now_text()
            self.state.touched("orders")
            removed = {"id": line, "delta": row.quantity - quantity}
            edit = {
                "id": self.state.next_id(),
                "order_id": number,
                "line_items": {"additions": [], "removals": [removed]},
            }
            self.state.announce("orders/edited", {"order_edit": edit})
            self.state.announce("orders/updated", payloads.order(order, self.state))
            return order

    # checkouts

    def begin_checkout(self, customer: int | None, items: Sequence[tuple[int, int]]) -> Checkout:
        """`items` as (variant id, quantity)."""
        with self.state.lock:
            now, number = self.state.now_text(), self.state.next_id()
            total = sum(self.state.variants[variant].price * quantity for variant, quantity in items)
            made = Checkout(
                id=number, token=hex_hmac(self.state.file_secret, str(number))[:32], customer_id=customer,
                created_at=now, updated_at=now, total=total, items=[(variant, count) for variant, count in items],
            )  # fmt: skip
            self.state.checkouts[number] = made
            self.state.announce("checkouts/create", payloads.checkout(made, self.state))
            return made

    def update_checkout(self, number: int, *, completed: bool = False) -> Checkout:
        with self.state.lock:
            row = self.state.checkouts[number]
            row.updated_at = self.state.now_text()
            row.completed_at = row.updated_at if completed else row.completed_at
            self.state.announce("checkouts/update", payloads.checkout(row, self.state))
            return row

    def delete_checkout(self, number: int) -> None:
        with self.state.lock:
            row = self.state.checkouts.pop(number)
            body = {"id": number, "presentment_currency": self.state.currency, "total_price": payloads.price(row.total)}
            self.state.announce("checkouts/delete", body)

    # the shop itself

    def update_shop(self, **fields: str) -> None:
        """`name`, `timezone`, `currency`."""
        with self.state.lock:
            for name, value in fields.items():
                setattr(self.state, name, value)
            self.state.announce("shop/update", self.shop_payload())

    def change_scopes(self, scopes: Sequence[str]) -> None:
        """The merchant grants more or takes some away; tokens carry it at once."""
        with self.state.lock:
            before = sorted(next((token.scopes for token in self.state.tokens.values()), frozenset()))
            for token in self.state.tokens.values():
                token.scopes = frozenset(scopes)
            body = {
                "id": f"gid://shopify/AppInstallation/{self.state.number}",
                "previous": before,
                "current": list(scopes),
            }
            self.state.announce("app/scopes_update", {**body, "updated_at": self.state.now_text()})

    def shop_payload(self) -> dict[str, Any]:
        state = self.state
        return {
            "id": state.number,
            "name": state.name,
            "domain": state.domain,
            "myshopify_domain": state.domain,
            "currency": state.currency,
            "iana_timezone": state.timezone,
        }
