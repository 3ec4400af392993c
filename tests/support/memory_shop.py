"""A shop in memory with the platform's recorded rules for tags, a merchant who edits it, and faults on request."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plugin.domain.ids import parse_gid
from plugin.errors import BulkFailedError, ShopRefusedError
from plugin.ports import BulkLine, MetafieldError, MetafieldName, MetafieldWrite, Subscription, TagChange, TagResult


class Killed(BaseException):
    """The process ends here."""


@dataclass
class MemoryShop:
    """`ShopGateway` as far as a push needs it. `limit` stands in for the platform's 250 tags. `fail` is what happens to
    the next write: "before" or "after" kills the process around it, "half" ends a bulk run half way, "unread" and
    "half read" kill the process when it reads a bulk run's answers."""

    limit: int = 250
    lanes: int = 1
    tags: dict[int, list[str]] = field(default_factory=dict)
    metafields: dict[tuple[int, str], str] = field(default_factory=dict)
    refuse_metafields: set[int] = field(default_factory=set)
    spelling: dict[str, str] = field(default_factory=dict)
    writes: int = 0
    calls: list[str] = field(default_factory=list)
    fail: str | None = None
    operations: dict[str, tuple[list[BulkLine], bool]] = field(default_factory=dict)
    subscribed: dict[str, Subscription] = field(default_factory=dict)

    # --- the shop's own rules (RECORDED.md section 1) ---

    def add(self, customer: int, tags: Iterable[str]) -> str | None:
        if customer not in self.tags:
            return "Customer does not exist"
        held = {tag.casefold() for tag in self.tags[customer]}
        parts = [part.strip() for tag in tags for part in tag.split(",")]
        new = dict.fromkeys(part.casefold() for part in parts if part and part.casefold() not in held)
        if any(len(part) > 255 for part in parts):
            return "Tags is too long (maximum is 255 characters)"
        if len(held) + len(new) > self.limit:
            return "Customers must have 250 tags or less."
        for part in parts:
            self.spelling.setdefault(part.casefold(), part)
        self.tags[customer] = sorted([*self.tags[customer], *(self.spelling[tag] for tag in new)], key=str.casefold)
        return None

    def remove(self, customer: int, tags: Iterable[str]) -> str | None:
        if customer not in self.tags:
            return "Customer does not exist"
        gone = {tag.casefold() for tag in tags}
        self.tags[customer] = [tag for tag in self.tags[customer] if tag.casefold() not in gone]
        return None

    # --- the gateway ---

    async def swap_tags(self, items: Sequence[TagChange]) -> list[TagResult]:
        self._written("swap_tags")
        results = []
        for item in items:
            said = self.remove(item.customer_id, item.remove) or (self.add(item.customer_id, item.add))
            results.append(TagResult(customer_id=item.customer_id, error=said))
        self._killed("after")
        return results

    def wait_for(self, points: float) -> float:
        return points / 10  # no bucket: one mutation a second

    def calls_at_once(self, points: float) -> int:
        return self.lanes

    async def start_bulk_mutation(self, document: str, lines: Sequence[Mapping[str, Any]]) -> str:
        kind = next(each for each in ("tagsAdd", "tagsRemove", "metafieldsSet") if each in document)
        self._written(kind)
        half, self.fail = self.fail == "half", None if self.fail == "half" else self.fail
        stop = len(lines) // 2 if half else len(lines)
        answers = [BulkLine(line=n, data={}, errors=self._run(kind, line)) for n, line in enumerate(lines[:stop])]
        operation = f"gid://shopify/BulkOperation/{len(self.operations) + 1}"
        self.operations[operation] = answers, half
        self._killed("after")
        return operation

    async def bulk_answers(self, operation: str) -> AsyncIterator[BulkLine]:
        self._killed("unread")
        if operation not in self.operations:
            raise ShopRefusedError("The shop knows no bulk operation by that id.")
        answers, half = self.operations[operation]
        for place, answer in enumerate(reversed(answers)):
            if place == 1:
                self._killed("half read")
            yield answer
        if half:
            raise BulkFailedError("The bulk operation failed half way.")

    def _run(self, kind: str, line: Mapping[str, Any]) -> tuple[str, ...]:
        if kind == "metafieldsSet":
            owners = {parse_gid(each["ownerId"], "Customer") for each in line["metafields"]}
            if owners & self.refuse_metafields:
                return ("Value is invalid",)
            for each in line["metafields"]:
                self.metafields[parse_gid(each["ownerId"]), f"{each['namespace']}.{each['key']}"] = each["value"]
            return ()
        change = self.add if kind == "tagsAdd" else self.remove
        said = change(parse_gid(line["id"], "Customer"), line["tags"])
        return (said,) if said else ()

    async def set_metafields(self, items: Sequence[MetafieldWrite]) -> list[MetafieldError]:
        assert len(items) <= 25
        self._written("set_metafields")
        owners = [parse_gid(item.owner, "Customer") for item in items]
        errors = [
            MetafieldError(index=place, message="Value is invalid", code="INVALID")
            for place, owner in enumerate(owners)
            if owner in self.refuse_metafields
        ]
        if not errors:
            for owner, item in zip(owners, items, strict=True):
                self.metafields[owner, f"{item.namespace}.{item.key}"] = item.value
        self._killed("after")
        return errors

    async def delete_metafields(self, items: Sequence[MetafieldName]) -> None:
        assert len(items) <= 25
        self._written("delete_metafields")
        for item in items:
            self.metafields.pop((parse_gid(item.owner, "Customer"), f"{item.namespace}.{item.key}"), None)
        self._killed("after")

    async def subscriptions(self) -> list[Subscription]:
        return list(self.subscribed.values())

    async def unsubscribe(self, gid: str) -> None:
        self._written("unsubscribe")
        self.subscribed.pop(gid, None)
        self._killed("after")

    def _written(self, call: str) -> None:
        self._killed("before")
        self.writes += 1
        self.calls.append(call)

    def _killed(self, where: str) -> None:
        if self.fail == where:
            self.fail = None
            raise Killed
