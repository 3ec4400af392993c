"""`python -m tests.bench.api_server ours|bare URL PORT [STATEMENTS]`: one uvicorn worker, the app or the bare endpoint.

The bare endpoint sends the very statements that the app sends for the page (a file, recorded from the app), builds the
same `data` by hand and writes it with orjson: no credential, no document, no limits, no price. `tests/bench/api.py`
measures nothing before both have answered alike.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graphql_schema.pagination import Listing
from plugin.commands.serve import keep_what_is_loaded, server_config
from plugin.domain.lifecycles import MODELS
from plugin.domain.reasons import Reason, text
from plugin.ledger.database import Row
from plugin.ledger.readers import MEASURES
from plugin.ledger.store import open_store
from plugin.log import configure_logging
from plugin.settings import Settings, read_settings
from plugin.web.app import create_app
from tests.conftest import ENVIRONMENT

ROWS: Final = 50
PER_CUSTOMER: Final = 5  # segments
PAGE: Final = f"""{{ customers(first: {ROWS}) {{
  nodes {{ id stage {{ stage {{ key name }} rung because {{ measure value operator threshold text }} }}
    segments(first: {PER_CUSTOMER}) {{ nodes {{ id name }} }} tags }}
  pageInfo {{ hasNextPage endCursor }} }} }}"""
_MODEL: Final = MODELS["buyer-activity"]
_LAST_ORDER: Final = MEASURES.index("last_order_at")


def main(what: str, url: str, port: int, statements: str = "") -> None:
    configure_logging(level="ERROR")
    settings = read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": url})
    if what == "ours":
        app = create_app(settings, with_worker=False)
    else:
        app = _bare(settings, orjson.loads(Path(statements).read_bytes()))
    keep_what_is_loaded()
    uvicorn.Server(server_config(app, host="127.0.0.1", port=port)).run()


def _bare(settings: Settings, statements: Sequence[tuple[str, Sequence[Any]]]) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_store(settings) as store:
            app.state.database = store.database
            yield

    async def page(request: Request) -> Response:
        orjson.loads(await request.body())
        fetch = request.app.state.database.fetch
        rows = [await fetch(sql, *params) for sql, params in statements]
        return Response(orjson.dumps({"data": _data(*rows)}), media_type="application/json")

    return Starlette(lifespan=lifespan, routes=[Route("/graphql", page, methods=["POST"])])


def _data(
    customers: list[Row],
    placed: list[Row],
    segments: list[Row],
    _stages: list[Row],
    _tags: list[Row],
    tagged: list[Row],
) -> Mapping[str, Any]:
    """What the document asks for, from the rows of its six statements; two only serve to write the last one."""
    # (part, id, measures …), each part in order, so that both together are in order, too
    ordered = sorted(customers, key=lambda row: (row[0], row[2 + _LAST_ORDER] or 0, row[1]))
    stages = {row[1]: row for row in placed if row[0] == _MODEL.key}
    member, tags = defaultdict[int, list[Row]](list), defaultdict[int, list[str]](list)
    for row in segments:  # (place, customer, segment …)
        member[row[1]].append(row)
    for who, tag in tagged:
        tags[who].append(tag)
    shown = ordered[:ROWS]
    last = shown[-1]
    cursor = Listing(1, ("customers", "LAST_ORDER_AT", "asc", "")).cursor((last[2 + _LAST_ORDER], last[1]))
    nodes = [_node(row[1], stages[row[1]], member[row[1]], sorted(tags[row[1]])) for row in shown]
    more = len(ordered) > ROWS
    return {"customers": {"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": cursor}}}


def _node(who: int, placed: Row, segments: list[Row], tags: list[str]) -> Mapping[str, Any]:
    return {
        "id": f"gid://shopify/Customer/{who}",
        "stage": {
            "stage": {"key": placed[2], "name": _MODEL.stage(placed[2]).name},
            "rung": placed[3],
            "because": [
                {**item, "text": text(Reason(item["measure"], item["value"], item["operator"], item["threshold"]))}
                for item in orjson.loads(placed[6])
            ],
        },
        "segments": {
            "nodes": [{"id": f"gid://rebloom/Segment/{row[2]}", "name": row[3]} for row in segments[:PER_CUSTOMER]]
        },
        "tags": tags,
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
