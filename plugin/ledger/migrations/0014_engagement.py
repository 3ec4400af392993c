"""What touchpoints say of a customer."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0004_deliveries")]

    operations = [
        ops.AddField(model_name="Profile", name="last_seen_at", field=fields.BigIntField(null=True)),
        ops.AddField(model_name="Profile", name="last_seen_day", field=fields.IntField(null=True)),
        ops.AddField(model_name="Profile", name="nps_score", field=fields.BigIntField(null=True)),
        ops.AddField(model_name="Profile", name="open_complaint", field=fields.BigIntField(null=True)),
    ]
