"""Every document we send, against the platform's own 2026-10 schema."""

import gzip
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    get_named_type,
    parse,
    specified_rules,
    validate,
    visit,
)

from integrations.shopify.imports import swap_call
from integrations.shopify.oauth import missing_scopes
from integrations.shopify.queries import document
from plugin.ports import TagChange
from plugin.settings import DEFAULT_API_VERSION, DEFAULT_SCOPES
from plugin.sync.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "integrations" / "shopify" / "queries").glob("*.graphql"))


@cache
def raw_schema() -> dict[str, Any]:
    path = ROOT / "node_modules/@shopify/dev-mcp/dist/data" / f"admin_{DEFAULT_API_VERSION}.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))["data"]


@cache
def schema() -> GraphQLSchema:
    return build_client_schema(raw_schema(), assume_valid=True)


@cache
def required_access() -> dict[str, str]:
    """What the platform says of access to each type and `Type.field`."""
    texts: dict[str, str] = {}
    for kind in raw_schema()["__schema"]["types"]:
        texts[kind["name"]] = kind.get("requiredAccess") or ""
        for field in kind.get("fields") or ():
            texts[f"{kind['name']}.{field['name']}"] = field.get("requiredAccess") or ""
    return texts


class _Names(Visitor):
    """Types and fields a document reads."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.names: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, kind = self.info.get_parent_type(), self.info.get_type()
        assert parent is not None
        assert kind is not None
        self.names |= {f"{parent.name}.{node.name.value}", get_named_type(kind).name}


def names_in(text: DocumentNode) -> set[str]:
    info = TypeInfo(schema())
    found = _Names(info)
    visit(text, TypeInfoVisitor(info, found))
    return found.names


def document_texts() -> dict[str, str]:
    swap = swap_call([TagChange(customer_id=1, add=("a",), remove=("b",)), TagChange(customer_id=2, add=(), remove=())])
    assert swap is not None
    return {**{name: document(name) for name in NAMES}, "SwapTags": swap.document}


@pytest.mark.parametrize("name", [*NAMES, "SwapTags"])
def test_a_document_is_valid_and_selects_nothing_deprecated(name: str) -> None:
    parsed = parse(document_texts()[name])
    assert validate(schema(), parsed, [*specified_rules, NoDeprecatedCustomRule]) == []
    assert [definition.name.value for definition in parsed.definitions] == [name]  # type: ignore[attr-defined]  # operations


@pytest.mark.parametrize("name", [*NAMES, "SwapTags"])
def test_the_scopes_we_ask_for_cover_a_document(name: str) -> None:
    for used in sorted(names_in(parse(document_texts()[name]))):
        scopes = re.findall(r"`((?:read|write)_[a-z_]+)`", required_access().get(used, ""))
        granted = frozenset(DEFAULT_SCOPES)
        assert not scopes or any(not missing_scopes(granted, (scope,)) for scope in scopes), (used, scopes)


def _selected(text: str, path: str) -> str:
    """The selection under a dotted path of fields, as plain text."""
    node: Any = parse(text).definitions[0]
    for name in path.split("."):
        node = next(each for each in node.selection_set.selections if each.name.value == name)
    children = {"lineItems", "variants"}
    from graphql import print_ast

    return " ".join(
        sorted(print_ast(each) for each in node.selection_set.selections if each.name.value not in children)
    )


@pytest.mark.parametrize(
    ("bulk", "others"),
    [
        (
            ("BulkCustomers", "customers.edges.node"),
            [("CustomersPage", "customers.nodes"), ("CustomerById", "customer")],
        ),
        (("BulkOrders", "orders.edges.node"), [("OrdersPage", "orders.nodes"), ("OrderById", "order")]),
        (("BulkProducts", "products.edges.node"), [("ProductsPage", "products.nodes"), ("ProductById", "product")]),
        (
            ("BulkOrders", "orders.edges.node.lineItems.edges.node"),
            [
                ("OrdersPage", "orders.nodes.lineItems.nodes"),
                ("OrderById", "order.lineItems.nodes"),
                ("OrderLines", "order.lineItems.nodes"),
            ],
        ),
        (
            ("BulkProducts", "products.edges.node.variants.edges.node"),
            [
                ("ProductsPage", "products.nodes.variants.nodes"),
                ("ProductById", "product.variants.nodes"),
                ("ProductVariants", "product.variants.nodes"),
            ],
        ),
    ],
)
def test_a_node_has_the_same_fields_by_whatever_way_it_comes(
    bulk: tuple[str, str], others: list[tuple[str, str]]
) -> None:
    wanted = _selected(document(bulk[0]), bulk[1])
    assert {_selected(document(name), path) for name, path in others} == {wanted}


@pytest.mark.parametrize("name", ["BulkCustomers", "BulkOrders", "BulkProducts"])
def test_a_bulk_query_keeps_the_platforms_rules(name: str) -> None:
    text = document(name)
    assert len(text.encode()) < 65_535
    assert "nodes" not in text
    assert "$" not in text
    assert text.count("edges {") <= 2
    assert "id" in _selected(text, f"{parse(text).definitions[0].selection_set.selections[0].name.value}.edges.node")  # type: ignore[attr-defined]  # operations


def test_every_topic_we_subscribe_to_exists() -> None:
    topics = schema().type_map["WebhookSubscriptionTopic"].values  # type: ignore[attr-defined]  # an enum
    assert set(TOPICS) <= set(topics)
    assert len(set(TOPICS)) == len(TOPICS)
