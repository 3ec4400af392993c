"""What a profile was computed from, as one number."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0009_plays")]

    operations = [ops.AddField(model_name="Profile", name="digest", field=fields.BigIntField(null=True))]
