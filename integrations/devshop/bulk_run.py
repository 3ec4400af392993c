"""Running bulk operations in the background: exports to a file, mutations line by line."""

from __future__ import annotations

import random
import secrets
import time
from typing import TYPE_CHECKING, Any

import orjson
from graphql import GraphQLError, OperationDefinitionNode, parse
from graphql.execution.values import get_argument_values, get_variable_values

from integrations.devshop.bulk import check_query, fields_of
from integrations.devshop.export import AccessDenied, Compiler, encode, error_entry, lines
from integrations.devshop.mutations import MUTATIONS
from integrations.devshop.refusals import variable_problems
from integrations.devshop.rows import gid_number
from integrations.devshop.schema import admin_schema
from integrations.devshop.shop import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from integrations.devshop.shop import ShopState

Operation = dict[str, Any]
REPORT_EVERY = 5_000
FLUSH_AT = 1 << 20


class Cancelled(Exception):  # noqa: N818  (asked for, not a fault)
    pass


def run(shop: ShopState, number: int, scopes: frozenset[str], staged: str | None) -> None:
    """Run one queued operation to its end. Blocking: call it in a thread."""
    operation = shop.bulk[number]
    call = Call(shop, scopes, shop.now(), "bulk")
    began = time.monotonic()
    while time.monotonic() - began < shop.bulk_pause and number not in shop.bulk_cancelled:
        time.sleep(0.01)
    if number not in shop.bulk_cancelled:
        operation["status"] = "RUNNING"
    name = f"bulk-{number}-{secrets.token_hex(8)}.jsonl"
    path = shop.files / name
    try:
        produced = (
            _export(call, operation)
            if operation["type"] == "QUERY"
            else _import(call, operation, shop.staged[staged or ""])
        )
        size = _write(path, shop, operation, produced)
    except Cancelled:
        operation["status"] = "CANCELED"
        return
    except AccessDenied:
        operation.update(status="FAILED", errorCode="ACCESS_DENIED", completedAt=shop.now_text())
    except Exception as broken:  # noqa: BLE001  (as on the platform: the operation fails, the shop goes on)
        operation.update(status="FAILED", errorCode="INTERNAL_SERVER_ERROR", completedAt=shop.now_text())
        shop.broken.append(broken)
    else:
        operation.update(fileSize=str(size), url=shop.sign_file(name) if size else None)
        operation.update(completedAt=shop.now_text(), status="COMPLETED")
    shop.announce("bulk_operations/finish", finish_payload(operation))


def finish_payload(operation: Operation) -> dict[str, Any]:
    return {
        "admin_graphql_api_id": operation["id"],
        "completed_at": operation["completedAt"],
        "created_at": operation["createdAt"],
        "error_code": operation["errorCode"],
        "status": operation["status"].lower(),
        "type": operation["type"].lower(),
    }


def _write(path: Path, shop: ShopState, operation: Operation, produced: Iterator[tuple[bytes, bool]]) -> int:
    number, objects, roots, size = gid_number(operation["id"]), 0, 0, 0
    if shop.shuffle_bulk is not None and operation["type"] == "QUERY":
        shuffled = list(produced)
        random.Random(shop.shuffle_bulk).shuffle(shuffled)  # noqa: S311  (a test's order, nothing secret)
        produced = iter(shuffled)
    buffer = bytearray()
    with path.open("wb") as out:
        for line, is_root in produced:
            buffer += line
            objects += 1
            roots += is_root
            if objects % REPORT_EVERY == 0:
                operation.update(objectCount=str(objects), rootObjectCount=str(roots))
                if number in shop.bulk_cancelled:
                    raise Cancelled
            if len(buffer) >= FLUSH_AT:
                size += out.write(buffer)
                buffer.clear()
        size += out.write(buffer)
    if number in shop.bulk_cancelled:
        raise Cancelled
    operation.update(objectCount=str(objects), rootObjectCount=str(roots))
    return size


def _export(call: Call, operation: Operation) -> Iterator[tuple[bytes, bool]]:
    document = check_query(operation["query"])
    with call.shop.lock:
        compiled = Compiler(call, document).roots()
    for rows, plan in compiled:
        yield from lines(rows, plan)


def _import(call: Call, operation: Operation, path: Path) -> Iterator[tuple[bytes, bool]]:
    execute = _mutation(call, operation["query"])
    with path.open("rb") as staged:
        for number, line in enumerate(staged):
            if line.isspace():
                continue
            with call.shop.lock:
                outcome = execute(line)
            outcome["__lineNumber"] = number
            yield encode(outcome), True
    for job in call.after:
        job()


def _mutation(call: Call, text: str) -> Callable[[bytes], dict[str, Any]]:
    """The mutation compiled once: variables checked per line, the handler called without the executor."""
    schema, document = admin_schema().graphql, parse(text)
    operation = next(each for each in document.definitions if isinstance(each, OperationDefinitionNode))
    node = next(iter(fields_of(document, operation.selection_set)))
    name, key = node.name.value, node.alias.value if node.alias else node.name.value
    root = schema.mutation_type
    if root is None or name not in MUTATIONS:
        raise AccessDenied(name)
    declared, handler = root.fields[name], MUTATIONS[name]
    plan = Compiler(call, document).plan(node.selection_set, declared.type)

    def execute(line: bytes) -> dict[str, Any]:
        try:
            given = orjson.loads(line)
        except orjson.JSONDecodeError:
            return {"errors": [{"message": "Invalid JSON", "extensions": {"code": "INVALID_VARIABLE"}}]}
        coerced = get_variable_values(schema, operation.variable_definitions or (), given)
        problems = variable_problems(schema, operation, given, coerced if isinstance(coerced, list) else [])
        if problems or isinstance(coerced, list):
            return {"errors": problems}
        call.shop.writes[name] += 1
        try:
            payload = handler(call, get_argument_values(declared, node, coerced))
        except GraphQLError as error:
            return {"data": {key: None}, "errors": [error_entry(error)]}
        return {"data": {key: plan.own(payload)}}

    return execute
