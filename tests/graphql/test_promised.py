"""The names promised to callers and outside checks (`graphql_schema/promised`): all there, with their types."""

from pathlib import Path

import pytest
from graphql import (
    EnumTypeDefinitionNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    build_schema,
    parse,
    print_ast,
)

from graphql_schema.schema import print_schemas

PROMISED = Path(__file__).parents[2] / "graphql_schema" / "promised"
SCHEMAS = {name: build_schema(text) for name, text in print_schemas().items()}


def broken(promised: str, schema: GraphQLSchema) -> list[str]:
    """What of the promise a schema does not keep. A field may be surer than promised, an argument may be freer."""
    wrong: list[str] = []
    for kind in parse(promised).definitions:
        assert isinstance(kind, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | EnumTypeDefinitionNode)
        there = schema.type_map.get(kind.name.value)
        if isinstance(kind, EnumTypeDefinitionNode):
            values = there.values if isinstance(there, GraphQLEnumType) else {}
            wrong += [f"{kind.name.value}.{v.name.value}" for v in kind.values or () if v.name.value not in values]
            continue
        form = GraphQLObjectType if isinstance(kind, ObjectTypeDefinitionNode) else GraphQLInterfaceType
        if not isinstance(there, form):
            wrong.append(kind.name.value)
            continue
        wrong += [
            f"{kind.name.value} & {i.name.value}"
            for i in kind.interfaces or ()
            if i.name.value not in {j.name for j in there.interfaces}
        ]
        for field in kind.fields or ():
            name, of = f"{kind.name.value}.{field.name.value}", there.fields.get(field.name.value)
            if of is None or str(of.type) not in {print_ast(field.type), f"{print_ast(field.type)}!"}:
                wrong.append(f"{name}: {print_ast(field.type)}")
                continue
            for argument in field.arguments or ():
                given = of.args.get(argument.name.value)
                if (
                    given is None
                    or print_ast(argument.type) not in {str(given.type), f"{given.type}!"}
                    or (argument.default_value and written(argument) != written(given.ast_node))
                ):
                    wrong.append(f"{name}({print_ast(argument)})")
    return wrong


def written(argument: InputValueDefinitionNode | None) -> str | None:
    """The default of an argument."""
    return print_ast(argument.default_value) if argument is not None and argument.default_value is not None else None


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_promised_name_is_there_with_its_type(name: str) -> None:
    assert broken((PROMISED / name).read_text("utf-8"), SCHEMAS[name]) == []


def test_what_would_break_the_promise_is_seen() -> None:
    promised, now = (PROMISED / "schema.graphql").read_text("utf-8"), print_schemas()["schema.graphql"]
    for before, after, told in (
        ("  displayName: String\n", "  fullName: String\n", "Customer.displayName: String"),
        ("  historyFrom: DateTime\n", "  historyFrom: Int\n", "SyncStatus.historyFrom: DateTime"),
        (
            "recommendations(productIds: [ID!]!, customerId: ID,",
            "recommendations(productIds: [ID!]!, buyerId: ID,",
            "Query.recommendations(customerId: ID)",
        ),
        ("first: Int = 5, use", "first: Int = 6, use", "Query.recommendations(first: Int = 5)"),
        ("type LoyaltyOffer implements Offer", "type LoyaltyOffer", "LoyaltyOffer & Offer"),
        ("  LAST_ORDER_AT\n", "  LAST_SEEN_AT\n", "CustomerSortKey.LAST_ORDER_AT"),
    ):
        assert before in now
        changed = now.replace(before, after)
        if "LAST_ORDER_AT" in before:
            changed = changed.replace("= LAST_ORDER_AT", "= LAST_SEEN_AT")
        assert told in broken(promised, build_schema(changed, assume_valid=True)), told


def test_every_mutation_answers_with_user_errors() -> None:
    for schema in SCHEMAS.values():
        assert schema.mutation_type is not None
        for name, field in schema.mutation_type.fields.items():
            if name == "touchpointKeyRotate":  # takes nothing that a user could mend
                continue
            payload = schema.type_map[str(field.type).rstrip("!")]
            assert isinstance(payload, GraphQLObjectType)
            assert str(payload.fields["userErrors"].type) == "[UserError!]!", name
