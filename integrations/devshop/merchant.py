"""The merchant's and the customers' side of a shop: what tests and the demo do to it by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from integrations.devshop import payloads
from integrations.devshop.discounts import discount_of_code, refusal_at_checkout
from integrations.devshop.occasions import Occasions
from integrations.devshop.rows import Customer, Line, Order, Product, Refund, RefundLine, Value, Variant, gid, money
from integrations.devshop.signing import session_token
from integrations.devshop.tags import set_tags, split_tags, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = tuple[int, int]  # (variant id, quantity)


@dataclass
class DevShop(Occasions):
    """Every method is one thing somebody does in the shop; it changes the rows and sends the webhooks."""

    def session_token(self, *, user: str = "1", lifetime: int = 60, **claims: object) -> str:
        app = self.state.app
        return session_token(
            app.client_id, app.secret, self.state.domain, now=self.state.now(), user=user, lifetime=lifetime, **claims
        )

    def advance(self, by: timedelta) -> None:
        """Move this shop's clock."""
        self.state.offset += by

    # customers

    def create_customer(self, **fields: Value) -> Customer:
        """`fields` are those of `rows.Customer`, without id and times."""
        with self.state.lock:
            now = self.state.now_text()
            made = Customer(id=self.state.next_id(), created_at=now, updated_at=now, **fields)
            self.state.data.customers[made.id] = made
            self.state.touched("customers")
            self._customer_event("customers/create", made)
            return made

    def update_customer(self, number: int, **fields: Value) -> Customer:
        with self.state.lock:
            row = self.state.data.customers[number]
            for name, value in fields.items():
                setattr(row, name, value)
            row.updated_at = self.state.now_text()
            self.state.touched("customers")
            self._customer_event("customers/update", row)
            return row

    def delete_customer(self, number: int) -> None:
        with self.state.lock:
            if self.state.orders_of(number):
                raise ValueError("Customer can\u2019t be deleted because they have associated orders")
            del self.state.data.customers[number]
            self.state.touched("customers")
            self.state.announce("customers/delete", {"id": number, "admin_graphql_api_id": gid("Customer", number)})

    def merge_customers(self, kept: int, gone: int) -> Customer:
        """`gone`'s orders, tags and totals become `kept`'s; the old id then reads null."""
        with self.state.lock:
            rows = self.state.data.customers
            keeper, other = rows[kept], rows.pop(gone)
            for order in self.state.orders_of(gone):
                order.customer_id, order.updated_at = kept, self.state.now_text()
            keeper.orders_count += other.orders_count
            keeper.amount_spent += other.amount_spent
            known = {tag.casefold() for tag in keeper.tags}
            set_tags(self.state, keeper, [*keeper.tags, *(tag for tag in other.tags if tag.casefold() not in known)])
            self.state.touched("orders")
            merged = {"admin_graphql_api_customer_kept_id": gid("Customer", kept), "status": "completed"}
            deleted = {"admin_graphql_api_customer_deleted_id": gid("Customer", gone)}
            self.state.announce("customers/merge", {**merged, **deleted, "errors": []})
            self._customer_event("customers/update", keeper)
            return keeper

    def edit_tags(self, number: int, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
        """What the merchant does by hand on a customer's page."""
        with self.state.lock:
            row = self.state.data.customers[number]
            before, gone = row.tags, {tag.casefold() for tag in split_tags(remove)}
            left = [tag for tag in row.tags if tag.casefold() not in gone]
            known = {tag.casefold() for tag in left}
            fresh = [tag for tag in split_tags(add) if tag.casefold() not in known]
            set_tags(self.state, row, left + fresh)
            tell(self.state, row, added=fresh, removed=[tag for tag in before if tag not in left])
            return row.tags

    def _customer_event(self, topic: str, row: Customer) -> None:
        self.state.announce(topic, payloads.customer(row, self.state.currency))

    # orders

    def place_order(
        self,
        customer: int | None,
        items: Sequence[Item],
        *,
        discount: Decimal | str = "0",
        discount_codes: Sequence[str] = (),
        test: bool = False,
    ) -> Order:
        """A paid order of `items` (variant, quantity); `discount` comes off the first line."""
        with self.state.lock:
            now, number = self.state.now_text(), self.state.next_id()
            lines = [self._line(variant, quantity) for variant, quantity in items]
            off = min(money(discount), lines[0].original_total)
            lines[0].discounted_total -= off
            total = sum(line.discounted_total for line in lines)
            order = Order(
                id=number,
                name=f"#{number}",
                created_at=now,
                processed_at=now,
                updated_at=now,
                customer_id=customer,
                total=total,
                current_total=total,
                test=test,
                discounts=off,
                discount_codes=list(discount_codes),
                lines=lines,
            )
            self.state.data.orders[number] = order
            self.state.touched("orders")
            self._count(customer, orders=1, spent=total)
            self._order_event("orders/create", order)
            return order

    def redeem(self, customer: int | None, item: Item, code: str) -> Order:
        """A customer buys one thing with a code. Raises ValueError with the checkout's words where it is not taken."""
        with self.state.lock:
            refused = refusal_at_checkout(self.state, customer, code)
            node = discount_of_code(self.state, code)
            if refused or node is None:
                raise ValueError(refused)
            off = node.discount.off(self._line(*item).original_total)
            order = self.place_order(customer, [item], discount=Decimal(off) / 10_000, discount_codes=[code])
            node.discount.used[customer] += 1
            return order

    def _line(self, variant: int, quantity: int) -> Line:
        row = self.state.variants[variant]
        product = self.state.data.products[row.product_id]
        total = row.price * quantity
        return Line(
            id=self.state.next_id(),
            title=product.title,
            sku=row.sku,
            quantity=quantity,
            current_quantity=quantity,
            product_id=product.id,
            variant_id=variant,
            original_total=total,
            discounted_total=total,
        )

    def _count(self, customer: int | None, *, orders: int, spent: int) -> None:
        row = self.state.data.customers.get(customer or 0)
        if row is not None:
            row.orders_count += orders
            row.amount_spent += spent
            row.updated_at = self.state.now_text()
            self.state.touched("customers")
            self.tell_totals(row)

    def _order_event(self, topic: str, order: Order) -> None:
        self.state.touched("orders")
        self.state.announce(topic, payloads.order(order, self.state))
        owner = self.state.data.customers.get(order.customer_id or 0)
        if owner is not None:
            self._customer_event("customers/update", owner)

    def update_order(self, number: int, **fields: Value) -> Order:
        """`fields` are those of `rows.Order`."""
        with self.state.lock:
            order = self.state.data.orders[number]
            for name, value in fields.items():
                setattr(order, name, value)
            order.updated_at = self.state.now_text()
            self._order_event("orders/updated", order)
            return order

    def cancel_order(self, number: int, *, reason: str = "CUSTOMER") -> Order:
        """Cancelled and paid back in full, as the platform records it: REFUNDED, current total 0."""
        with self.state.lock:
            order = self.state.data.orders[number]
            if order.cancelled_at is not None:
                raise ValueError("Cannot cancel an order that has already been canceled")
            now, left = self.state.now_text(), order.total - order.refunded
            if left:
                order.refunds.append(self._refund(order, left, (), now))
            order.cancelled_at, order.cancel_reason, order.updated_at = now, reason, now
            order.refunded, order.current_total, order.financial_status = order.total, 0, "REFUNDED"
            for line in order.lines:
                line.current_quantity = 0
            self._count(order.customer_id, orders=-1, spent=-left)
            self._order_event("orders/cancelled", order)
            return order

    def refund_order(
        self, number: int, *, amount: Decimal | str | None = None, lines: Sequence[Item] = (), note: str | None = None
    ) -> Refund:
        """Pay back `amount` (default: the price of the `lines` sent back, or all that is left)."""
        with self.state.lock:
            order, now = self.state.data.orders[number], self.state.now_text()
            sent_back = tuple(self._sent_back(order, line, quantity) for line, quantity in lines)
            left = order.total - order.refunded
            total = money(amount) if amount is not None else sum(each.subtotal for each in sent_back) or left
            if total > left:
                raise ValueError(
                    f"Refund amount ${total / 10_000:.2f} is greater than net payment received ${left / 10_000:.2f}"
                )
            refund = self._refund(order, total, sent_back, now)
            refund.note = note
            order.refunds.append(refund)
            for each in sent_back:
                next(line for line in order.lines if line.id == each.line_id).current_quantity -= each.quantity
            order.refunded += total
            order.current_total -= total
            order.financial_status = "REFUNDED" if order.refunded == order.total else "PARTIALLY_REFUNDED"
            order.updated_at = now
            self._count(order.customer_id, orders=0, spent=-total)
            self.state.announce("refunds/create", payloads.refund(refund))
            self._order_event("orders/updated", order)
            return refund

    def _refund(self, order: Order, total: int, lines: Sequence[RefundLine], now: str) -> Refund:
        return Refund(id=self.state.next_id(), order_id=order.id, created_at=now, total=total, lines=list(lines))

    def _sent_back(self, order: Order, number: int, quantity: int) -> RefundLine:
        line = next(each for each in order.lines if each.id == number)
        if quantity > line.current_quantity:
            raise ValueError(f"Quantity cannot refund more items than were purchased ({line.current_quantity})")
        subtotal = round(line.discounted_total * quantity / line.quantity / 100) * 100
        return RefundLine(id=self.state.next_id(), line_id=number, quantity=quantity, subtotal=subtotal)

    def delete_order(self, number: int) -> None:
        with self.state.lock:
            order = self.state.data.orders.pop(number)
            self.state.touched("orders")
            self._count(order.customer_id, orders=-1, spent=-order.current_total)
            self.state.announce("orders/delete", {"id": number})

    # products

    def create_product(self, title: str, price: Decimal | str, **fields: Value) -> Product:
        with self.state.lock:
            now, number = self.state.now_text(), self.state.next_id()
            made = Product(
                id=number, title=title, handle=f"p-{number}", created_at=now, updated_at=now, published_at=now, **fields
            )
            variant = Variant(
                id=self.state.next_id(),
                product_id=number,
                title="Default Title",
                sku=str(number),
                price=money(price),
                created_at=now,
                updated_at=now,
            )
            made.variants.append(variant)
            self.state.data.products[number] = made
            self.state.variants[variant.id] = variant
            self._product_event("products/create", made)
            return made

    def update_product(self, number: int, **fields: Value) -> Product:
        with self.state.lock:
            row = self.state.data.products[number]
            for name, value in fields.items():
                setattr(row, name, value)
            row.updated_at = self.state.now_text()
            self._product_event("products/update", row)
            return row

    def delete_product(self, number: int) -> None:
        with self.state.lock:
            for variant in self.state.data.products.pop(number).variants:
                self.state.variants.pop(variant.id)
            self.state.touched("products")
            self.state.announce("products/delete", {"id": number})

    def _product_event(self, topic: str, row: Product) -> None:
        self.state.touched("products")
        self.state.announce(topic, payloads.product(row))

    # the installation

    def uninstall(self) -> None:
        """The tokens die at once; the platform still tells the app, and later asks it to forget the shop."""
        with self.state.lock:
            self.state.announce("app/uninstalled", self.shop_payload())
            self.state.installed = False
            self.state.tokens.clear()
            self.state.refresh_tokens.clear()
            self.state.subscriptions.clear()

    def redact_shop(self) -> None:
        self.state.announce("shop/redact", {"shop_id": self.state.number, "shop_domain": self.state.domain})

    def request_customer_data(self, number: int) -> None:
        self.state.announce("customers/data_request", self._privacy(number, "orders_requested"))

    def redact_customer(self, number: int) -> None:
        self.state.announce("customers/redact", self._privacy(number, "orders_to_redact"))

    def _privacy(self, number: int, orders: str) -> dict[str, Any]:
        row = self.state.data.customers.get(number)
        person = {"id": number, "email": row.email if row else None, "phone": row.phone if row else None}
        mine = [order.id for order in self.state.orders_of(number)]
        shop = {"shop_id": self.state.number, "shop_domain": self.state.domain}
        return {**shop, "customer": person, orders: mine}

    def revoke_tokens(self) -> None:
        """All access tokens stop working; the installation and the refresh token stay."""
        with self.state.lock:
            self.state.tokens.clear()
