"""What is told to listeners, in the order in which it came true."""

from tortoise import fields, migrations

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0017_proofs")]

    operations = [
        CreateShopTable(
            name="EventHead",
            fields=[
                ("shop_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("told", fields.BigIntField()),
            ],
            options={"table": "event_heads", "app": "rebloom", "pk_attr": "shop_id"},
            key=("shop_id",),
        ),
        CreateShopTable(
            name="ShopEvent",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("number", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("kind", fields.CharField(max_length=32)),
                ("at", fields.BigIntField()),
                ("customer_id", fields.BigIntField(null=True)),
                ("subject", fields.CharField(max_length=128)),
                ("from_stage", fields.CharField(null=True, max_length=64)),
                ("from_rung", fields.BigIntField(null=True)),
                ("to_stage", fields.CharField(null=True, max_length=64)),
                ("to_rung", fields.BigIntField(null=True)),
                ("because", fields.TextField(unique=False, null=True)),
                ("noted_at", fields.BigIntField()),
            ],
            options={"table": "shop_events", "app": "rebloom", "pk_attr": "number"},
            key=("shop_id", "number"),
        ),
    ]
