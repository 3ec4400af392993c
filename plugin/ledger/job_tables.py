"""The tables of jobs that last: the clock of the minute, and what a push has to remember between its lives, and who
is still to be placed.

`push_files` names customers by their numbers, like `tag_records`; none holds a name or an address.
"""

from __future__ import annotations

from typing import Final

from tortoise import fields
from tortoise.models import Model

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class JobClock(Model):
    """When something was last done once for all processes, in seconds of the database's own clock."""

    id = fields.CharField(max_length=64, primary_key=True)
    at = fields.FloatField()

    class Meta:
        table = "job_clock"


class TagPrefix(ShopRow):
    """A prefix under which tags were written: what is on record and carries one of these may be taken away."""

    prefix = column.text_key()
    used_at = column.instant()

    class Meta:
        table = "tag_prefixes"
        key = ("shop_id", "prefix")


class PushFile(ShopRow):
    """A bulk operation of a push whose answers are not all on record. `lines` is JSON: what stood in each line of the
    file, so that whoever comes after a kill can read the answers."""

    kind = column.text_key()
    operation = column.name()
    lines = column.text()
    started_at = column.instant()

    class Meta:
        table = "push_files"
        key = ("shop_id", "kind")


class Withdrawal(ShopRow):
    """Everything of ours is being taken, or was taken, out of the shop; nothing is written there any more. It is about
    the installation of `installed_at`: a new one begins afresh."""

    shop_id = column.key()
    installed_at = column.instant()
    started_at = column.instant()
    finished_at = column.instant(null=True)

    class Meta:
        table = "withdrawals"
        key = ("shop_id",)


class UnplacedCustomer(ShopRow):
    """A customer whose facts have changed since it was placed. `taken`: a job is at it."""

    customer_id = column.key()
    taken = column.flag()

    class Meta:
        table = "unplaced_customers"
        key = ("shop_id", "customer_id")


JOB_TABLES: Final[tuple[type[ShopRow], ...]] = (TagPrefix, PushFile, Withdrawal, UnplacedCustomer)
