"""`ShopGateway` over the Admin API: which document answers which question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Final

from integrations.shopify import imports
from integrations.shopify.client import AdminClient, download
from integrations.shopify.discounts import (
    CREATE,
    change_result,
    changes_call,
    created_in_bulk,
    discount_input,
    found_discount,
)
from integrations.shopify.protocol import Call, Json, Reply, payload_of, user_errors
from integrations.shopify.queries import document
from plugin.domain.facts import ShopFact
from plugin.domain.ids import parse_gid
from plugin.errors import BadStatementError, ShopRefusedError, ShopUnavailableError
from plugin.ports import (
    DISCOUNT_BATCH,
    METAFIELD_BATCH,
    TAG_BATCH,
    BulkLine,
    BulkStatus,
    DiscountChange,
    DiscountResult,
    DiscountSpec,
    FoundDiscount,
    MetafieldError,
    MetafieldName,
    MetafieldWrite,
    Node,
    Page,
    Subscription,
    TagChange,
    TagResult,
)

_CUSTOMERS, _ORDERS, _PRODUCTS = 250, 50, 100  # a page; under 400 points each by the recorded formula
_CHECKOUTS: Final = 250
_CHILDREN: Final = 50  # lines or variants beside each node of a page
_MORE_CHILDREN: Final = 250
_OVERLAP: Final = timedelta(days=1)


class ShopifyGateway:
    """One shop, as `plugin.ports.ShopGateway` describes it."""

    def __init__(self, client: AdminClient) -> None:
        self._client = client

    async def shop_info(self) -> ShopFact:
        reply = await self._ask("ShopInfo")
        shop = _object(reply.field("shop"), "shop")
        try:
            return ShopFact(
                platform_id=parse_gid(shop["id"], "Shop"),
                domain=shop["myshopifyDomain"],
                name=shop["name"],
                currency=shop["currencyCode"],
                timezone=shop["ianaTimezone"],
                primary_host=shop["primaryDomain"]["host"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadStatementError(f"The shop's statement of itself cannot be read: {error}") from None

    async def granted_scopes(self) -> frozenset[str]:
        reply = await self._ask("GrantedScopes")
        installation = _object(reply.field("currentAppInstallation"), "currentAppInstallation")
        return frozenset(scope["handle"] for scope in installation["accessScopes"])

    async def start_bulk_query(self, document: str) -> str:
        reply = await self._ask("BulkExport", {"query": document}, repeatable=False)
        return imports.started(reply, "bulkOperationRunQuery")

    async def bulk_status(self, operation: str) -> BulkStatus:
        reply = await self._ask("BulkStatus", {"id": operation}, points=1)
        found = reply.field("bulkOperation")
        if not isinstance(found, dict):
            raise ShopRefusedError("The shop knows no bulk operation by that id.")
        return imports.bulk_status(found)

    def open_download(self, url: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return download(self._client.http, url, loopback=self._client.loopback)

    async def customers_page(self, updated_since: datetime | None, after: str | None) -> Page:
        variables = {"first": _CUSTOMERS, "after": after, "query": _since(updated_since)}
        return _page(await self._ask("CustomersPage", variables, points=100), "customers")

    async def orders_page(self, updated_since: datetime | None, after: str | None) -> Page:
        variables = {"first": _ORDERS, "after": after, "query": _since(updated_since), "lines": _CHILDREN}
        page = _page(await self._ask("OrdersPage", variables, points=250), "orders")
        return Page(nodes=tuple([await self._whole_order(node) for node in page.nodes]), after=page.after)

    async def products_page(self, updated_since: datetime | None, after: str | None) -> Page:
        variables = {"first": _PRODUCTS, "after": after, "query": _since(updated_since), "variants": _CHILDREN}
        page = _page(await self._ask("ProductsPage", variables, points=250), "products")
        return Page(nodes=tuple([await self._whole_product(node) for node in page.nodes]), after=page.after)

    async def checkouts_page(self, updated_since: datetime | None, after: str | None) -> Page:
        variables = {"first": _CHECKOUTS, "after": after, "query": _since(updated_since), "lines": _CHILDREN}
        return _page(await self._ask("CheckoutsPage", variables, points=130), "abandonedCheckouts")

    async def node_customer(self, gid: str) -> Node | None:
        return _node(await self._ask("CustomerById", {"id": gid}), "customer")

    async def node_order(self, gid: str) -> Node | None:
        node = _node(await self._ask("OrderById", {"id": gid, "lines": _MORE_CHILDREN}, points=50), "order")
        return None if node is None else await self._whole_order(node)

    async def node_product(self, gid: str) -> Node | None:
        node = _node(await self._ask("ProductById", {"id": gid, "variants": _MORE_CHILDREN}, points=50), "product")
        return None if node is None else await self._whole_product(node)

    async def swap_tags(self, items: Sequence[TagChange]) -> list[TagResult]:
        if len(items) > TAG_BATCH:
            raise ValueError(f"at most {TAG_BATCH} customers in one request, not {len(items)}")
        call = imports.swap_call(items)
        if call is None:
            return [TagResult(customer_id=item.customer_id, error=None) for item in items]
        reply = await self._client.run(call)
        return [
            TagResult(customer_id=item.customer_id, error=imports.swap_error(reply, place))
            for place, item in enumerate(items)
        ]

    def wait_for(self, points: float) -> float:
        return self._client.wait_for(points)

    def calls_at_once(self, points: float) -> int:
        return self._client.calls_at_once(points)

    async def start_bulk_mutation(
        self, document: str, lines: AsyncIterator[bytes] | Sequence[Mapping[str, Any]]
    ) -> str:
        return await imports.start_bulk_mutation(self._client, document, lines)

    def bulk_answers(self, operation: str) -> AsyncIterator[BulkLine]:
        return imports.bulk_answers(self, self._client, operation)

    async def set_metafields(self, items: Sequence[MetafieldWrite]) -> list[MetafieldError]:
        if len(items) > METAFIELD_BATCH:
            raise ValueError(f"at most {METAFIELD_BATCH} metafields in one request, not {len(items)}")
        inputs = [
            {
                "ownerId": item.owner,
                "namespace": item.namespace,
                "key": item.key,
                "type": item.type,
                "value": item.value,
            }
            for item in items
        ]
        reply = await self._ask("SetMetafields", {"metafields": inputs}, points=25)
        payload = _object(reply.field("metafieldsSet"), "metafieldsSet")
        return [imports.metafield_error(error) for error in payload.get("userErrors") or ()]

    async def delete_metafields(self, items: Sequence[MetafieldName]) -> None:
        if len(items) > METAFIELD_BATCH:
            raise ValueError(f"at most {METAFIELD_BATCH} metafields in one request, not {len(items)}")
        named = [{"ownerId": item.owner, "namespace": item.namespace, "key": item.key} for item in items]
        payload_of(await self._ask("DeleteMetafields", {"metafields": named}), "metafieldsDelete")

    async def subscriptions(self) -> list[Subscription]:
        found: list[Subscription] = []
        after: str | None = None
        while True:
            reply = await self._ask("Subscriptions", {"first": _MORE_CHILDREN, "after": after}, points=20)
            page = _object(reply.field("webhookSubscriptions"), "webhookSubscriptions")
            found += [Subscription(gid=node["id"], topic=node["topic"], uri=node["uri"]) for node in page["nodes"]]
            after = _next(page)
            if after is None:
                return found

    async def unsubscribe(self, gid: str) -> None:
        reply = await self._ask("Unsubscribe", {"id": gid})
        refused = user_errors(reply.field("webhookSubscriptionDelete"))
        if refused and not all("does not exist" in message for message in refused):
            raise ShopRefusedError(f"The shop refused to end a subscription: {'; '.join(refused)}")

    async def subscribe(self, topic: str, uri: str) -> None:
        reply = await self._ask("Subscribe", {"topic": topic, "uri": uri})
        refused = user_errors(reply.field("webhookSubscriptionCreate"))
        if refused and not all("already been taken" in message for message in refused):
            raise ShopRefusedError(f"The shop refused to send {topic} to {uri}: {'; '.join(refused)}")

    async def change_discounts(self, changes: Sequence[DiscountChange]) -> list[DiscountResult]:
        if len(changes) > DISCOUNT_BATCH:
            raise ValueError(f"at most {DISCOUNT_BATCH} discounts in one request, not {len(changes)}")
        reply = await self._client.run(changes_call(changes))
        return [change_result(reply, place, change) for place, change in enumerate(changes)]

    async def create_discounts(self, specs: Sequence[DiscountSpec]) -> AsyncIterator[tuple[int, DiscountResult]]:
        lines = [{"basicCodeDiscount": discount_input(spec)} for spec in specs]
        operation = await self.start_bulk_mutation(CREATE, lines)
        async for line in self.bulk_answers(operation):
            if 0 <= line.line < len(lines):
                yield line.line, created_in_bulk(line)

    async def discount_by_code(self, code: str) -> FoundDiscount | None:
        reply = await self._ask("DiscountByCode", {"code": code})
        return found_discount(reply.field("codeDiscountNodeByCode"))

    async def _ask(
        self, name: str, variables: Json | None = None, *, points: float = 10, repeatable: bool = True
    ) -> Reply:
        return await self._client.run(
            Call(name=name, document=document(name), variables=variables or {}, points=points, repeatable=repeatable)
        )

    async def _whole_order(self, node: Node) -> Node:
        return await self._with_rest(node, "lineItems", "OrderLines", "order")

    async def _whole_product(self, node: Node) -> Node:
        return await self._with_rest(node, "variants", "ProductVariants", "product")

    async def _with_rest(self, node: Node, field: str, name: str, root: str) -> Node:
        """`node` with all its children, whatever the page beside it held."""
        children = _object(node.get(field), field)
        nodes, after = list(children["nodes"]), _next(children)
        while after is not None:
            reply = await self._ask(name, {"id": node["id"], "first": _MORE_CHILDREN, "after": after}, points=30)
            parent = reply.field(root)
            if not isinstance(parent, dict):  # deleted while we read it; its deletion comes as a fact of its own
                break
            more = _object(parent.get(field), field)
            nodes += more["nodes"]
            after = _next(more)
        return {**node, field: {"nodes": nodes}}


def _since(instant: datetime | None) -> str | None:
    """The platform matches whole days, in a zone its pages do not name: one day of overlap."""
    return None if instant is None else f"updated_at:>={(instant - _OVERLAP).date().isoformat()}"


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ShopUnavailableError(f"The shop's answer lacks {name}; it will be tried again.")
    return value


def _node(reply: Reply, name: str) -> Node | None:
    value = reply.field(name)
    return value if isinstance(value, dict) else None


def _page(reply: Reply, name: str) -> Page:
    connection = _object(reply.field(name), name)
    return Page(nodes=tuple(node for node in connection["nodes"] if node is not None), after=_next(connection))


def _next(connection: Mapping[str, Any]) -> str | None:
    info = connection["pageInfo"]
    return info["endCursor"] if info["hasNextPage"] else None
