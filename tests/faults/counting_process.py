"""Counts up one row again and again, beside another process that does the same, by the ledger's own ways:
`python -m tests.faults.counting_process DATABASE_URL TIMES`."""

import asyncio
import sys

from plugin.ledger.inbox import fail
from plugin.ledger.store import open_store
from plugin.settings import read_settings
from tests.conftest import ENVIRONMENT


async def main(url: str, times: int) -> None:
    async with open_store(read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": url})) as store:
        for _ in range(times):
            await fail(store, 1, "counted", reason="counting", again=True)
            async with store.database.transaction() as session:  # read, then write
                lock = " FOR UPDATE" if store.database.dialect == "postgres" else ""
                ((points,),) = await session.fetch(
                    f"SELECT points FROM point_spends WHERE shop_id = 1 AND customer_id = 1 AND id = 1{lock}"
                )
                await session.execute(
                    "UPDATE point_spends SET points = $1 WHERE shop_id = 1 AND customer_id = 1 AND id = 1",
                    points + 1,
                )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
