"""Where an offer was shown, and which play made it."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0013_predictions")]

    operations = [
        ops.AddField(model_name="Touchpoint", name="placement", field=fields.CharField(null=True, max_length=16)),
        ops.AddField(model_name="Touchpoint", name="play", field=fields.CharField(null=True, max_length=64)),
    ]
