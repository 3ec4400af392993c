"""`rebloom demo`: everything once, in front of your eyes. Nothing is faked on our side of the wire: it installs through
OAuth, reads by bulk export and asks over GraphQL, as it would with a real shop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn

from integrations.devshop.signing import session_token
from plugin.commands.demo_queries import (
    EXAMPLE,
    EXPLORER,
    PUSH,
    PUSH_AGAIN,
    RECOMMENDERS,
    SEGMENT,
    SEGMENTS,
    STAGES,
    SYNC,
)
from plugin.commands.devshop import domain_of
from plugin.commands.serve import server_config
from plugin.domain.money import from_scaled
from plugin.errors import RebloomError, ShopUnavailableError
from plugin.ledger.store import Store
from plugin.settings import Settings, read_settings
from plugin.shops import shop_by_domain
from plugin.web.app import create_app

_FOLDER: Final = Path(".demo")
_KEY, _SECRET = "rebloom-dev", "rebloom-dev-secret"
_SHOP: Final = "rebloom-demo"
_SHOP_PORT: Final = 9292
_NEWS: Final = 5.0  # seconds between two words about a long step
_PATIENCE: Final = 3600.0  # seconds for the longest step, on any machine
_ACCEPTED: Final = 200

_SAVED_SEGMENTS: Final = (
    ("Loyal, at risk", "number_of_orders >= 5 AND days_since_last_order > 2 * order_gap_median_days", "at-risk"),
    ("Big baskets", "average_order_value > 50 AND number_of_orders >= 3", "big-basket"),
    ("Bought once, long ago", "number_of_orders = 1 AND last_order_date < -90d", None),
)


async def run_demo(*, once: bool, data: Path | None, port: int, customers: int) -> int:
    """The demo's exit status: 0 when every step was done."""
    shutil.rmtree(_FOLDER / "state", ignore_errors=True)
    (_FOLDER / "state").mkdir(parents=True)
    folder = await asyncio.to_thread(_real_orders, customers) if data is None else data
    shop_port, app_port = _free_port(_SHOP_PORT), _free_port(port)
    settings = _demo_settings(shop_port=shop_port, app_port=app_port)
    async with _devshop(folder, shop_port, settings), _app(settings, app_port) as store:
        async with httpx.AsyncClient(base_url=settings.app_url, timeout=60) as client:
            summary = await _Demo(client, settings, store).run()
            token = "" if once else await _explorer_token(client)
        if once:
            sys.stdout.write(json.dumps(summary) + "\n")
            return 0
        _say_addresses(settings, shop_port, token)
        await _until_interrupted()
    return 0


