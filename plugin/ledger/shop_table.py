"""Migration operation for tables keyed by shop first, which Tortoise's own single-field keys cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tortoise.migrations.operations import CreateModel
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State


class CreateShopTable(CreateModel):
    """`CreateModel` with `PRIMARY KEY (shop_id, …)` and any further unique keys, also beginning with the shop."""

    def __init__(
        self,
        name: str,
        fields: list[tuple[str, Any]],
        options: dict[str, Any],
        *,
        key: Sequence[str],
        unique_keys: Sequence[Sequence[str]] = (),
    ) -> None:
        if any(columns[0] != "shop_id" for columns in (key, *unique_keys)):
            raise ValueError(f"the keys of {name} must begin with shop_id")
        super().__init__(name=name, fields=fields, options=options)
        self.key = key
        self.unique_keys = unique_keys

    async def database_forward(
        self,
        app_label: str,
        old_state: State,  # noqa: ARG002 - Tortoise's signature
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        if state_editor is None:
            return
        model = new_state.apps.get_model(f"{app_label}.{self.name}")
        model._meta.pk.generated = False  # noqa: SLF001 - the platform numbers these rows
        statement = state_editor._get_model_sql_data(model).table_sql  # noqa: SLF001 - the only place that renders it
        columns, end, indexes = statement.replace(" PRIMARY KEY", "", 1).partition("\n)")
        keys = [f"PRIMARY KEY ({_quoted(self.key)})"]
        keys += [f"UNIQUE ({_quoted(unique)})" for unique in self.unique_keys]
        await state_editor._run_sql(",\n    ".join([columns, *keys]) + end + indexes)  # noqa: SLF001


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
