"""Structured logs: one event a line, with shop, job and delivery ids bound once. Never a token, e-mail or body."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(r"(shpat_|shprt_|rbl_)[A-Za-z0-9_-]+|[^\s@\"'<>]+@[^\s@\"'<>]+\.[A-Za-z]{2,}|Bearer\s+\S+")


def mask(text: str) -> str:
    """`text` without anything that looks like a token or an e-mail address."""
    return _SECRET.sub("[hidden]", text)


def _mask_event(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = mask(value)
    return event


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
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
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
    for noisy in ("httpx", "httpcore", "dbos", "tortoise", "uvicorn.access", "strawberry.execution"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
