"""Writing to the shop: aliased tag batches, bulk operations and their files."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from integrations.shopify.client import AdminClient, upload
from integrations.shopify.protocol import DENIED, Call, Reply, clip, code_of, payload_of, user_errors
from integrations.shopify.queries import document
from plugin.domain.ids import gid
from plugin.errors import BadStatementError, BulkDeniedError, BulkFailedError, ShopRefusedError, ShopUnavailableError
from plugin.ports import BulkLine, BulkStatus, MetafieldError, TagChange

if TYPE_CHECKING:
    from integrations.shopify.gateway import ShopifyGateway

_POINTS: Final = 10.0  # of one mutation, as recorded
_LARGEST_INPUT: Final = 100 * 2**20  # https://shopify.dev/docs/api/usage/bulk-operations/imports
_IN_MEMORY: Final = 4 * 2**20
_FIRST_POLL, _LONGEST_POLL = 0.5, 10.0  # seconds
_POLL_SHARE: Final = 0.1  # of the time it has taken so far; a look costs one point
_BUSY: Final = "OPERATION_IN_PROGRESS"
_NO_FILE: Final = "NO_SUCH_FILE"
_STALLED: Final = 3600.0  # seconds of looking without a single new line


def swap_call(items: Sequence[TagChange]) -> Call | None:
    """One document that removes, then adds, for each customer (roots of a mutation run in order). None: no change."""
    heads: list[str] = []
    fields: list[str] = []
    variables: dict[str, Any] = {}
    for place, item in enumerate(items):
        if item.add or item.remove:
            heads.append(f"$id{place}: ID!")
            variables[f"id{place}"] = gid("Customer", item.customer_id)
        for alias, root, tags in ((f"remove{place}", "tagsRemove", item.remove), (f"add{place}", "tagsAdd", item.add)):
            if tags:
                heads.append(f"${alias}: [String!]!")
                variables[alias] = _checked(tags)
                fields.append(f"{alias}: {root}(id: $id{place}, tags: ${alias}) {{ userErrors {{ field message }} }}")
    if not fields:
        return None
    text = f"mutation SwapTags({', '.join(heads)}) {{ {' '.join(fields)} }}"
    return Call(name=f"SwapTags{len(fields)}", document=text, variables=variables, points=_POINTS * len(fields))


def swap_error(reply: Reply, place: int) -> str | None:
    """What the shop said against the change at `place`. Raises ShopAccessError when it is about our access."""
    said: list[str] = []
    for alias in (f"remove{place}", f"add{place}"):
        try:
            said += user_errors(reply.field(alias))
        except ShopRefusedError as refusal:
            said.append(str(refusal))
    return "; ".join(said) or None


def started(reply: Reply, name: str) -> str:
    """The GID of the operation a bulk mutation root began."""
    payload = reply.field(name)
    errors = payload.get("userErrors") or () if isinstance(payload, dict) else ()
    if any(error.get("code") == _BUSY for error in errors):
        raise ShopUnavailableError("As many bulk operations as the shop allows are running; this one waits its turn.")
    if any(error.get("code") == _NO_FILE for error in errors):  # its store said it had taken it
        raise ShopUnavailableError("The file of a bulk operation did not reach the shop; it will be sent again.")
    return str(payload_of(reply, name)["bulkOperation"]["id"])


def bulk_status(found: Mapping[str, Any]) -> BulkStatus:
    """Counters come as texts."""
    try:
        return BulkStatus(
            id=str(found["id"]),
            status=str(found["status"]),
            error_code=found["errorCode"],
            object_count=int(found["objectCount"]),
            root_object_count=int(found["rootObjectCount"]),
            url=found["url"],
            partial_url=found["partialDataUrl"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadStatementError(f"The shop's statement of a bulk operation cannot be read: {error}") from None


async def start_bulk_mutation(
    client: AdminClient, mutation: str, lines: AsyncIterator[bytes] | Sequence[Mapping[str, Any]]
) -> str:
    """As `ShopGateway.start_bulk_mutation` says."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        await _write_lines(file, lines)
        path = await _stage(client, file)
    variables = {"mutation": mutation, "stagedUploadPath": path}
    call = Call(name="BulkImport", document=document("BulkImport"), variables=variables, repeatable=False)
    return started(await client.run(call), "bulkOperationRunMutation")


