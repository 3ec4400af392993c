"""`POST /touchpoints`: batches from the web pixel and from partner tools.

The pixel's key is public, so it may only write, only what a browser may claim, and only of the last day; a partner
token with `write_touchpoints` may tell everything. A batch is kept whole or refused whole.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from plugin.domain.instants import to_us
from plugin.domain.touchpoints import MOST_AT_ONCE, PARTNER, PIXEL, Teller, Touchpoint, TouchpointError, read_touchpoint
from plugin.errors import BadRequestError, ForbiddenError, UnauthenticatedError
from plugin.installations import INSTALLED
from plugin.ledger.touchpoints import KEY_PREFIX, shop_of_key
from plugin.lifecycle.impressions import NotHerOfferError, record_told
from plugin.partners import PREFIX, find_token
from plugin.shops import shop_by_id
from plugin.web.guard import charge
from plugin.web.limits import TOUCHPOINTS

LARGEST_BODY: Final = TOUCHPOINTS.body
WRITE_SCOPE: Final = "write_touchpoints"
# The pixel runs in a sandbox of no origin of its own. Nothing can be read here, and no cookie is looked at.
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
}


async def receive(request: Request) -> Response:
    """202 with how many were new; 400 naming each fault, 401, 403, 413. Bodies: `{"touchpoints": […]}`, with `key` in
    it where no header can be sent (`navigator.sendBeacon`)."""
    body = await _body(request)
    if body is None:
        return _refused(413, "TOO_LARGE", f"A batch may have {LARGEST_BODY} bytes; send it in parts.")
    given = _object(body)
    shop_id, teller = await _credential(request, given.pop("key", None))
    state = request.app.state
    shop = await shop_by_id(state.store.database, shop_id)
    if shop.status != INSTALLED:
        raise UnauthenticatedError("The shop of this key does not use Rebloom now.")
    told, faults = _read(given, teller, to_us(state.now()))
    if faults:
        return _unkept(faults)
    try:
        done = await record_told(state.store, shop, told, now=state.now())
    except NotHerOfferError as error:
        return _unkept(
            [{"index": index, "field": error.field, "message": said} for index, said in error.faults.items()]
        )
    if done.customers and done.recorded:
        await state.jobs.nudge("sweep", shop_id)
    return JSONResponse(
        {"recorded": done.recorded, "knownBefore": len(told) - done.recorded}, status_code=202, headers=_CORS
    )


async def preflight(_: Request) -> Response:
    return Response(status_code=204, headers=_CORS)


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST_BODY:
                return None
    except ClientDisconnect:
        raise BadRequestError("The request was cut off.") from None
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequestError("The body is not JSON in UTF-8.") from None
    if not isinstance(given, dict):
        raise BadRequestError('The body is not an object like {"touchpoints": [{"id": "…", "kind": "visit"}]}.')
    return given


async def _credential(request: Request, key: object) -> tuple[int, Teller]:
    """The shop of the credential and nothing else, and what is believed from it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip(" ") if scheme.lower() == "bearer" else key if isinstance(key, str) and not scheme else ""
    database = request.app.state.store.database
    if token.startswith(KEY_PREFIX):
        _pay(request, token)
        shop_id = await shop_of_key(database, token)
        if shop_id is not None:
            return shop_id, PIXEL
    elif token.startswith(PREFIX):
        grant = await find_token(request.app.state.store, token)
        if grant is not None:
            if WRITE_SCOPE not in grant.scopes:
                raise ForbiddenError(f"This token lacks the scope {WRITE_SCOPE}.")
            return grant.shop.id, PARTNER
    raise UnauthenticatedError("Send the shop's write key or a partner token as Authorization: Bearer.")


def _pay(request: Request, key: str) -> None:
    """The guard counts a key that comes in a header; this is for one in the body."""
    if "authorization" not in request.headers:
        charge(request, "write key", key, TOUCHPOINTS.credential)


def _read(given: dict[str, Any], teller: Teller, now: int) -> tuple[list[Touchpoint], list[dict[str, Any]]]:
    listed = given.get("touchpoints")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_AT_ONCE or len(given) > 1:
        raise BadRequestError(f"Send `touchpoints`, a list of 1 to {MOST_AT_ONCE}, and nothing else.")
    told, faults = [], []
    for index, each in enumerate(listed):
        try:
            told.append(read_touchpoint(each if isinstance(each, dict) else {}, teller, now=now))
        except TouchpointError as error:
            faults.append({"index": index, "field": error.field, "message": str(error)})
    return told, faults


def _unkept(faults: list[dict[str, Any]]) -> Response:
    return _refused(400, "INVALID_TOUCHPOINTS", "Nothing was kept; mend these and send the batch again.", faults)


def _refused(status: int, code: str, message: str, faults: list[dict[str, Any]] | None = None) -> Response:
    error: dict[str, Any] = {"code": code, "message": message}
    if faults:
        error["touchpoints"] = faults
    return JSONResponse({"error": error}, status_code=status, headers=_CORS)


routes = [
    Route("/touchpoints", receive, methods=["POST"]),
    Route("/touchpoints", preflight, methods=["OPTIONS"]),
]
