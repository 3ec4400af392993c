"""A shop's metafields: the app's own namespaces, the platform's checks of names and values."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from integrations.devshop.rows import Metafield, Value

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
INTEGER = re.compile(r"-?\d+")
JSON_TYPES = ("json", "boolean", "number_integer", "list.")


class Metafields:
    def __init__(self, app_id: int) -> None:
        self.app_id = app_id
        self.rows: dict[tuple[str, str, str], Metafield] = {}

    def resolve(self, namespace: str | None) -> str:
        """`$app:x` is kept, and returned, as `app--<app id>--x`; no namespace is `app--<app id>`."""
        own = f"app--{self.app_id}"
        if namespace is None or namespace == "$app":
            return own
        return f"{own}--{namespace.removeprefix('$app:')}" if namespace.startswith("$app:") else namespace

    def one(self, owner: str, namespace: str | None, key: str) -> Metafield | None:
        if namespace is None and "." in key:
            namespace, key = key.rsplit(".", 1)
        return self.rows.get((owner, self.resolve(namespace), key))

    def of(self, owner: str, namespace: str | None) -> list[Metafield]:
        wanted = None if namespace is None else self.resolve(namespace)
        found = [row for row in self.rows.values() if row.owner == owner and wanted in (None, row.namespace)]
        return sorted(found, key=lambda row: row.id)

    def refusal(self, entry: dict[str, Any], index: int) -> dict[str, Any] | None:
        """The platform's userError for one MetafieldsSetInput, or None when it may be written."""
        namespace = self.resolve(entry.get("namespace"))
        if namespace.startswith("app--") and not re.match(rf"app--{self.app_id}(--|$)", namespace):
            message = "Access to this namespace and key on Metafields for this resource type is not allowed."
            return _error("APP_NOT_AUTHORIZED", message, "metafields", str(index))
        for name, text, low, high in (("namespace", namespace, 3, 255), ("key", entry["key"], 2, 64)):
            if len(text) < low:
                message = f"{name.capitalize()} is too short (minimum is {low} characters)"
                return _error("TOO_SHORT", message, "metafields", str(index), name)
            if len(text) > high:
                message = f"{name.capitalize()} is too long (maximum is {high} characters)"
                return _error("TOO_LONG", message, "metafields", str(index), name)
        known = self.rows.get((entry["ownerId"], namespace, entry["key"]))
        kind = entry.get("type") or (known.type if known else None)
        if kind is None:
            return _error("INVALID_TYPE", "Type can't be blank", "metafields", str(index), "type")
        if fault := _value_fault(kind, entry["value"]):
            return _error("INVALID_VALUE", fault, "metafields", str(index), "value")
        return None

    def write(self, entry: dict[str, Any], *, number: int, now: str) -> Metafield:
        place = (entry["ownerId"], self.resolve(entry.get("namespace")), entry["key"])
        known = self.rows.get(place)
        if known is None:
            known = self.rows[place] = Metafield(
                id=number,
                owner=place[0],
                namespace=place[1],
                key=place[2],
                type=entry["type"],
                value=entry["value"],
                created_at=now,
                updated_at=now,
            )
        elif known.value != entry["value"]:
            known.value, known.updated_at = entry["value"], now
        return known

    @staticmethod
    def json_value(row: Metafield) -> Value:
        return orjson.loads(row.value) if row.type.startswith(JSON_TYPES) else row.value

    @staticmethod
    def digest(row: Metafield) -> str:
        return hashlib.sha256(row.value.encode()).hexdigest()


def _error(code: str, message: str, *field: str) -> dict[str, Any]:
    return {"field": list(field), "message": message, "code": code, "elementIndex": None}


def _value_fault(kind: str, value: str) -> str | None:
    if value == "":
        return "Value can't be blank."
    if kind == "single_line_text_field" and ("\n" in value or "\r" in value):
        return "Value must be a single line text string."
    if kind == "date" and not DATE.fullmatch(value):
        return "Value must be in YYYY-MM-DD format."
    if kind == "number_integer" and not INTEGER.fullmatch(value):
        return "Value must be an integer."
    return None
