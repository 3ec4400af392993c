"""Webhooks that we send: where to, what, and what came of it."""

from tortoise import fields, migrations
from tortoise.indexes import Index

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0019_events")]

    operations = [
        CreateShopTable(
            name="WebhookEndpoint",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("url", fields.TextField(unique=False)),
                ("query", fields.TextField(unique=False)),
                ("kind", fields.CharField(max_length=32)),
                ("scopes", fields.TextField(unique=False)),
                ("token_id", fields.BigIntField(null=True)),
                ("secret", fields.TextField(unique=False)),
                ("old_secret", fields.TextField(unique=False, null=True)),
                ("old_until", fields.BigIntField(null=True)),
                ("created_at", fields.BigIntField()),
                ("seen", fields.BigIntField()),
                ("failing_since", fields.BigIntField(null=True)),
                ("disabled_at", fields.BigIntField(null=True)),
                ("disabled_why", fields.TextField(unique=False, null=True)),
            ],
            options={"table": "webhook_endpoints", "app": "rebloom", "pk_attr": "id"},
            key=("shop_id", "id"),
        ),
        CreateShopTable(
            name="WebhookDelivery",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("endpoint_id", fields.BigIntField()),
                ("number", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("customer_id", fields.BigIntField(null=True)),
                ("payload", fields.TextField(unique=False)),
                ("state", fields.CharField(max_length=16)),
                ("attempts", fields.BigIntField()),
                ("next_at", fields.BigIntField(null=True)),
                ("last_at", fields.BigIntField(null=True)),
                ("status", fields.BigIntField(null=True)),
                ("error", fields.TextField(unique=False, null=True)),
                ("created_at", fields.BigIntField()),
            ],
            options={
                "table": "webhook_deliveries",
                "app": "rebloom",
                "indexes": [Index(fields=["shop_id", "state", "next_at"])],
                "pk_attr": "number",
            },
            key=("shop_id", "endpoint_id", "number"),
        ),
    ]
