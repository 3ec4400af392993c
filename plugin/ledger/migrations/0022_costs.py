"""What goods cost, and the margins that proofs of plays are computed from."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0019_replenishment")]

    operations = [
        CreateShopTable(
            name="UnitCost",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("product_id", fields.BigIntField()),
                ("variant_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("amount", fields.BigIntField()),
                ("currency", fields.CharField(max_length=3)),
                ("token_id", fields.BigIntField(null=True)),
                ("set_at", fields.BigIntField()),
            ],
            options={"table": "unit_costs", "app": "rebloom", "pk_attr": "variant_id"},
            key=("shop_id", "product_id", "variant_id"),
        ),
        CreateShopTable(
            name="UncostedProduct",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("play", fields.CharField(max_length=64)),
                ("product_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("orders", fields.BigIntField()),
            ],
            options={"table": "uncosted_products", "app": "rebloom", "pk_attr": "product_id"},
            key=("shop_id", "play", "product_id"),
        ),
        # Of customers who had gone before, no cost is known.
        ops.AddField(model_name="PlayProof", name="covered", field=fields.BigIntField(db_default=0)),
        ops.AddField(model_name="PlayProof", name="covered_revenue", field=fields.BigIntField(db_default=0)),
        ops.AddField(model_name="PlayProof", name="margin", field=fields.BigIntField(db_default=0)),
        ops.AddField(model_name="PlayProof", name="margin_squares", field=fields.FloatField(db_default=0.0)),
        ops.AddField(model_name="PlayProof", name="most_squares", field=fields.FloatField(db_default=0.0)),
    ]
