"""Who is still to be placed, so that no kill between facts and stages loses it."""

from tortoise import fields, migrations

from plugin.ledger.shop_table import CreateShopTable


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0016_outcomes")]

    operations = [
        CreateShopTable(
            name="UnplacedCustomer",
            fields=[
                ("shop_id", fields.BigIntField()),
                ("customer_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("taken", fields.BooleanField()),
            ],
            options={"table": "unplaced_customers", "app": "rebloom", "pk_attr": "customer_id"},
            key=("shop_id", "customer_id"),
        ),
    ]
