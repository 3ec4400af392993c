"""A customer's segments in their order from the index alone: a page of customers asks for them in one statement."""

from tortoise import migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("rebloom", "0022_costs")]

    operations = [
        ops.AddIndex(model_name="SegmentMember", index=Index(fields=["shop_id", "customer_id", "segment_id"])),
        ops.RemoveIndex(model_name="SegmentMember", fields=["shop_id", "customer_id"]),
    ]
