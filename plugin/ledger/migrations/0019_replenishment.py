"""When each customer is to need something again, as rules read it."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0021_webhooks")]

    operations = [
        ops.AddField(model_name="Profile", name="replenishment_at", field=fields.BigIntField(null=True)),
        ops.AddField(model_name="Profile", name="replenishment_day", field=fields.IntField(null=True)),
    ]
