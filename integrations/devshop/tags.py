"""Tags as the live platform was recorded to keep them: split at commas, folded, sorted, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from integrations.devshop import payloads
from integrations.devshop.rows import Customer, Order, Product, gid, gid_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from integrations.devshop.shop import Call, ShopState

MOST_TAGS = 250
LONGEST_TAG = 255
MOST_INPUT = 250
TAG_TOPICS = ("customers/update", "customer.tags_added", "customer.tags_removed")
COLLECTIONS = {"Customer": "customers", "Order": "orders", "Product": "products"}
Payload = dict[str, Any]


def split_tags(given: Iterable[str]) -> list[str]:
    """One list element may hold several tags; outer blanks and empty entries go, the first spelling stays."""
    seen: dict[str, str] = {}
    for element in given:
        for part in element.split(","):
            if tag := part.strip():
                seen.setdefault(tag.casefold(), tag)
    return list(seen.values())


def tags_add(call: Call, args: dict[str, Any]) -> Payload:
    row, refusal = _target(call, args, "tagsAdd")
    if row is None:
        return refusal
    given = split_tags(args["tags"])
    if fault := _too_long(row, given):
        return {"node": None, "userErrors": [fault]}
    known = {tag.casefold() for tag in row.tags}
    fresh = [tag for tag in given if tag.casefold() not in known]
    if len(row.tags) + len(fresh) > MOST_TAGS:
        return {"node": None, "userErrors": [{"field": ["tags"], "message": f"Tags cannot be more than {MOST_TAGS}"}]}
    if fresh:
        set_tags(call.shop, row, [*row.tags, *(_shop_spelling(call.shop, row, tag) for tag in fresh)])
        if call.shop.echo_tag_writes:
            tell(call.shop, row, added=fresh)
    return {"node": row, "userErrors": []}


def tags_remove(call: Call, args: dict[str, Any]) -> Payload:
    row, refusal = _target(call, args, "tagsRemove")
    if row is None:
        return refusal
    # Recorded: in another letter case a customer's or product's tag is removed, an order's is not.
    fold = str if isinstance(row, Order) else str.casefold
    gone = {fold(tag) for tag in split_tags(args["tags"])}
    left = [tag for tag in row.tags if fold(tag) not in gone]
    if len(left) != len(row.tags):
        removed = [tag for tag in row.tags if tag not in left]
        set_tags(call.shop, row, left)
        if call.shop.echo_tag_writes:
            tell(call.shop, row, removed=removed)
    return {"node": row, "userErrors": []}


def set_tags(shop: ShopState, row: Customer | Order | Product, tags: list[str]) -> None:
    collection = COLLECTIONS[type(row).__name__]
    row.tags = sorted(tags, key=lambda tag: (tag.casefold(), tag))
    row.updated_at = shop.now_text()
    shop.touched(collection)
    if isinstance(row, Customer):
        for tag in row.tags:
            shop.spellings.setdefault(tag.casefold(), tag)


def tell(
    shop: ShopState, row: Customer | Order | Product, *, added: Iterable[str] = (), removed: Iterable[str] = ()
) -> None:
    """The webhooks of a customer's changed tags, whoever changed them."""
    if not isinstance(row, Customer) or not shop.listens(*TAG_TOPICS):
        return
    shop.announce("customers/update", payloads.customer(row, shop.currency))
    for topic, tags in (("customer.tags_added", list(added)), ("customer.tags_removed", list(removed))):
        if tags:
            body = {"customerId": gid("Customer", row.id), "tags": tags, "occurredAt": row.updated_at}
            shop.announce(topic, body)


def _shop_spelling(shop: ShopState, row: Customer | Order | Product, tag: str) -> str:
    """A customer's tag takes the spelling another customer of the shop already has."""
    return shop.spellings.get(tag.casefold(), tag) if isinstance(row, Customer) else tag


def _target(call: Call, args: dict[str, Any], name: str) -> tuple[Any, Payload]:
    if len(args["tags"]) > MOST_INPUT:
        message = f"The input array size of {len(args['tags'])} is greater than the maximum allowed of {MOST_INPUT}."
        raise GraphQLError(message, extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"})
    kind = args["id"].split("/")[3]
    collection = COLLECTIONS.get(kind)
    if collection is None:
        raise GraphQLError("invalid id", path=[name], extensions={"code": "RESOURCE_NOT_FOUND"})
    if not call.allows(frozenset({f"write_{collection}"})):
        text = f"`write_{collection}` access scope."
        message = f"Access denied for {name} field. Required access: {text}"
        raise GraphQLError(message, extensions={"code": "ACCESS_DENIED", "requiredAccess": text})
    row = getattr(call.shop.data, collection).get(gid_number(args["id"]))
    return row, {"node": None, "userErrors": [{"field": ["id"], "message": f"{kind} does not exist"}]}


def _too_long(row: Customer | Order | Product, given: list[str]) -> dict[str, Any] | None:
    if all(len(tag) <= LONGEST_TAG for tag in given):
        return None
    if isinstance(row, Product):
        return {"field": ["tags"], "message": "Product tags is invalid"}
    return {"field": ["tags"], "message": f"Tags is too long (maximum is {LONGEST_TAG} characters)"}