class _Demo:
    """The steps, one printed line each."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings, store: Store) -> None:
        self._client = client
        self._settings = settings
        self._store = store
        self._domain = domain_of(_SHOP)

    async def run(self) -> dict[str, Any]:
        began = time.monotonic()
        await self._install()
        for name, query, tag in _SAVED_SEGMENTS:
            await self._ask(SEGMENT, name=name, query=query, tag=tag)
        sync = await self._synced()
        stages = await self._classified()
        tags = await self._pushed()
        segments = await self._segments()  # memberships are written after the stages, and the push comes after both
        recommenders = await self._recommended()
        offer = await self._offer()
        return {
            "shop": self._domain,
            "installed": True,
            **sync,
            "stages": stages,
            "segments": segments,
            "recommenders": recommenders,
            "offer": offer,
            "tags": tags,
            "seconds": round(time.monotonic() - began, 1),
        }

    async def _install(self) -> None:
        reply = await self._client.get("/auth", params={"shop": self._domain}, follow_redirects=True)
        if reply.status_code != _ACCEPTED:
            raise RebloomError(f"Installing ended with HTTP {reply.status_code}: {reply.text[:300]}")
        _say("installed", f"{self._domain}, through OAuth")

    async def _synced(self) -> dict[str, Any]:
        began, shown = time.monotonic(), ""
        while True:
            sync = (await self._ask(SYNC))["shop"]["sync"]
            if sync["error"]:
                raise ShopUnavailableError(f"The sync stopped: {sync['error']}")
            if sync["finishedAt"]:
                break
            at = f"{sync['phase'].lower()}: {sync['customers']:,} customers, {sync['orders']:,} orders"
            if at != shown:
                _progress(at)
                shown = at
            await _patiently(began)
        seconds = _seconds_between(sync["startedAt"], sync["finishedAt"])
        counts: dict[str, Any] = {
            "customers": sync["customers"],
            "orders": sync["orders"],
            "order_lines": sync["orderLines"],
            "products": sync["products"],
            "sync_seconds": round(seconds, 2),
            "orders_per_second": round(sync["orders"] / max(seconds, 0.001)),
        }
        counts["money"] = money = await self._money()
        _say(
            "synced",
            f"{counts['customers']:,} customers, {counts['orders']:,} orders, {counts['order_lines']:,} lines, "
            f"{counts['products']:,} products in {seconds:.1f} s ({counts['orders_per_second']:,} orders/s); "
            f"{money['currency']} {money['net']} net",
        )
        return counts

    async def _money(self) -> dict[str, str]:
        """All orders held: their totals, what was refunded of them, and what is left (0 of a cancelled one)."""
        shop = await shop_by_domain(self._store.database, self._domain)
        ((total, refunded, net),) = await self._store.database.fetch(
            "SELECT coalesce(sum(total), 0), coalesce(sum(refunded), 0), coalesce(sum(current_total), 0) "
            "FROM orders WHERE shop_id = $1",
            shop.id,
        )
        amounts = {"total": total, "refunded": refunded, "net": net}
        return {"currency": shop.currency, **{name: f"{from_scaled(int(each)):.2f}" for name, each in amounts.items()}}

    async def _classified(self) -> dict[str, int]:
        began = time.monotonic()
        while True:
            shop = (await self._ask(STAGES))["shop"]
            counts: dict[str, int] = {}
            for row in shop["primaryModel"]["counts"]:
                key = row["stage"]["key"] + (f"-{row['rung']}" if row["rung"] else "")
                counts[key] = counts.get(key, 0) + row["count"]
            if sum(counts.values()) == shop["sync"]["customers"]:
                break
            await _patiently(began)
        _say("classified", ", ".join(f"{stage} {count:,}" for stage, count in counts.items()))
        return counts

    async def _segments(self) -> dict[str, int]:
        nodes = (await self._ask(SEGMENTS))["segments"]["nodes"]
        members = {node["name"]: node["count"] for node in nodes}
        _say("segments", ", ".join(f"{name} {count:,}" for name, count in members.items()))
        return members

    async def _recommended(self) -> dict[str, str]:
        """Which method the shop's own backtest chose for each use; that takes about a minute."""
        began = shown = time.monotonic()
        while not (chosen := (await self._ask(RECOMMENDERS))["shop"]["recommender"]):
            if time.monotonic() - shown > _NEWS:
                shown = time.monotonic()
                _progress(f"trying methods on the shop's own past, {shown - began:.0f} s so far")
            await _patiently(began)
        for each in chosen:
            figures = "" if each["recallAt10"] is None else (
                f" (recall@10 {each['recallAt10']:.3f}, {each['popularityRecallAt10']:.3f} by popularity)"
            )  # fmt: skip
            _say("recommends", f"{each['use'].lower().replace('_', ' ')}: {each['method']}{figures}")
        return {each["use"]: each["method"] for each in chosen}

    async def _offer(self) -> dict[str, Any] | None:
        """An example with its reason, a cross-sell where the customers looked at have one."""
        customers = (await self._ask(EXAMPLE))["customers"]["nodes"]
        offers = [(customer, offer) for customer in customers for offer in customer["offers"]]
        crossed = [pair for pair in offers if pair[1]["kind"] == "CROSS_SELL"]
        if not offers:
            _say("offers", "none for the customers looked at")
            return None
        customer, offer = (crossed or offers)[0]
        because = offer["because"][0]["text"] if offer["because"] else ""
        for product in offer.get("products", [])[:1]:
            because = product["because"][0]["text"]
            offer = {**offer, "title": f"{offer['title']}: {product['product']['title']}"}
        _say("offers", f"to a customer in stage {customer['stage']['stage']['key']}: {offer['title']} ({because})")
        return {"stage": customer["stage"]["stage"]["key"], "title": offer["title"], "because": because}

    async def _pushed(self) -> dict[str, int]:
        first = await self._push_finished()
        written = await self._tags_on_record()  # the shop's echo may have started another push since
        await self._ask(PUSH_AGAIN)
        second = await self._push_finished(after=first["startedAt"])
        _say(
            "tags pushed",
            f"{written:,} written, {first['removed']:,} removed, {first['refused']:,} refused; "
            f"a second push wrote {second['added'] + second['removed']:,} and skipped {second['skipped']:,} customers",
        )
        return {
            "written": written,
            "removed": first["removed"],
            "refused": first["refused"],
            "skipped": second["skipped"],
            "second_push_writes": second["added"] + second["removed"],
        }

    async def _tags_on_record(self) -> int:
        shop = await shop_by_domain(self._store.database, self._domain)
        ((count,),) = await self._store.database.fetch(
            "SELECT COUNT(*) FROM tag_records WHERE shop_id = $1 AND state = 'written'", shop.id
        )
        return int(count)

    async def _push_finished(self, *, after: str | None = None) -> dict[str, Any]:
        began = time.monotonic()
        while True:
            push: dict[str, Any] | None = (await self._ask(PUSH))["shop"]["tagPush"]
            if push and push["finishedAt"] and (after is None or push["startedAt"] > after):
                return push
            await _patiently(began)

    async def _ask(self, document: str, /, **variables: object) -> dict[str, Any]:
        return await _ask(self._client, document, **variables)


