"""Open what the shell works on: the ORM for small tables, the driver for big ones, the vault for secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tortoise import Tortoise

from plugin.errors import EncryptionError
from plugin.ledger.database import Database, open_database
from plugin.ledger.migrate import orm_config
from plugin.ledger.tables import DatabaseMark
from plugin.settings import Settings
from plugin.vault import Vault, open_vault

_MARK_KEY = "vault"
_MARK = "rebloom"


@dataclass(frozen=True, slots=True)
class Store:
    database: Database
    vault: Vault


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of a migrated database; one live store a process. Raises EncryptionError, and changes nothing, when
    the key is not the one this database was written with."""
    await Tortoise.init(config=orm_config(settings.database_url), _enable_global_fallback=True)
    database = await open_database(settings.database_url)
    try:
        vault = open_vault(settings)
        await _check_key(vault)
        yield Store(database, vault)
    finally:
        await database.close()
        await Tortoise.close_connections()


async def check_key(database: Database, vault: Vault) -> None:
    """Raises EncryptionError when `vault` cannot read what this database was written with. Writes nothing."""
    for (sealed,) in await database.fetch("SELECT value FROM meta WHERE key = $1", _MARK_KEY):
        vault.open(sealed)


async def _check_key(vault: Vault) -> None:
    mark, is_new = await DatabaseMark.get_or_create(key=_MARK_KEY, defaults={"value": vault.seal(_MARK)})
    if not is_new and vault.open(mark.value) != _MARK:
        raise EncryptionError("REBLOOM_ENCRYPTION_KEYS does not fit this database.")
