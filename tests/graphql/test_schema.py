"""The promise: what is printed is what is committed, all of it described, every field with its scope."""

from pathlib import Path

import pytest
import strawberry
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema

import graphql_schema
from graphql_schema.access import Access, Scope
from graphql_schema.permissions import access_table
from graphql_schema.schema import MERCHANT_ACCESS, core, merchant_schema, print_schemas, storefront_schema
from plugin.partners import MERCHANT_SCOPES

FOLDER = Path(graphql_schema.__file__).parent
BOTH = [core(merchant_schema), core(storefront_schema)]


@pytest.mark.parametrize("name", ["schema.graphql", "storefront.graphql"])
def test_the_committed_schema_is_the_one_that_runs(name: str) -> None:
    """After a change on purpose: `python -c 'from graphql_schema.schema import write_schemas; write_schemas()'`."""
    assert (FOLDER / name).read_text(encoding="utf-8") == print_schemas()[name]


@pytest.mark.parametrize("schema", BOTH)
def test_every_type_field_and_enum_is_described(schema: GraphQLSchema) -> None:
    bare = []
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        if not kind.description:
            bare.append(name)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            bare += [f"{name}.{field}" for field, of in kind.fields.items() if not of.description]
        if isinstance(kind, GraphQLEnumType) and not kind.values:
            bare.append(name)
    assert bare == []


def test_a_field_without_a_scope_stops_the_program() -> None:
    @strawberry.type(directives=[Access(scope=Scope.READ_SHOP)])
    class Covered:
        fine: int

    @strawberry.type
    class Query:
        forgotten: int
        covered: Covered = strawberry.field(directives=[Access(scope=Scope.READ_SHOP)])

    with pytest.raises(ValueError, match=r"these fields name no scope: Query\.forgotten$"):
        access_table(core(strawberry.Schema(Query)))


def test_personal_fields_and_every_mutation_need_more_than_a_credential() -> None:
    writes = {field: scope for (kind, field), scope in MERCHANT_ACCESS.items() if kind == "Mutation"}
    assert all(scope.value.startswith("write_") for scope in writes.values())
    assert {scope for (kind, _), scope in MERCHANT_ACCESS.items() if kind == "Customer"} == {
        Scope.READ_CUSTOMERS, Scope.READ_OFFERS, Scope.READ_SEGMENTS, Scope.READ_TOUCHPOINTS,
    }  # fmt: skip
    anybody = {f"{kind}.{field}" for (kind, field), scope in MERCHANT_ACCESS.items() if scope is Scope.ANY}
    roots = {name for name in anybody if name.startswith(("Query.", "Mutation."))}
    assert roots == {"Query.node"}  # its resolver asks for the scope of what the id names


def test_the_scopes_are_those_that_tokens_can_have() -> None:
    assert {scope.value for scope in Scope} - {"any"} == MERCHANT_SCOPES


def test_the_storefront_can_name_nothing_but_offers_and_stages() -> None:
    kinds = {name for name, kind in core(storefront_schema).type_map.items() if isinstance(kind, GraphQLObjectType)}
    assert {name for name in kinds if not name.startswith("__")} == {
        "Money", "Mutation", "Offer", "Product", "ProductRecommendation", "Query", "Stage", "StorefrontOfferPayload",
            "TouchpointPayload",
        "UserError", "Viewer",
    }  # fmt: skip
