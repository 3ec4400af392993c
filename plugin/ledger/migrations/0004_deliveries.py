"""Traits and checkouts told by webhooks, walks through the shop, answers to people."""

from tortoise import fields, migrations
from tortoise.indexes import Index

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0005_jobs")]

    operations = [
        CreateShopTable(
            name="CustomerTrait",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("customer_id", fields.BigIntField()),
                ("kind", fields.CharField(max_length=8)),
                ("name", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("value", fields.TextField(null=True, unique=False)),
                ("at", fields.BigIntField()),
            ],
            options={"table": "customer_traits", "app": "rebloom", "pk_attr": "name"},
            key=("shop_id", "customer_id", "kind", "name"),
        ),
        CreateShopTable(
            name="Checkout",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("customer_id", fields.BigIntField(null=True)),
                ("created_at", fields.BigIntField()),
                ("stated_at", fields.BigIntField()),
                ("completed_at", fields.BigIntField(null=True)),
                ("deleted_at", fields.BigIntField(null=True)),
                ("total", fields.BigIntField()),
                ("items", fields.BigIntField()),
            ],
            options={
                "table": "checkouts",
                "app": "rebloom",
                "pk_attr": "id",
                "indexes": [Index(fields=["shop_id", "customer_id"])],
            },
            key=("shop_id", "id"),
        ),
        CreateShopTable(
            name="Reconciliation",
            fields=[
                ("shop_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("started_at", fields.BigIntField()),
                ("finished_at", fields.BigIntField(null=True)),
                ("walked_to", fields.BigIntField(null=True)),
                ("looked_at", fields.BigIntField()),
                ("missed", fields.BigIntField()),
                ("outdated", fields.BigIntField()),
                ("gone", fields.BigIntField()),
                ("error", fields.TextField(null=True, unique=False)),
            ],
            options={"table": "reconciliations", "app": "rebloom", "pk_attr": "shop_id"},
            key=("shop_id",),
        ),
        CreateShopTable(
            name="DataExport",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("request_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("customer_id", fields.BigIntField()),
                ("requested_at", fields.BigIntField()),
                ("made_at", fields.BigIntField()),
                ("sealed", fields.TextField(unique=False)),
            ],
            options={
                "table": "data_exports",
                "app": "rebloom",
                "pk_attr": "request_id",
                "indexes": [Index(fields=["shop_id", "customer_id"])],
            },
            key=("shop_id", "request_id"),
        ),
    ]
