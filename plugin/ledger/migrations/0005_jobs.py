"""The clock of the minute, and what a push remembers between its lives."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0009_plays"), ("rebloom", "0012_digests")]

    operations = [
        ops.CreateModel(
            name="JobClock",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ("at", fields.FloatField()),
            ],
            options={"table": "job_clock", "app": "rebloom", "pk_attr": "id"},
        ),
        CreateShopTable(
            name="TagPrefix",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("prefix", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("used_at", fields.BigIntField()),
            ],
            options={"table": "tag_prefixes", "app": "rebloom", "pk_attr": "prefix"},
            key=("shop_id", "prefix"),
        ),
        CreateShopTable(
            name="PushFile",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("kind", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("operation", fields.CharField(max_length=255)),
                ("lines", fields.TextField(unique=False)),
                ("started_at", fields.BigIntField()),
            ],
            options={"table": "push_files", "app": "rebloom", "pk_attr": "kind"},
            key=("shop_id", "kind"),
        ),
        CreateShopTable(
            name="Withdrawal",
            fields=[
                ("shop_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("installed_at", fields.BigIntField()),
                ("started_at", fields.BigIntField()),
                ("finished_at", fields.BigIntField(null=True)),
            ],
            options={"table": "withdrawals", "app": "rebloom", "pk_attr": "shop_id"},
            key=("shop_id",),
        ),
    ]
