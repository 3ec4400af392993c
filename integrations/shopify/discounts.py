"""Discount codes in the shop: several changes in one aliased document, and what the shop says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from integrations.shopify.protocol import Call, Reply, clip, user_errors
from plugin.domain.ids import gid, parse_gid
from plugin.errors import ShopRefusedError, ShopUnavailableError
from plugin.ports import BulkLine, DiscountChange, DiscountResult, DiscountSpec, FoundDiscount

_POINTS: Final = 11.0  # of one mutation with the node it gives back
_KIND: Final = "DiscountCodeNode"
_INPUT: Final = "$input{place}: DiscountCodeBasicInput!"
_ID: Final = "$id{place}: ID!"
_SAID: Final = "userErrors { field message code }"
_NODE: Final = f"{{ codeDiscountNode {{ id }} {_SAID} }}"
# By kind: the root, its arguments, what is selected.
_ROOTS: Final = {
    "create": ("discountCodeBasicCreate", "basicCodeDiscount: $input{place}", (_INPUT,), _NODE),
    "update": ("discountCodeBasicUpdate", "id: $id{place}, basicCodeDiscount: $input{place}", (_ID, _INPUT), _NODE),
    "deactivate": ("discountCodeDeactivate", "id: $id{place}", (_ID,), _NODE),
    "delete": ("discountCodeDelete", "id: $id{place}", (_ID,), f"{{ deletedCodeDiscountId {_SAID} }}"),
}


CREATE: Final = f"""mutation CreateDiscounts($basicCodeDiscount: DiscountCodeBasicInput!) {{
  discountCodeBasicCreate(basicCodeDiscount: $basicCodeDiscount) {_NODE}
}}"""


def changes_call(changes: Sequence[DiscountChange]) -> Call:
    """One mutation for all; its roots run in order. It is not repeated blindly: a creation may have been done."""
    heads: list[str] = []
    fields: list[str] = []
    variables: dict[str, Any] = {}
    for place, change in enumerate(changes):
        root, arguments, declared, selected = _ROOTS[change.kind]
        heads += [each.format(place=place) for each in declared]
        fields.append(f"change{place}: {root}({arguments.format(place=place)}) {selected}")
        if change.discount_id is not None:
            variables[f"id{place}"] = gid(_KIND, change.discount_id)
        if change.spec is not None:
            variables[f"input{place}"] = discount_input(change.spec)
    text = f"mutation Discounts({', '.join(heads)}) {{ {' '.join(fields)} }}"
    name = f"Discounts{len(changes)}"
    return Call(name=name, document=text, variables=variables, points=_POINTS * len(changes), repeatable=False)


def change_result(reply: Reply, place: int, change: DiscountChange) -> DiscountResult:
    """Raises ShopAccessError when it is about our access, ShopUnavailableError where the shop failed inside."""
    try:
        payload = reply.field(f"change{place}")
    except ShopRefusedError as refusal:
        return DiscountResult(discount_id=None, error=str(refusal))
    if not isinstance(payload, dict):
        raise ShopUnavailableError("The shop's answer lacks a change of a discount; it will be tried again.")
    return _result(payload, change.discount_id)


def created_in_bulk(line: BulkLine) -> DiscountResult:
    payload = line.data.get("discountCodeBasicCreate")
    if isinstance(payload, dict):
        return _result(payload, None)
    return DiscountResult(discount_id=None, error="; ".join(line.errors) or "The shop gave no discount back.")


def _result(payload: Mapping[str, Any], known: int | None) -> DiscountResult:
    said = user_errors(payload)
    if said:
        errors = [error for error in payload.get("userErrors") or () if isinstance(error, dict)]
        taken = any(error.get("code") == "TAKEN" for error in errors)
        gone = any(str(error.get("message", "")).rstrip(".").endswith("does not exist") for error in errors)
        return DiscountResult(discount_id=None, error="; ".join(said), taken=taken, gone=gone)
    node = payload.get("codeDiscountNode")
    number = parse_gid(node["id"], _KIND) if isinstance(node, dict) else known
    return DiscountResult(discount_id=number, error=None)


def found_discount(node: object) -> FoundDiscount | None:
    """What `codeDiscountNodeByCode` gave. A discount of another kind than ours has no title here."""
    if not isinstance(node, dict):
        return None
    basic: Mapping[str, Any] = node.get("codeDiscount") or {}
    context: Mapping[str, Any] = basic.get("context") or {}
    customers = context.get("customers") or ()
    return FoundDiscount(
        discount_id=parse_gid(node["id"], _KIND),
        title=clip(str(basic.get("title") or "")),
        customer_ids=frozenset(parse_gid(each["id"], "Customer") for each in customers),
    )


def discount_input(discount: DiscountSpec) -> dict[str, Any]:
    """`DiscountCodeBasicInput`; exactly one of percentage and amount."""
    if discount.percentage is not None and discount.amount is None:
        value: dict[str, Any] = {"percentage": float(discount.percentage)}
    elif discount.amount is not None and discount.percentage is None:
        value = {"discountAmount": {"amount": str(discount.amount), "appliesOnEachItem": False}}
    else:
        raise ValueError("a discount has either a percentage or an amount")
    customers = [gid("Customer", customer) for customer in discount.customer_ids]
    buyers: dict[str, Any] = {"customers": {"add": customers}} if customers else {"all": "ALL"}
    return {
        "title": discount.title,
        "code": discount.code,
        "startsAt": discount.starts_at.isoformat(),
        "endsAt": discount.ends_at.isoformat() if discount.ends_at else None,
        "context": buyers,
        "customerGets": {"value": value, "items": {"all": True}},
        "appliesOncePerCustomer": True,
    }