async def bulk_answers(gateway: ShopifyGateway, client: AdminClient, operation: str) -> AsyncIterator[BulkLine]:
    """As `ShopGateway.bulk_answers` says."""
    status = await _finished(gateway, client, operation)
    url = status.url or status.partial_url
    unread, denied = 0, status.error_code == DENIED
    if url is not None:
        async with gateway.open_download(url) as pieces:
            async for text in _jsonl(pieces):
                line = _bulk_line(text)
                if line is None:
                    unread += 1
                elif line.denied:
                    denied = True
                else:
                    yield line
    if denied:
        raise BulkDeniedError("Access denied: a scope that this bulk operation needs is not granted.")
    if status.status != "COMPLETED":
        raise BulkFailedError(f"The shop ended a bulk operation as {status.status} ({status.error_code}).")
    if unread:
        raise BulkFailedError(
            f"{unread} lines of the answers of a bulk operation cannot be read; they are asked for again."
        )


def metafield_error(error: Mapping[str, Any]) -> MetafieldError:
    """The place stands in `field`, as text: `[metafields, 0, value]`; `elementIndex` counts inside a list value."""
    field = error.get("field")
    place = str(field[1]) if isinstance(field, list) and len(field) > 1 else ""
    index = int(place) if place.isascii() and place.isdigit() else None
    return MetafieldError(index=index, message=clip(str(error.get("message", ""))), code=error.get("code"))


def _checked(tags: tuple[str, ...]) -> list[str]:
    """A comma would make two tags of one."""
    if any("," in tag for tag in tags):
        raise ValueError("a tag cannot hold a comma")
    return list(tags)


async def _write_lines(file: IO[bytes], lines: AsyncIterator[bytes] | Sequence[Mapping[str, Any]]) -> None:
    size = 0
    async for line in _encoded(lines):
        size += file.write(line + b"\n")
        if size > _LARGEST_INPUT:
            raise ShopRefusedError(f"A bulk operation takes at most {_LARGEST_INPUT} bytes; send fewer lines at once.")
    file.seek(0)


async def _encoded(lines: AsyncIterator[bytes] | Sequence[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    if isinstance(lines, Sequence):
        for line in lines:
            yield msgspec.json.encode(line)
        return
    async for text in lines:
        yield text


async def _stage(client: AdminClient, file: IO[bytes]) -> str:
    """Upload the file; the path by which a bulk mutation names it."""
    wanted = {
        "resource": "BULK_MUTATION_VARIABLES",
        "filename": "variables.jsonl",
        "mimeType": "text/jsonl",
        "httpMethod": "POST",
    }
    call = Call(name="StageUpload", document=document("StageUpload"), variables={"input": [wanted]}, points=11)
    target = payload_of(await client.run(call), "stagedUploadsCreate")["stagedTargets"][0]
    fields = {parameter["name"]: parameter["value"] for parameter in target["parameters"]}
    await upload(client.http, target["url"], fields, file, loopback=client.loopback)
    return str(fields["key"])


async def _finished(gateway: ShopifyGateway, client: AdminClient, operation: str) -> BulkStatus:
    """Files of some seconds and of hours are both known to be done within a tenth of their time."""
    taken = idle = 0.0
    seen = -1
    while not (status := await gateway.bulk_status(operation)).finished:
        if status.object_count > seen:
            seen, idle = status.object_count, 0.0
        if idle >= _STALLED:
            raise ShopUnavailableError("A bulk operation of the shop stands still; its answers are read later.")
        wait = min(max(_FIRST_POLL, taken * _POLL_SHARE), _LONGEST_POLL)
        await client.pace.sleep(wait)
        taken, idle = taken + wait, idle + wait
    return status


async def _jsonl(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
        await asyncio.sleep(0)
    if rest.strip():
        yield rest


def _bulk_line(text: bytes) -> BulkLine | None:
    """None when it cannot be read: its line then has no answer, which is as if it had not been run."""
    try:
        line = msgspec.json.decode(text, type=dict[str, Any])
        number = int(line["__lineNumber"])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return None
    answer = line.get("data")
    data: dict[str, Any] = answer if isinstance(answer, dict) else {}
    errors = [error for error in line.get("errors") or () if isinstance(error, dict)]
    said = [str(error.get("message", "")) for error in errors]
    for payload in data.values():
        said += user_errors(payload)
    denied = any(code_of(error) == DENIED for error in errors)
    return BulkLine(line=number, data=data, errors=tuple(said), denied=denied)
