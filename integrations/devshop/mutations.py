"""The mutation roots the dev shop answers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from graphql import GraphQLError

from integrations.devshop import bulk, offers
from integrations.devshop.rows import gid, gid_number
from integrations.devshop.tags import tags_add, tags_remove

if TYPE_CHECKING:
    from integrations.devshop.shop import Call

Payload = dict[str, Any]
MOST_METAFIELDS = 25
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def metafields_set(call: Call, args: dict[str, Any]) -> Payload:
    entries = args["metafields"]
    if len(entries) > MOST_METAFIELDS:
        message = f"Exceeded the maximum metafields input limit of {MOST_METAFIELDS}."
        too_many = {"field": ["metafields"], "message": message, "code": "LESS_THAN_OR_EQUAL_TO", "elementIndex": None}
        return {"metafields": [], "userErrors": [too_many]}
    faults = [fault for index, entry in enumerate(entries) if (fault := _metafield_fault(call, entry, index))]
    if faults:
        return {"metafields": [], "userErrors": faults}
    now, fields = call.shop.now_text(), call.shop.metafields
    return {
        "metafields": [fields.write(entry, number=call.shop.next_id(), now=now) for entry in entries],
        "userErrors": [],
    }


def _metafield_fault(call: Call, entry: dict[str, Any], index: int) -> dict[str, Any] | None:
    kind, number = entry["ownerId"].split("/")[3], gid_number(entry["ownerId"])
    rows: dict[str, Any] = {
        "Customer": call.shop.data.customers,
        "Order": call.shop.data.orders,
        "Product": call.shop.data.products,
        "ProductVariant": call.shop.variants,
        "Shop": {call.shop.number: call.shop},
        "AppInstallation": {call.shop.app.number: call.shop},
    }
    if number not in rows.get(kind, {}):
        where = ["metafields", str(index), "ownerId"]
        return {"field": where, "message": "Owner does not exist.", "code": "INVALID", "elementIndex": None}
    return call.shop.metafields.refusal(entry, index)


def metafields_delete(call: Call, args: dict[str, Any]) -> Payload:
    fields, gone = call.shop.metafields, []
    for entry in args["metafields"]:
        place = (entry["ownerId"], fields.resolve(entry["namespace"]), entry["key"])
        gone.append(entry if fields.rows.pop(place, None) else None)
    return {"deletedMetafields": gone, "userErrors": []}


def staged_uploads_create(call: Call, args: dict[str, Any]) -> Payload:
    targets = []
    for each in args["input"]:
        key = f"tmp/{call.shop.number}/bulk/{secrets.token_hex(16)}/{each['filename']}"
        url = f"{call.shop.base_url}/_staged"
        signing = {name: secrets.token_hex(8) for name in ("x-goog-credential", "x-goog-signature", "policy")}
        parameters = {
            "Content-Type": each["mimeType"],
            "success_action_status": "201",
            "acl": "private",
            "key": key,
            "x-goog-date": call.now.strftime("%Y%m%dT%H%M%SZ"),
            "x-goog-algorithm": "GOOG4-RSA-SHA256",
            **signing,
        }
        listed = [{"name": name, "value": value} for name, value in parameters.items()]
        targets.append({"url": url, "resourceUrl": f"{url}/{key}", "parameters": listed})
    return {"stagedTargets": targets, "userErrors": []}


def _webhook_fault(message: str) -> Payload:
    error = {"field": ["webhookSubscription", "callbackUrl"], "message": message}
    return {"webhookSubscription": None, "userErrors": [error]}


def webhook_create(call: Call, args: dict[str, Any]) -> Payload:
    given = args["webhookSubscription"]
    uri = str(given.get("uri") or given.get("callbackUrl") or "").strip()
    if fault := _address_fault(uri):
        return _webhook_fault(fault)
    same = (args["topic"], uri, given.get("format") or "JSON", given.get("filter"))
    for known in call.shop.subscriptions.values():
        if same == (known["topic"], known["uri"], known["format"], known["filter"]):
            return _webhook_fault("Address for this topic has already been taken")
    number, now = call.shop.next_id(), call.shop.now_text()
    subscription = {
        "__typename": "WebhookSubscription",
        "id": gid("WebhookSubscription", number),
        "legacyResourceId": str(number),
        "topic": args["topic"],
        "uri": uri,
        "callbackUrl": uri,
        "format": same[2],
        "filter": given.get("filter"),
        "includeFields": given.get("includeFields") or [],
        "name": given.get("name"),
        "apiVersion": {"handle": "2026-10", "displayName": "2026-10", "supported": True},
        "createdAt": now,
        "updatedAt": now,
    }
    call.shop.subscriptions[number] = subscription
    return {"webhookSubscription": subscription, "userErrors": []}


def _address_fault(uri: str) -> str | None:
    if not uri:
        return "Address can't be blank"
    parts = urlsplit(uri)
    if not parts.hostname:
        return "Address is invalid"
    # The platform refuses every http address; the app of the dev shop runs beside it, so loopback is let through.
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return "Address protocol http:// is not supported"
    if parts.hostname.endswith(("myshopify.com", "shopify.com")):
        return "Address cannot be a Shopify or an internal domain"
    return None


def webhook_delete(call: Call, args: dict[str, Any]) -> Payload:
    if call.shop.subscriptions.pop(gid_number(args["id"]), None) is None:
        fault = {"field": ["id"], "message": "Webhook subscription does not exist"}
        return {"deletedWebhookSubscriptionId": None, "userErrors": [fault]}
    return {"deletedWebhookSubscriptionId": args["id"], "userErrors": []}


def segment_create(call: Call, args: dict[str, Any]) -> Payload:
    number, now = call.shop.next_id(), call.shop.now_text()
    taken = {each["name"] for each in call.shop.segments.values()}
    name, suffix = args["name"].strip(), 2
    while name in taken:  # recorded: a taken name is changed, without an error
        name = f"{args['name'].strip()} ({suffix})"
        suffix += 1
    made = {
        "__typename": "Segment",
        "id": gid("Segment", number),
        "name": name,
        "query": args["query"],
        "creationDate": now,
        "lastEditDate": now,
    }
    call.shop.segments[number] = made
    return {"segment": made, "userErrors": []}


def segment_delete(call: Call, args: dict[str, Any]) -> Payload:
    if call.shop.segments.pop(gid_number(args["id"]), None) is None:
        return {"deletedSegmentId": None, "userErrors": [{"field": ["id"], "message": "Segment does not exist"}]}
    return {"deletedSegmentId": args["id"], "userErrors": []}


def needs_offline(handler: Callable[[Call, dict[str, Any]], Payload]) -> Callable[[Call, dict[str, Any]], Payload]:
    def checked(call: Call, args: dict[str, Any]) -> Payload:
        if call.online:
            raise GraphQLError("Access denied", extensions={"code": "ACCESS_DENIED"})
        return handler(call, args)

    return checked


MUTATIONS: dict[str, Callable[[Call, dict[str, Any]], Payload]] = {
    "tagsAdd": tags_add,
    "tagsRemove": tags_remove,
    "metafieldsSet": metafields_set,
    "metafieldsDelete": metafields_delete,
    "stagedUploadsCreate": staged_uploads_create,
    "bulkOperationRunQuery": needs_offline(bulk.run_query),
    "bulkOperationRunMutation": needs_offline(bulk.run_mutation),
    "bulkOperationCancel": bulk.cancel,
    "webhookSubscriptionCreate": webhook_create,
    "webhookSubscriptionDelete": webhook_delete,
    "segmentCreate": segment_create,
    "segmentDelete": segment_delete,
    "discountCodeBasicCreate": offers.create,
    "discountRedeemCodeBulkAdd": offers.bulk_add,
    "discountCodeBasicUpdate": offers.update,
    "discountCodeActivate": offers.set_active(active=True),
    "discountCodeDeactivate": offers.set_active(active=False),
    "discountCodeDelete": offers.delete,
}
