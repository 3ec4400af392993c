"""Plays, offers given, discount codes, loyalty."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0011_touchpoints")]

    operations = [
        ops.AddField(model_name="Profile", name="loyalty_tier", field=fields.CharField(null=True, max_length=64)),
        ops.AddField(model_name="Profile", name="loyalty_points", field=fields.BigIntField(null=True)),
        CreateShopTable(
            name="LoyaltyStanding",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("customer_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("tier", fields.CharField(null=True, max_length=64)),
                ("points", fields.BigIntField()),
                ("next_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "loyalty_standings",
                "app": "rebloom",
                "pk_attr": "customer_id",
                "indexes": [Index(fields=["shop_id", "next_at"])],
            },
            key=("shop_id", "customer_id"),
        ),
        CreateShopTable(
            name="OfferCode",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("code_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("customer_id", fields.BigIntField()),
                ("source", fields.CharField(max_length=16)),
                ("subject", fields.CharField(max_length=64)),
                ("offer_id", fields.BigIntField(null=True)),
                ("code", fields.CharField(max_length=64)),
                ("folded", fields.CharField(max_length=64)),
                ("state", fields.CharField(max_length=16)),
                ("title", fields.CharField(max_length=255)),
                ("percentage", fields.BigIntField(null=True)),
                ("amount", fields.BigIntField(null=True)),
                ("starts_at", fields.BigIntField()),
                ("ends_at", fields.BigIntField(null=True)),
                ("discount_id", fields.BigIntField(null=True)),
                ("error", fields.TextField(null=True, unique=False)),
                ("created_at", fields.BigIntField()),
                ("changed_at", fields.BigIntField()),
                ("redeemed_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "offer_codes",
                "app": "rebloom",
                "pk_attr": "code_id",
                "indexes": [Index(fields=["shop_id", "customer_id"]), Index(fields=["shop_id", "state"])],
            },
            key=("shop_id", "code_id"),
            unique_keys=[("shop_id", "folded")],
        ),
        CreateShopTable(
            name="OfferGrant",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("customer_id", fields.BigIntField()),
                ("offer_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("play", fields.CharField(max_length=64)),
                ("play_version", fields.BigIntField()),
                ("kind", fields.CharField(max_length=32)),
                ("rung", fields.BigIntField(null=True)),
                ("period", fields.BigIntField()),
                ("held", fields.BooleanField()),
                ("percentage", fields.BigIntField(null=True)),
                ("amount", fields.BigIntField(null=True)),
                ("cost", fields.BigIntField(null=True)),
                ("granted_at", fields.BigIntField()),
                ("until_at", fields.BigIntField(null=True)),
                ("closed_at", fields.BigIntField(null=True)),
                ("closed_why", fields.CharField(null=True, max_length=16)),
            ],
            options={
                "table": "offer_grants",
                "app": "rebloom",
                "pk_attr": "offer_id",
                "indexes": [Index(fields=["shop_id", "play", "granted_at"])],
            },
            key=("shop_id", "customer_id", "offer_id"),
        ),
        CreateShopTable(
            name="OfferRedemption",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("order_id", fields.BigIntField()),
                ("code_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("customer_id", fields.BigIntField(null=True)),
                ("source", fields.CharField(max_length=16)),
                ("subject", fields.CharField(max_length=64)),
                ("offer_id", fields.BigIntField(null=True)),
                ("at", fields.BigIntField()),
                ("voided_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "offer_redemptions",
                "app": "rebloom",
                "pk_attr": "code_id",
                "indexes": [Index(fields=["shop_id", "customer_id"]), Index(fields=["shop_id", "code_id"])],
            },
            key=("shop_id", "order_id", "code_id"),
        ),
        CreateShopTable(
            name="OfferSettings",
            fields=[
                ("shop_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("plays", fields.TextField(null=True, unique=False)),
                ("loyalty", fields.TextField(null=True, unique=False)),
                ("code_secret", fields.TextField(null=True, unique=False)),
            ],
            options={"table": "offer_settings", "app": "rebloom", "pk_attr": "shop_id"},
            key=("shop_id",),
        ),
        CreateShopTable(
            name="PlayVersion",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("play", fields.CharField(max_length=64)),
                ("version", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("content", fields.TextField(unique=False)),
                ("note", fields.TextField(null=True, unique=False)),
                ("created_at", fields.BigIntField()),
            ],
            options={"table": "play_versions", "app": "rebloom", "pk_attr": "version"},
            key=("shop_id", "play", "version"),
        ),
        CreateShopTable(
            name="PointSpend",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("customer_id", fields.BigIntField()),
                ("id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("points", fields.BigIntField()),
                ("at", fields.BigIntField()),
                ("code_id", fields.BigIntField()),
            ],
            options={"table": "point_spends", "app": "rebloom", "pk_attr": "id"},
            key=("shop_id", "customer_id", "id"),
        ),
        CreateShopTable(
            name="ReferralCredit",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("friend_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("referrer_id", fields.BigIntField()),
                ("order_id", fields.BigIntField()),
                ("code_id", fields.BigIntField()),
                ("at", fields.BigIntField()),
            ],
            options={
                "table": "referral_credits",
                "app": "rebloom",
                "pk_attr": "friend_id",
                "indexes": [Index(fields=["shop_id", "referrer_id"])],
            },
            key=("shop_id", "friend_id"),
        ),
    ]
