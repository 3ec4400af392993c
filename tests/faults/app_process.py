"""`rebloom serve` as it is, on the clock of the small shop and with quick heartbeats, so that a test may kill it
anywhere: `python -m tests.faults.app_process DATABASE_URL PORT SHOP_URL`."""

import sys

import uvicorn

from plugin.commands.serve import server_config
from plugin.log import configure_logging
from plugin.settings import read_settings
from plugin.web.app import create_app
from tests.conftest import ENVIRONMENT
from tests.support.devshop_data import NOW

BEAT = 0.3  # a tenth and less of the real one: after a kill on PostgreSQL nobody waits for fifteen seconds


def main(database_url: str, port: int, shop_url: str) -> None:
    configure_logging(as_json=True)
    settings = read_settings(
        {
            **ENVIRONMENT,
            "REBLOOM_DATABASE_URL": database_url,
            "REBLOOM_APP_URL": f"http://127.0.0.1:{port}",
            "SHOPIFY_SHOP_URL": shop_url,
        }
    )
    app = create_app(settings, now=lambda: NOW, beat_every=BEAT)
    uvicorn.Server(server_config(app, host="127.0.0.1", port=port)).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
