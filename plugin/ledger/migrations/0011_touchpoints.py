"""Touchpoints, and the public keys that write them."""

from tortoise import fields, migrations
from tortoise.indexes import Index

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0001_initial")]

    operations = [
        CreateShopTable(
            name="Touchpoint",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("source", fields.CharField(max_length=16)),
                ("event_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("customer_id", fields.BigIntField(null=True)),
                ("visitor", fields.CharField(null=True, max_length=64)),
                ("kind", fields.CharField(max_length=24)),
                ("channel", fields.CharField(max_length=16)),
                ("at", fields.BigIntField()),
                ("product_id", fields.BigIntField(null=True)),
                ("collection_id", fields.BigIntField(null=True)),
                ("subject", fields.CharField(null=True, max_length=128)),
                ("outcome", fields.CharField(null=True, max_length=16)),
                ("score", fields.BigIntField(null=True)),
                ("received_at", fields.BigIntField()),
            ],
            options={
                "table": "touchpoints",
                "app": "rebloom",
                "pk_attr": "event_id",
                "indexes": [
                    Index(fields=["shop_id", "customer_id", "at"]),
                    Index(fields=["shop_id", "visitor"]),
                    Index(fields=["shop_id", "kind", "at"]),
                    Index(fields=["shop_id", "at"]),
                ],
            },
            key=("shop_id", "source", "event_id"),
        ),
        CreateShopTable(
            name="WriteKey",
            fields=[
                ("shop_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("write_key", fields.CharField(max_length=64)),
                ("created_at", fields.BigIntField()),
            ],
            options={"table": "write_keys", "app": "rebloom", "pk_attr": "shop_id"},
            key=("shop_id",),
            unique_keys=[("shop_id", "write_key")],
        ),
    ]
