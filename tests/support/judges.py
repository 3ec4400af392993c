"""Outside judges in Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def shopify_api_verdicts(cases: list[dict[str, Any]], *, api_key: str, api_secret: str) -> list[bool]:
    """What `@shopify/shopify-api` says of each case (kinds: install, proxy, webhook, session, shop)."""
    verdicts: list[bool] = _run("shopify_api.mjs", {"apiKey": api_key, "apiSecret": api_secret, "cases": cases})
    return verdicts


def signed_by_shopify_api(*, api_key: str, api_secret: str, shop: str, body: str) -> dict[str, str]:
    """`webhook` (a signature of `body`), `proxied` (an address) and `token`, as its test helpers sign them."""
    task = {"apiKey": api_key, "apiSecret": api_secret, "shop": shop, "body": body}
    signed: dict[str, str] = _run("shopify_api_signs.mjs", task)
    return signed


def _run(script: str, task: object) -> Any:
    path = str(ROOT / "tests" / "judges" / script)
    done = subprocess.run(
        ["node", path], input=json.dumps(task), capture_output=True, text=True, timeout=120, check=True
    )
    return json.loads(done.stdout)
