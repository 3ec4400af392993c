"""What a log line may hold: never a token, a signature, an e-mail address or a variable, whoever logged it."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from plugin.log import configure_logging, mask, request_id
from tests.support.platform_requests import session_token

CANARY = "CANARY"
SECRETS = [
    f"shpat_{CANARY}0123",
    f"shprt_{CANARY}0123",
    f"shpss_{CANARY}0123",
    f"rbl_{CANARY}0123",
    f"Bearer {CANARY}",
    session_token(secret=CANARY),
    f"{CANARY}@example.com",
    f"{CANARY}%40example.com",
    f"GET /auth/callback?code={CANARY}&hmac={CANARY}&state={CANARY}&timestamp=1",
    f"/?id_token={CANARY}&shop=a.myshopify.com",
    f"/storefront/graphql?signature={CANARY}",
    f"postgresql://rebloom:{CANARY}@db/rebloom",
    f'{{"access_token": "{CANARY}", "scope": "read_orders"}}',
    f"{{'refresh_token': '{CANARY}'}}",
]


@contextmanager
def production() -> Iterator[io.StringIO]:
    """Logging as production has it, into a text; what was before comes back."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    configure_logging(as_json=True, level="DEBUG")
    written = io.StringIO()
    for handler in root.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)
    try:
        yield written
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**before)


def parts_of(secret: str) -> set[str]:
    return {CANARY} | set(secret.split(".")[1:2] if secret.startswith("eyJ") else ())


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("where", ["event", "value", "nested", "exception", "foreign"])
def test_a_secret_is_hidden_wherever_it_stands(secret: str, where: str) -> None:
    with production() as written:
        _tell(secret, where)
    [line] = written.getvalue().splitlines()
    assert json.loads(line)["level"] in {"info", "error"}
    for part in parts_of(secret):
        assert part not in line


def _tell(secret: str, where: str) -> None:
    log = structlog.get_logger(f"tests.{where}")
    if where == "event":
        sentence = f"about {secret} and more"
        log.info(sentence)
    elif where == "value":
        log.info("told", why=f"about {secret} and more", error=RuntimeError(secret))
    elif where == "nested":
        log.info("told", rows=[{"a": (secret, {"b": secret})}])
    elif where == "exception":
        log.error("failed", exc_info=RuntimeError(secret))
    else:
        logging.getLogger("uvicorn.error").error("about %s", secret, exc_info=RuntimeError(secret))


@pytest.mark.parametrize(
    "name", ["variables", "query", "email", "Authorization", "access-token", "hmac", "body", "params", "phone"]
)
def test_what_has_a_private_name_is_hidden_whatever_it_holds(name: str) -> None:
    with production() as written:
        structlog.get_logger("tests.names").info("told", **{name: "innocent words"}, deeper={name: ["innocent words"]})
    assert "innocent" not in written.getvalue()
    assert "told" in written.getvalue()


def test_what_is_not_secret_stays() -> None:
    for text in ("delivery set aside", "orders/create of a.myshopify.com", "3 of 7 @ 12:00", "b54557e4-bdd9-4b37-8a5f"):
        assert mask(text) == text


def test_ids_that_are_bound_stand_in_every_line() -> None:
    with production() as written, structlog.contextvars.bound_contextvars(request_id="r-1", shop_id=7):
        structlog.get_logger("tests.ids").info("ours")
        logging.getLogger("uvicorn.error").warning("theirs")
        assert request_id() == "r-1"
    assert request_id() != request_id()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line["event"], line["request_id"], line["shop_id"]) for line in lines] == [
        ("ours", "r-1", 7),
        ("theirs", "r-1", 7),
    ]
