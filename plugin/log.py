"""Structured logs: one event a line, with request, shop, job and delivery ids bound once. Never a token, an e-mail
address, a signature, a body or a query variable: what looks like one is hidden here, whoever logged it.
"""

from __future__ import annotations

import logging
import re
import sys
import uuid
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_HIDDEN: Final = "[hidden]"
_SECRET: Final = re.compile(
    r"(?:shp[a-z]{2,3}_|rbl_|rblw_|whsec_)[A-Za-z0-9_+/=-]+"  # tokens and keys by their prefix
    r"|eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"  # JWTs
    r"|gAAAAA[A-Za-z0-9_=-]{20,}"  # what the vault sealed
    r"|Bearer\s+\S+"
    r"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"  # user and password of an address
    r"|[^\s@\"'<>=&]+(?:@|%40)[^\s@\"'<>&]+\.[A-Za-z]{2,}",  # e-mail addresses
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(
    r"(?i)\b(id_token|hmac|signature|code|state|session|token|access_token|refresh_token|client_secret|password)"
    r"(=|\"?: ?\"|'?: ?')[^\s&\"',}]+"
)
_PRIVATE: Final = frozenset({
    "authorization", "cookie", "set_cookie", "token", "id_token", "access_token", "refresh_token", "secret", "hmac",
    "signature", "password", "email", "e_mail", "phone", "body", "variables", "query", "query_string", "params",
    "headers", "first_name", "last_name", "display_name", "address",
})  # fmt: skip
_DEEPEST: Final = 4


def mask(text: str) -> str:
    """`text` without anything that looks like a token, a signature, a sealed text or an e-mail address."""
    return _PARAMETER.sub(rf"\1\2{_HIDDEN}", _SECRET.sub(_HIDDEN, text))


def _masked(value: object, depth: int = 0) -> object:
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, dict) and depth < _DEEPEST:
        return {key: _HIDDEN if _is_private(key) else _masked(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < _DEEPEST:
        return [_masked(each, depth + 1) for each in value]
    return mask(value if isinstance(value, str) else repr(value))


def _is_private(key: object) -> bool:
    return str(key).lower().replace("-", "_") in _PRIVATE


def _mask_event(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own
            event[key] = _HIDDEN if _is_private(key) else _masked(value)
    return event


def request_id() -> str:
    """The id bound to the request at hand, or a new one."""
    return str(structlog.contextvars.get_contextvars().get("request_id") or uuid.uuid4().hex)


def configure_logging(*, level: str = "INFO", as_json: bool | None = None) -> None:
    """Send every log line, our own and the libraries', to stderr in one form (JSON unless stderr is a terminal)."""
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_event,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # as uvicorn sets itself up, it goes past what hides
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for noisy in ("httpx", "httpcore", "dbos", "tortoise", "uvicorn.access", "strawberry.execution"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
