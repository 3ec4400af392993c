"""Reading a GraphQL request: a body reader that answers whatever comes, never with a 500.

https://graphql.github.io/graphql-over-http/draft/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect, Request

from plugin.errors import BadRequestError

LARGEST_BODY: Final = 1_000_000  # bytes
_JSON: Final = "application/json"
_KEYS: Final = (b"query", b"documentId", b"variables", b"operationName", b"extensions")
GRAPHQL_JSON: Final = "application/graphql-response+json"


class RequestRefusedError(BadRequestError):
    """Not a GraphQL request: `status` is HTTP's, `headers` go with it."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphQLRequest:
    """`query` is empty where the document is named by its id."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    document_id: str | None = None


async def read_request(request: Request) -> GraphQLRequest:
    """Raises RequestRefusedError with what is wrong and what to send."""
    if request.method == "GET":
        return _of_parameters(request)
    content_type, _, rest = request.headers.get("content-type", "").partition(";")
    if content_type.strip().lower() != _JSON:
        raise RequestRefusedError(415, "UNSUPPORTED_MEDIA_TYPE", f"Send the request as Content-Type: {_JSON}.")
    charset = rest.lower().replace(" ", "").partition("charset=")[2].partition(";")[0].strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise RequestRefusedError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestRefusedError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request without compression.")
    return _of_json(await _body(request))


async def _body(request: Request) -> bytes:
    """The body, read no further than the limit."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise RequestRefusedError(
                    413, "BODY_TOO_LARGE", f"A request has at most {LARGEST_BODY:,} bytes.", {"Connection": "close"}
                )
    except ClientDisconnect:
        raise RequestRefusedError(400, "BAD_REQUEST", "The request was cut off.") from None
    return bytes(body)


def _of_json(body: bytes) -> GraphQLRequest:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RequestRefusedError(400, "BAD_REQUEST", "The body is not JSON in UTF-8.") from None
    if isinstance(value, list):
        raise RequestRefusedError(400, "BAD_REQUEST", "Batches are not taken: send one request at a time.")
    if not isinstance(value, dict):
        raise RequestRefusedError(
            400, "BAD_REQUEST", 'The body is not a JSON object like {"query": "{ shop { name } }"}.'
        )
    _refuse_doubled_keys(body)
    return checked_request(value)


def _refuse_doubled_keys(body: bytes) -> None:
    """Which of two `query` keys counts differs between readers, so that a guard and we could disagree."""
    once = all(body.count(b'"' + name + b'"') <= 1 for name in _KEYS)
    if once and b"\\u" not in body:  # an escape may spell a key
        return
    try:
        json.loads(body, object_pairs_hook=_once_each)
    except RecursionError:
        raise RequestRefusedError(400, "BAD_REQUEST", "The body is nested too deep.") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RequestRefusedError(400, "BAD_REQUEST", "The body names a key twice.")
    return found


def _of_parameters(request: Request) -> GraphQLRequest:
    given: dict[str, Any] = {}
    for name in ("query", "documentId", "operationName", "variables", "extensions"):
        values = request.query_params.getlist(name)
        if len(values) > 1:
            raise RequestRefusedError(400, "BAD_REQUEST", f"The address names {name} twice.")
        if values:
            given[name] = values[0]
    for name in ("variables", "extensions"):
        if name in given:
            try:
                given[name] = orjson.loads(given[name]) if given[name] else None
            except orjson.JSONDecodeError:
                raise RequestRefusedError(400, "BAD_REQUEST", f"{name} is not JSON.") from None
    return checked_request(given)


def checked_request(given: Mapping[str, Any]) -> GraphQLRequest:
    """Raises RequestRefusedError for members that are not what they should be."""
    query, identifier, variables = given.get("query"), given.get("documentId"), given.get("variables")
    name, extensions = given.get("operationName"), given.get("extensions")
    if identifier is not None:
        if query is not None:
            raise RequestRefusedError(400, "BAD_REQUEST", "Send `query` or `documentId`, not both.")
        if not isinstance(identifier, str):
            raise RequestRefusedError(400, "BAD_REQUEST", "`documentId` must be a text.")
    elif not isinstance(query, str) or not query.strip():
        raise RequestRefusedError(400, "BAD_REQUEST", "`query` must be the text of a GraphQL document.")
    if variables is not None and not isinstance(variables, dict):
        raise RequestRefusedError(400, "BAD_REQUEST", "`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise RequestRefusedError(400, "BAD_REQUEST", "`operationName` must be a text.")
    if extensions is not None and not isinstance(extensions, dict):
        raise RequestRefusedError(400, "BAD_REQUEST", "`extensions` must be an object.")
    return GraphQLRequest(
        query=query or "", variables=variables or {}, operation_name=name or None, document_id=identifier
    )


def answer_type(accept: str | None) -> str:
    """The media type to answer in. Raises RequestRefusedError (406) when the caller takes neither of ours."""
    if not accept or not accept.strip():
        return _JSON
    ranges = [part.partition(";") for part in accept.lower().split(",")]
    wanted = [media.strip() for media, _, parameters in ranges if "q=0" not in _quality(parameters)]
    for media in wanted:
        if media in {GRAPHQL_JSON, _JSON}:
            return media
    if any(media in {"*/*", "application/*"} for media in wanted):
        return _JSON
    raise RequestRefusedError(406, "NOT_ACCEPTABLE", f"Answers come as {_JSON} or {GRAPHQL_JSON}.")


def _quality(parameters: str) -> list[str]:
    """`q=0` and `q=0.0` say no."""
    found = [part.strip() for part in parameters.split(";")]
    return ["q=0" if part.startswith("q=") and not part[2:].strip("0.") else part for part in found]
