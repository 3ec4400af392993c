"""The platform's own paths under a shop: OAuth, Admin GraphQL, staged uploads, result files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from integrations.devshop import oauth
from integrations.devshop.execute import Request as GraphQLRequest
from integrations.devshop.execute import answer
from integrations.devshop.shop import Call

if TYPE_CHECKING:
    from starlette.requests import Request

    from integrations.devshop.shop import ShopState, Token

UNAUTHORIZED = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
STAGED_ANSWER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>{location}</Location>'
    "<Bucket>devshop</Bucket><Key>{key}</Key></PostResponse>"
)


def shop_of(request: Request) -> ShopState:
    found = request.app.state.devshops.shops.get(request.path_params["shop"])
    if found is None:
        raise HTTPException(404, "Not Found")
    state: ShopState = found.state
    return state


async def authorize(request: Request) -> Response:
    return oauth.authorize(shop_of(request), request)


async def access_token(request: Request) -> Response:
    return await oauth.access_token(shop_of(request), request)


async def graphql(request: Request) -> Response:
    shop = shop_of(request)
    headers = {"X-Request-Id": str(uuid4()), "X-Shopify-API-Version": request.path_params["version"]}
    shop.requests["graphql"] += 1
    token = oauth.holder(shop, request.headers.get("x-shopify-access-token"))
    if token is None:
        return JSONResponse(UNAUTHORIZED, 401, headers)
    try:
        asked = _asked(await request.body())
    except (KeyError, ValueError) as wrong:
        return JSONResponse({"errors": {"query": str(wrong)}}, 400, headers)
    body = await run_in_threadpool(_answer, shop, token, asked)
    # The platform's own content type; orjson instead of json for pages of thousands of rows.
    return Response(orjson.dumps(body), 200, headers, "application/json; charset=utf-8")


def _asked(raw: bytes) -> GraphQLRequest:
    body = orjson.loads(raw)
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise KeyError("Required parameter missing or invalid")
    return GraphQLRequest(body["query"], body.get("variables") or {}, body.get("operationName"))


def _answer(shop: ShopState, token: Token, asked: GraphQLRequest) -> dict[str, Any]:
    with shop.lock:
        call = Call(shop, token.scopes, shop.now(), online=token.online)
        return answer(call, asked)


async def staged_upload(request: Request) -> Response:
    shop = shop_of(request)
    async with request.form() as form:
        key, upload = form.get("key"), form.get("file")
        if not isinstance(key, str) or upload is None or list(form)[-1] != "file":
            return PlainTextResponse("<Error><Code>InvalidArgument</Code></Error>", 400, media_type="application/xml")
        content = upload.encode() if isinstance(upload, str) else await upload.read()
    path = shop.files / f"staged-{uuid4().hex}.jsonl"
    path.write_bytes(content)
    shop.staged[key] = path
    location = f"{shop.base_url}/_staged/{quote(key)}"
    return Response(STAGED_ANSWER.format(location=location, key=key), 201, media_type="application/xml")


async def result_file(request: Request) -> Response:
    shop, name = shop_of(request), request.path_params["name"]
    query = request.query_params
    expires = query.get("Expires", "")
    if not expires.isdigit() or not shop.file_allowed(name, expires, query.get("Signature", "")):
        return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
    return FileResponse(shop.files / name, media_type="application/jsonl")


ROUTES = [
    Route("/admin/oauth/authorize", authorize, methods=["GET"]),
    Route("/admin/oauth/access_token", access_token, methods=["POST"]),
    Route("/admin/api/{version}/graphql.json", graphql, methods=["POST"]),
    Route("/_staged", staged_upload, methods=["POST"]),
    Route("/_files/{name}", result_file, methods=["GET"]),
]
