from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plugin.ledger.store import Store
from plugin.settings import read_settings
from tests.conftest import ENVIRONMENT
from tests.support.graphql_world import running_world
from tests.support.webhook_bench import Bench, receiving


@pytest.fixture
async def bench(store: Store) -> AsyncIterator[Bench]:
    async with running_world(store) as world, receiving() as receiver:
        world.app.state.settings = replace(read_settings(ENVIRONMENT), shop_url="http://127.0.0.1:1/{shop}")
        yield Bench(world, receiver, datetime.now(UTC))
