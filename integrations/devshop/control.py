"""`/_dev/…`: the merchant's hand over HTTP, for the demo and for tests in other processes.

Local use only, like the whole dev shop: nothing here asks who is calling.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from integrations.devshop.faults import Fault, WebhookFault
from integrations.devshop.outbox import summary
from integrations.devshop.rows import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from integrations.devshop.merchant import DevShop

Action = dict[str, Any]


def _place(shop: DevShop, body: Action) -> Value:
    items = [(int(item["variant"]), int(item.get("quantity", 1))) for item in body.pop("items")]
    return shop.place_order(body.pop("customer", None), items, **body)


def _checkout(shop: DevShop, body: Action) -> Value:
    items = [(int(item["variant"]), int(item.get("quantity", 1))) for item in body["items"]]
    return shop.begin_checkout(body.get("customer"), items)


def _refund(shop: DevShop, body: Action) -> Value:
    lines = [(int(line["line"]), int(line["quantity"])) for line in body.pop("lines", ())]
    return shop.refund_order(body.pop("order"), lines=lines, **body)


ACTIONS: dict[str, Callable[[DevShop, Action], Any]] = {
    "order": _place,
    "order/update": lambda shop, body: shop.update_order(body.pop("order"), **body),
    "order/cancel": lambda shop, body: shop.cancel_order(body.pop("order"), **body),
    "order/refund": _refund,
    "order/delete": lambda shop, body: shop.delete_order(body["order"]),
    "customer": lambda shop, body: shop.create_customer(**body),
    "customer/update": lambda shop, body: shop.update_customer(body.pop("customer"), **body),
    "customer/delete": lambda shop, body: shop.delete_customer(body["customer"]),
    "customer/merge": lambda shop, body: shop.merge_customers(body["kept"], body["gone"]),
    "customer/tags": lambda shop, body: shop.edit_tags(body.pop("customer"), **body),
    "customer/account": lambda shop, body: shop.enable_account(body["customer"], enabled=body.get("enabled", True)),
    "customer/email-consent": lambda shop, body: shop.set_email_consent(body["customer"], body["state"]),
    "customer/sms-consent": lambda shop, body: shop.set_sms_consent(body["customer"], body["state"]),
    "checkout": _checkout,
    "checkout/update": lambda shop, body: shop.update_checkout(body.pop("checkout"), **body),
    "checkout/delete": lambda shop, body: shop.delete_checkout(body["checkout"]),
    "order/edit": lambda shop, body: shop.edit_order(body["order"], body["line"], body["quantity"]),
    "shop/update": lambda shop, body: shop.update_shop(**body),
    "scopes": lambda shop, body: shop.change_scopes(body["scopes"]),
    "customer/redact": lambda shop, body: shop.redact_customer(body["customer"]),
    "customer/data-request": lambda shop, body: shop.request_customer_data(body["customer"]),
    "product": lambda shop, body: shop.create_product(**body),
    "product/update": lambda shop, body: shop.update_product(body.pop("product"), **body),
    "product/delete": lambda shop, body: shop.delete_product(body["product"]),
    "uninstall": lambda shop, _body: shop.uninstall(),
    "redact": lambda shop, _body: shop.redact_shop(),
    "revoke": lambda shop, _body: shop.revoke_tokens(),
    "advance": lambda shop, body: shop.advance(timedelta(seconds=float(body["seconds"]))),
    "session-token": lambda shop, body: {"id_token": shop.session_token(**body)},
}


def _shop(request: Request) -> DevShop:
    found = request.app.state.devshops.shops.get(request.path_params["shop"])
    if found is None:
        raise HTTPException(404, "no such shop")
    shop: DevShop = found
    return shop


async def act(request: Request) -> Response:
    shop, name = _shop(request), request.path_params["action"]
    action = ACTIONS.get(name)
    if action is None:
        return JSONResponse({"error": f"no action {name}", "actions": sorted(ACTIONS)}, 404)
    try:
        made = action(shop, orjson.loads(await request.body() or b"{}"))
    except (KeyError, ValueError, TypeError, StopIteration) as wrong:
        return JSONResponse({"error": f"{type(wrong).__name__}: {wrong}"}, 400)
    return Response(msgspec.json.encode(made), media_type="application/json")


async def stats(request: Request) -> Response:
    state = _shop(request).state
    body = {
        "installed": state.installed,
        "customers": len(state.data.customers),
        "orders": len(state.data.orders),
        "products": len(state.data.products),
        "lines": sum(len(order.lines) for order in state.data.orders.values()),
        "writes": dict(state.writes),
        "requests": dict(state.requests),
        "subscriptions": len(state.subscriptions),
        "metafields": len(state.metafields.rows),
        "webhooks": summary(request.app.state.devshops.sender.results),
        "now": state.now_text(),
    }
    return JSONResponse(body)


async def faults(request: Request) -> Response:
    """POST `{"requests": [Fault…], "webhooks": [WebhookFault…]}` adds rules; DELETE takes all away."""
    known = request.app.state.devshops.faults
    if request.method == "DELETE":
        known.clear()
        return JSONResponse({"rules": 0})
    body = orjson.loads(await request.body())
    try:
        known.add(*(Fault(**rule) for rule in body.get("requests", ())))
        known.webhooks.extend(WebhookFault(**rule) for rule in body.get("webhooks", ()))
    except TypeError as wrong:
        return JSONResponse({"error": str(wrong)}, 400)
    return JSONResponse({"rules": len(known.rules) + len(known.webhooks)})


ROUTES = [
    Route("/faults", faults, methods=["POST", "DELETE"]),
    Route("/{shop}/stats", stats, methods=["GET"]),
    Route("/{shop}/{action:path}", act, methods=["POST"]),
]
