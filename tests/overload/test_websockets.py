"""There is no door for WebSockets: each is closed before anything is read from it or said to it."""

import pytest
from starlette.types import Message

from plugin.settings import read_settings
from plugin.web.app import create_app
from tests.conftest import ENVIRONMENT


@pytest.mark.parametrize("path", ["/", "/graphql", "/storefront/graphql", "/webhooks", "/touchpoints", "/anything"])
async def test_a_websocket_is_closed_at_once(path: str) -> None:
    app, said = create_app(read_settings(ENVIRONMENT)), list[Message]()
    asked = iter([{"type": "websocket.connect"}])

    async def receive() -> Message:
        return next(asked, {"type": "websocket.disconnect", "code": 1006})

    async def send(message: Message) -> None:
        said.append(message)

    scope = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"sec-websocket-protocol", b"graphql-transport-ws"), (b"origin", b"https://evil.example")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "subprotocols": ["graphql-transport-ws"],
        "scheme": "ws", "asgi": {"version": "3.0"}, "http_version": "1.1",
    }  # fmt: skip
    await app(scope, receive, send)
    assert [message["type"] for message in said] == ["websocket.close"]
