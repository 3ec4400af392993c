"""A worker of its own process, for tests that kill one: `python -m tests.faults.worker_process URL FOLDER BEAT`.

Its one kind of job, `mark`, appends "begin <number>" and "end <number>" to a file of the folder, some time apart.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from plugin.jobs.queue import Jobs
from plugin.ledger.database import open_database
from plugin.log import configure_logging


async def main(url: str, folder: Path, beat: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = await open_database(url)
    jobs = Jobs(url, database, runs=True, every=beat)

    def note(line: str) -> None:
        with (folder / "log").open("a") as log:
            log.write(f"{line} {os.getpid()}\n")

    async def mark(shop_id: int, number: int = 0, lasts: float = 0.05) -> dict[str, Any]:
        note(f"begin {shop_id}-{number}")
        await asyncio.sleep(lasts)
        note(f"end {shop_id}-{number}")
        return {}

    async def tick() -> None:
        note("tick -")

    await jobs.start({"mark": mark}, tick)
    (folder / f"ready-{os.getpid()}").touch()
    await stop.wait()
    await jobs.stop()
    await database.close()


if __name__ == "__main__":
    configure_logging(as_json=True)
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
