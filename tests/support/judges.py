"""Outside judges in Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def shopify_api_verdicts(cases: list[dict[str, Any]], *, api_key: str, api_secret: str) -> list[bool]:
    """What `@shopify/shopify-api` says of each case (kinds: install, proxy, webhook, session, shop)."""
    script = ROOT / "tests" / "judges" / "shopify_api.mjs"
    task = json.dumps({"apiKey": api_key, "apiSecret": api_secret, "cases": cases})
    done = subprocess.run(["node", str(script)], input=task, capture_output=True, text=True, timeout=120, check=True)
    verdicts: list[bool] = json.loads(done.stdout)
    return verdicts
