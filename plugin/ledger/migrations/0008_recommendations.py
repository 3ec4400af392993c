"""Lists of customers, the recommenders chosen, and what is about to be needed again."""

from tortoise import fields, migrations
from tortoise.indexes import Index

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0004_deliveries")]

    operations = [
        CreateShopTable(
            name="CustomerPick",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("customer_id", fields.BigIntField()),
                ("use", fields.CharField(max_length=16)),
                ("rank", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("product_id", fields.BigIntField()),
                ("score", fields.FloatField()),
                ("anchor_id", fields.BigIntField(null=True)),
                ("together", fields.BigIntField()),
                ("lift", fields.FloatField(null=True)),
                ("fitted_at", fields.BigIntField()),
            ],
            options={"table": "customer_picks", "app": "rebloom", "pk_attr": "rank"},
            key=("shop_id", "customer_id", "use", "rank"),
        ),
        CreateShopTable(
            name="RecommenderChoice",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("use", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("method", fields.CharField(max_length=255)),
                ("recall", fields.FloatField(null=True)),
                ("ndcg", fields.FloatField(null=True)),
                ("popularity_recall", fields.FloatField(null=True)),
                ("popularity_ndcg", fields.FloatField(null=True)),
                ("cases", fields.BigIntField()),
                ("candidates", fields.BigIntField()),
                ("horizon_days", fields.FloatField()),
                ("tested_from", fields.BigIntField(null=True)),
                ("tested_until", fields.BigIntField(null=True)),
                ("fitted_at", fields.BigIntField()),
            ],
            options={"table": "recommender_choices", "app": "rebloom", "pk_attr": "use"},
            key=("shop_id", "use"),
        ),
        CreateShopTable(
            name="Replenishment",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("customer_id", fields.BigIntField()),
                ("product_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("due_at", fields.BigIntField()),
                ("from_at", fields.BigIntField()),
                ("until_at", fields.BigIntField()),
                ("cycle_days", fields.FloatField()),
                ("units", fields.BigIntField()),
                ("repeats", fields.BigIntField()),
                ("own_repeats", fields.BigIntField()),
                ("fitted_at", fields.BigIntField()),
            ],
            options={
                "table": "replenishments",
                "app": "rebloom",
                "pk_attr": "product_id",
                "indexes": [Index(fields=["shop_id", "due_at"])],
            },
            key=("shop_id", "customer_id", "product_id"),
        ),
    ]
