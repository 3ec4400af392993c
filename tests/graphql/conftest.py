"""The GraphQL endpoints over two small shops."""

from collections.abc import AsyncIterator

import pytest

from plugin.ledger.store import Store
from tests.support.graphql_world import World, running_world


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    async with running_world(store) as running:
        yield running
