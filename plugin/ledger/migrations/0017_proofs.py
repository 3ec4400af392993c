"""What proofs of plays are computed from, and the share of the holdout under which an offer was decided."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0018_unplaced")]

    operations = [
        CreateShopTable(
            name="PlayProof",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("play", fields.CharField(max_length=64)),
                ("incentive", fields.CharField(max_length=32)),
                ("share", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("held", fields.BooleanField()),
                ("gone", fields.BooleanField()),
                ("n", fields.BigIntField()),
                ("waiting", fields.BigIntField()),
                ("recent", fields.BigIntField()),
                ("ordered", fields.BigIntField()),
                ("orders", fields.BigIntField()),
                ("order_squares", fields.BigIntField()),
                ("revenue", fields.BigIntField()),
                ("revenue_squares", fields.FloatField()),
                ("redeemed", fields.BigIntField()),
                ("redeemed_cost", fields.BigIntField()),
                ("computed_at", fields.BigIntField()),
            ],
            options={"table": "play_proofs", "app": "rebloom", "pk_attr": "share"},
            key=("shop_id", "play", "incentive", "share", "held", "gone"),
        ),
        ops.AddField(model_name="OfferGrant", name="share", field=fields.BigIntField(null=True)),
        ops.AddField(model_name="OfferSettings", name="shares", field=fields.TextField(null=True)),
    ]
