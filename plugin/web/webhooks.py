"""`POST /webhooks`: verified over the raw bytes, stored, and only then answered 2xx. No token is needed for that.

https://shopify.dev/docs/apps/build/webhooks/verify-deliveries: five seconds in all, anything but 2xx comes again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from integrations.shopify.oauth import check_shop
from integrations.shopify.signatures import check_webhook
from plugin.domain.instants import parse_instant, to_us
from plugin.errors import BadRequestError, NotFoundError, RebloomError, UnauthenticatedError
from plugin.ledger.inbox import Delivery, record_delivery
from plugin.ledger.trouble import come_again
from plugin.log import request_id
from plugin.shops import shop_by_domain
from plugin.web.guard import retry_after

LARGEST_BODY: Final = 16 * 2**20
_STORING: Final = 4.0  # seconds: the sender waits five
_NUDGING: Final = 0.5
_AGAIN: Final = 5.0  # seconds, where nothing better is known
_log = structlog.get_logger(__name__)


async def receive(request: Request) -> Response:
    """200 stored (now or before), 400 unreadable headers, 401 not signed, 413 too large, 503 could not be stored."""
    state = request.app.state
    try:
        body = await _body(request)
        if body is None:
            return _answer(413, "TOO_LARGE", f"A delivery may have {LARGEST_BODY} bytes.")
        check_webhook(body, request.headers.get("x-shopify-hmac-sha256"), state.settings.api_secrets)
        delivery = _delivery(request, body, to_us(state.now()))
        structlog.contextvars.bind_contextvars(
            webhook_id=delivery.webhook_id, topic=delivery.topic, shop=delivery.domain
        )
        async with asyncio.timeout(_STORING):
            is_new = await record_delivery(state.store, delivery, beside=partial(state.jobs.riding, "inbox"))
    except ClientDisconnect:
        return Response(status_code=400)
    except UnauthenticatedError as error:
        return _answer(401, error.code, str(error))
    except BadRequestError as error:
        return _answer(400, error.code, str(error))
    except Exception as error:  # noqa: BLE001 - whatever kept us from storing it, it must come again
        _log.error("delivery not stored", error=type(error).__name__)  # no traceback: it could hold the body
        headers = {"Retry-After": retry_after(come_again(error) or _AGAIN)}
        return _answer(503, "UNAVAILABLE", "The delivery could not be stored; send it again.", headers)
    if is_new:
        await _nudge(request, delivery)
    return Response(status_code=200)


async def _body(request: Request) -> bytes | None:
    """The raw bytes; None when there are more than LARGEST_BODY."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST_BODY:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _delivery(request: Request, body: bytes, received_at: int) -> Delivery:
    headers = request.headers
    topic, webhook_id = headers.get("x-shopify-topic", ""), headers.get("x-shopify-webhook-id", "")
    if not topic or not webhook_id:
        raise BadRequestError("A delivery needs X-Shopify-Topic and X-Shopify-Webhook-Id.")
    return Delivery(
        webhook_id=webhook_id,
        event_id=headers.get("x-shopify-event-id"),
        domain=check_shop(headers.get("x-shopify-shop-domain", "")),
        topic=topic,
        body=body,
        triggered_at=_triggered(headers.get("x-shopify-triggered-at")),
        received_at=received_at,
    )


def _triggered(text: str | None) -> int | None:
    """An instant that cannot be read is none: the delivery then counts from when it arrived."""
    try:
        return parse_instant(text) if text else None
    except (ValueError, OverflowError):
        return None


async def _nudge(request: Request, delivery: Delivery) -> None:
    """Wake the worker, unless the job came with the row. The row is the truth: when this fails, the next minute finds
    it."""
    try:
        async with asyncio.timeout(_NUDGING):
            shop = await shop_by_domain(request.app.state.store.database, delivery.domain)
            await request.app.state.jobs.nudge("inbox", shop.id)
    except NotFoundError:
        return
    except Exception as error:  # noqa: BLE001 - the delivery is stored, so the answer stays 200
        kind = error.code if isinstance(error, RebloomError) else type(error).__name__
        _log.warning("worker not nudged", topic=delivery.topic, error=kind)


def _answer(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(
        {"error": {"code": code, "message": message, "requestId": request_id()}}, status_code=status, headers=headers
    )


routes = [Route("/webhooks", receive, methods=["POST"])]
