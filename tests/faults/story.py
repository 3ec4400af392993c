"""One shop's story from an empty database to a second order, told by the real app in a process of its own against a
dev shop; undisturbed, or killed at the N-th sync or write to the outside. Its ending is everything that then stands
in the ledger and in the shop, in a form that two tellings can be compared by."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

import httpx

from integrations.devshop.server import DevShopConfig
from plugin.jobs.watch import depths
from plugin.ledger.database import Database, open_database
from plugin.ledger.tables import SHOP_TABLES
from plugin.settings import Settings, read_settings
from tests.conftest import ENVIRONMENT
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import APP, NOW, SHOP, small_data
from tests.support.processes import started

PATIENCE: Final = 300.0  # seconds; a traced process is slow
CALLS: Final = {
    "sync": "fsync,fdatasync",  # what makes a write to a file last
    "call": "write,writev,sendto,sendmsg",  # whatever leaves the process: to the shop, to PostgreSQL, to the log
}
# Not of the end state: what a telling is rightly free to do otherwise.
_WHOLE_TABLES: Final = {
    "bulk_runs", "push_files",  # how far a copy or push has come; gone or final when it is done
    "push_runs",  # counts of the latest push alone
    "inbox",  # deliveries are compared by what they did; none may be left over
    "write_keys",
}  # fmt: skip
_COLUMNS: Final = {
    "persons": {"sealed"},  # sealed anew each time; opened by the test of redaction
    "offer_codes": {"code", "folded", "discount_id"},  # made from the shop's own random secret
    "offer_settings": {"code_secret"},
    "sync_states": {"started_at"},
}
_LATE: Final = re.compile(r"10000000\d\d\b")  # the dev shop numbers all that is new in one row, ours by what was asked
_WAITING: Final = (
    "SELECT (SELECT count(*) FROM inbox /* every shop */ WHERE state = 'new'),"
    " (SELECT count(*) FROM unplaced_customers), (SELECT count(*) FROM push_runs WHERE finished_at IS NULL),"
    " (SELECT count(*) FROM sync_states WHERE finished_at IS NOT NULL) - 1"
)
_SHOP_COLUMNS: Final = "domain, status, status_reason, name, currency, timezone, granted_scopes, installed_at"


@dataclass(frozen=True)
class Fault:
    """`what` of CALLS; killed when a thread enters its `nth` such call."""

    what: str
    nth: int

    @property
    def strace(self) -> tuple[str, ...]:
        calls = CALLS[self.what]
        rule = f"inject={calls}:signal=KILL:when={self.nth}"
        # Not with --seccomp-bpf, which would be quicker: strace 6.1 then counts no further than the first call.
        return ("strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", rule)


@dataclass
class Ending:
    """`happened`: whether the fault came to pass."""

    happened: bool
    ledger: dict[str, list[Any]]
    shop: dict[str, Any]
    seconds: float


@dataclass
class App:
    """The process, started again by whoever runs it when it was killed."""

    database_url: str
    port: int
    shop_url: str
    log: Path
    fault: Fault | None
    happened: bool = False
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _process: Popen[bytes] | None = None

    def alive(self) -> bool:
        """Start it where it does not run; False when it had to be. A death that nobody ordered is an error."""
        if self._process is not None and (status := self._process.poll()) is None:
            return True
        if self._process is not None:
            ordered = self.fault is not None and not self.happened and status in {-signal.SIGKILL, 128 + signal.SIGKILL}
            if not ordered:
                raise AssertionError(f"The app ended by itself with {status}: {self.log.read_text()[-3_000:]}")
            self.happened = True
        before = self.fault.strace if self.fault and not self.happened else ()
        arguments = (self.database_url, str(self.port), self.shop_url)
        self._process = self._open.enter_context(
            started("tests.faults.app_process", *arguments, before=before, stderr=self.log)
        )
        return False

    def kill(self) -> None:
        """As the power goes. Whoever looks next starts it again."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None

    def held(self) -> int:
        """The most memory that the process has held at once, in kB."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    def close(self) -> None:
        self._open.close()


@dataclass
class Story:
    """The app and the shop it is installed in, while the story goes on."""

    app: App
    url: str
    settings: Settings
    devshop: RunningDevShop
    database: Database

    async def quiet(self) -> None:
        """Until nothing waits anywhere, three looks in a row."""
        end, looks = time.monotonic() + PATIENCE, 0
        states = [shop.state for shop in self.devshop.shops.shops.values()]
        while looks < 3:
            if time.monotonic() > end:
                raise TimeoutError(f"it did not become quiet: {self.app.log.read_text()[-3_000:]}")
            await asyncio.sleep(0.25)
            calm = self.app.alive() and self.devshop.shops.sender.idle(states)
            calm = calm and not await depths(self.settings, self.database)
            looks = looks + 1 if calm and (await self.database.fetch(_WAITING))[0] == (0, 0, 0, 0) else 0

    async def a_second_order(self) -> None:
        shop = self.devshop[SHOP]
        shop.place_order(3, [(11, 2)])
        shop.update_customer(2, first_name="Beatrix")
        shop.edit_tags(1, add=["VIP"])
        await self.quiet()

    async def ending(self, began: float) -> Ending:
        ledger, there = await _ledger(self.database), _in_the_shop(self.devshop)
        return Ending(self.app.happened, ledger, there, time.monotonic() - began)


async def tell(database_url: str, folder: Path, fault: Fault | None = None) -> Ending:
    """The whole story; the database is empty before it, without a table."""
    began = time.monotonic()
    async with begun(database_url, folder, fault) as story:
        await story.a_second_order()
        return await story.ending(began)


@contextlib.asynccontextmanager
async def begun(database_url: str, folder: Path, fault: Fault | None = None) -> AsyncIterator[Story]:
    """Installed, copied, placed, pushed, and quiet."""
    with contextlib.ExitStack() as stack:
        port = _free_port()
        app_url = f"http://127.0.0.1:{port}"
        app_side = replace(
            APP, url=app_url, redirects=(f"{app_url}/auth/callback",), scopes=read_settings(ENVIRONMENT).scopes
        )
        config = DevShopConfig(
            app=app_side, shops={SHOP: small_data()}, clock=lambda: NOW, webhook_retries=(0.5,) * 200
        )
        devshop = stack.enter_context(running_devshop(config))
        settings = read_settings(
            {
                **ENVIRONMENT,
                "REBLOOM_DATABASE_URL": database_url,
                "REBLOOM_APP_URL": app_url,
                "SHOPIFY_SHOP_URL": f"{devshop.base}/{{shop}}",
            }
        )
        app = App(database_url, port, f"{devshop.base}/{{shop}}", folder / "log", fault)
        stack.callback(app.close)
        await _install(app, app_url)
        async with _opened(settings) as database:
            story = Story(app, app_url, settings, devshop, database)
            await story.quiet()
            yield story


async def _install(app: App, app_url: str) -> None:
    """As a merchant does: again, when the page did not come."""
    end = time.monotonic() + PATIENCE
    async with httpx.AsyncClient(timeout=15) as browser:
        while time.monotonic() < end:
            app.alive()
            with contextlib.suppress(httpx.HTTPError):
                answer = await browser.get(f"{app_url}/auth", params={"shop": SHOP}, follow_redirects=True)
                if answer.status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.1)
    raise TimeoutError(f"installing did not succeed: {app.log.read_text()[-3_000:]}")


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = await open_database(settings.database_url)
    try:
        yield database
    finally:
        await database.close()


async def _ledger(database: Database) -> dict[str, list[Any]]:
    """Every table of the shop, without what `_COLUMNS` and `_WHOLE_TABLES` name."""
    found: dict[str, list[Any]] = {"shops": await database.fetch(f"SELECT {_SHOP_COLUMNS} FROM shops ORDER BY domain")}
    for table in SHOP_TABLES:
        name = table._meta.db_table
        if name in _WHOLE_TABLES:
            continue
        columns = ", ".join(sorted(set(table._meta.db_fields) - _COLUMNS.get(name, set())))
        rows = await database.fetch(f"SELECT {columns} FROM {name} /* every shop */")
        found[name] = sorted(_LATE.sub("a later number", repr(tuple(row))) for row in rows)
    return found


def _in_the_shop(devshop: RunningDevShop) -> dict[str, Any]:
    state = devshop[SHOP].state
    return {
        "tags": {number: sorted(row.tags) for number, row in state.data.customers.items()},
        "metafields": sorted((each.owner, each.key, each.value) for each in state.metafields.rows.values()),
        "discounts": len(state.discounts),
        "subscriptions": sorted(each["topic"] for each in state.subscriptions.values()),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def differences(one: Ending, other: Ending) -> Iterator[str]:
    """What the two endings do not have in common, named."""
    for where, left, right in (
        *((f"table {name}", one.ledger[name], other.ledger[name]) for name in one.ledger),
        *((f"the shop's {name}", one.shop[name], other.shop[name]) for name in one.shop),
    ):
        if left != right:
            yield re.sub(r"\s+", " ", f"{where}: {left} became {right}")
