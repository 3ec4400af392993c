"""Predictions of repurchase, and the models they come from."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0014_engagement")]

    operations = [
        CreateShopTable(
            name="Prediction",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("customer_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("within_30", fields.FloatField()),
                ("within_90", fields.FloatField(null=True)),
                ("alive", fields.FloatField()),
                ("orders", fields.FloatField(null=True)),
                ("next_day", fields.IntField(null=True)),
                ("value", fields.BigIntField(null=True)),
                ("tier", fields.CharField(null=True, max_length=16)),
                ("fitted_at", fields.BigIntField()),
            ],
            options={"table": "predictions", "app": "rebloom", "pk_attr": "customer_id"},
            key=("shop_id", "customer_id"),
        ),
        CreateShopTable(
            name="PredictionModel",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("days", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("method", fields.CharField(null=True, max_length=255)),
                ("reason", fields.TextField(null=True, unique=False)),
                ("auc", fields.FloatField(null=True)),
                ("baseline_auc", fields.FloatField(null=True)),
                ("calibration_error", fields.FloatField(null=True)),
                ("rate", fields.FloatField(null=True)),
                ("n", fields.BigIntField()),
                ("candidates", fields.BigIntField()),
                ("windows", fields.BigIntField()),
                ("first_day", fields.IntField(null=True)),
                ("tested_from", fields.IntField(null=True)),
                ("tested_until", fields.IntField(null=True)),
                ("fitted_at", fields.BigIntField()),
            ],
            options={"table": "prediction_models", "app": "rebloom", "pk_attr": "days"},
            key=("shop_id", "days"),
        ),
        ops.AddField(model_name="Profile", name="probability_alive", field=fields.FloatField(null=True)),
        ops.AddField(model_name="Profile", name="expected_orders", field=fields.FloatField(null=True)),
        ops.AddField(model_name="Profile", name="next_order_at", field=fields.BigIntField(null=True)),
        ops.AddField(model_name="Profile", name="next_order_day", field=fields.IntField(null=True)),
        ops.AddField(model_name="Profile", name="predicted_clv", field=fields.BigIntField(null=True)),
    ]