async def _ask(client: httpx.AsyncClient, document: str, /, **variables: object) -> dict[str, Any]:
    """Over GraphQL, as the merchant's page does."""
    token = session_token(_KEY, _SECRET, domain_of(_SHOP), now=datetime.now(UTC))
    reply = await client.post(
        "/graphql", json={"query": document, "variables": variables}, headers={"Authorization": f"Bearer {token}"}
    )
    body: dict[str, Any] = reply.json()
    if body.get("errors") or "data" not in body:
        raise RebloomError(f"GraphQL answered: {json.dumps(body)[:500]}")
    answer: dict[str, Any] = body["data"]
    return answer


def _real_orders(customers: int) -> Path:
    from integrations.devshop.completejourney import make_data

    folder = _FOLDER / "orders"
    _progress(f"preparing the orders of {customers:,} households")
    return make_data(folder, customers=customers, today=datetime.now(UTC).date())


def _demo_settings(*, shop_port: int, app_port: int) -> Settings:
    return read_settings(
        {
            "REBLOOM_DATABASE_URL": os.environ.get(
                "REBLOOM_DATABASE_URL", f"sqlite:///{_FOLDER}/state/rebloom.sqlite3"
            ),
            "REBLOOM_ENCRYPTION_KEYS": os.environ.get("REBLOOM_ENCRYPTION_KEYS", ""),
            "REBLOOM_APP_URL": f"http://127.0.0.1:{app_port}",
            "SHOPIFY_API_KEY": _KEY,
            "SHOPIFY_API_SECRET": _SECRET,
            "SHOPIFY_SHOP_URL": f"http://127.0.0.1:{shop_port}/{{shop}}",
        }
    )


@contextlib.asynccontextmanager
async def _devshop(folder: Path, port: int, settings: Settings) -> AsyncIterator[None]:
    """The dev shop as a process of its own, as a real shop is."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "plugin", "devshop", "--data", str(folder), "--port", str(port), "--shop", _SHOP,
        env={
            **os.environ,
            "SHOPIFY_API_KEY": _KEY,
            "SHOPIFY_API_SECRET": _SECRET,
            "REBLOOM_APP_URL": settings.app_url,
        },
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _progress("opening the dev shop")
        await _answers(f"http://127.0.0.1:{port}/", process)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def _app(settings: Settings, port: int) -> AsyncIterator[Store]:
    app = create_app(settings)
    server = uvicorn.Server(server_config(app, host="127.0.0.1", port=port))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # Ctrl-C ends the demo, in order
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, server, "should_exit", True)
        task = asyncio.create_task(server._serve())  # noqa: SLF001 - `serve` would take the signals over
        await _answers(f"{settings.app_url}/healthz", task)
        yield app.state.store
    await task


async def _answers(url: str, process: Any) -> None:  # noqa: ANN401 - a process or a task
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=5) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                await client.get(url)
                return
            ended = process.done() if isinstance(process, asyncio.Task) else process.returncode is not None
            if ended:
                raise RebloomError(
                    f"What should answer at {url} has ended: see what it said above, or whether its port is taken."
                )
            await _patiently(began)


def _free_port(wanted: int) -> int:
    """`wanted`, or another one when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                chosen: int = probe.getsockname()[1]
                return chosen
    raise RebloomError("No port is free on this machine.")


async def _patiently(began: float) -> None:
    if time.monotonic() - began > _PATIENCE:
        raise ShopUnavailableError("The demo waited an hour for one step; look at the log above.")
    await asyncio.sleep(0.25)


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()


def _seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _say(step: str, what: str) -> None:
    sys.stdout.write(f"{step:<12} {what}\n")
    sys.stdout.flush()


def _progress(what: str) -> None:
    """On stderr, so that stdout holds the steps alone."""
    sys.stderr.write(f"  … {what}\n")


async def _explorer_token(client: httpx.AsyncClient) -> str:
    """A partner token with every right to read, for the explorer."""
    answer = await _ask(client, EXPLORER)
    payload = answer["partnerTokenCreate"]
    return str(payload["token"])


def _say_addresses(settings: Settings, shop_port: int, token: str) -> None:
    domain = domain_of(_SHOP)
    shop = f"http://127.0.0.1:{shop_port}/{domain}"
    _say("page", f"{shop}/admin/apps/{_KEY}   (Rebloom inside the shop's admin)")
    _say("explorer", f"{settings.app_url}/graphql   (token: {token})")
    _say("dev shop", shop)
    sys.stdout.write("\nCtrl-C ends it.\n")
    sys.stdout.flush()
