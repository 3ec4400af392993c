"""Each argument of the schemas that takes an id: another shop's is answered exactly as one that never existed.

The list of arguments is the schemas'; one that is new fails here until it has its line.
"""

import json
import re
from typing import Any

import pytest
from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from graphql_schema.schema import core, merchant_schema, storefront_schema
from plugin.settings import DOORS
from tests.support.graphql_world import CANARY, World, rows_of
from tests.support.small_shop import put

SCHEMAS = {"graphql": core(merchant_schema), "storefront": core(storefront_schema)}
PATHS = {"graphql": ("/graphql", "a"), "storefront": ("/storefront/graphql", "a:5")}
# Kind of id: one of B alone, one of nobody. Offers' are found by asking.
NUMBERS = {
    "shopify/Customer": ("9001", "9000"), "shopify/Product": ("6", "7"), "rebloom/Segment": ("6", "7"),
    "shopify/ProductVariant": ("61", "71"), "rebloom/PartnerToken": ("1", "2"), "shopify/Collection": ("9001", "9000"),
}  # fmt: skip
CUSTOMER, PRODUCT, SEGMENT = "shopify/Customer", "shopify/Product", "rebloom/Segment"
ENDPOINT, DELIVERY = "rebloom/WebhookEndpoint", "delivery"
COST = 'mutation { productCostsSet(costs: [{ %s, unitCost: { amount: "1", currencyCode: "EUR" } }]) * }'
TOUCHPOINT = 'mutation { touchpointRecord(input: [{ id: "t-%s", kind: VISIT, visitor: "v", %s: "@" }]) * }'
# Argument: kinds of id, documents with @ for the id and * for all that can be read of the answer.
READS: dict[str, list[tuple[str, str]]] = {
    "Query.node(id)": [(CUSTOMER, '{ node(id: "@") * }'), (SEGMENT, '{ node(id: "@") * }')],
    "Query.customer(id)": [
        (CUSTOMER, '{ customer(id: "@") * }'), (CUSTOMER, '{ customer(id: "@", asOf: "2026-11-01T00:00:00Z") * }'),
    ],
    "Query.segment(id)": [(SEGMENT, '{ segment(id: "@") * }')],
    "Query.segmentOverlap(ids)": [(SEGMENT, '{ segmentOverlap(ids: ["gid://rebloom/Segment/1", "@"]) * }')],
    "Query.recommendations(productIds)": [(PRODUCT, '{ recommendations(productIds: ["@"]) * }')],
    "Query.recommendations(customerId)": [(CUSTOMER, '{ recommendations(productIds: [], customerId: "@") * }')],
    "Query.productCosts(productId)": [(PRODUCT, '{ productCosts(productId: "@", first: 2) * }')],
    "Query.webhookDeliveries(endpointId)": [(ENDPOINT, '{ webhookDeliveries(endpointId: "@", first: 2) * }')],
}  # fmt: skip
WRITES: dict[str, list[tuple[str, str]]] = {
    "Mutation.partnerTokenRevoke(id)": [("rebloom/PartnerToken", 'mutation { partnerTokenRevoke(id: "@") * }')],
    "Mutation.segmentUpdate(id)": [(SEGMENT, 'mutation { segmentUpdate(id: "@", name: "taken over") * }')],
    "Mutation.segmentDelete(id)": [(SEGMENT, 'mutation { segmentDelete(id: "@") * }')],
    "Mutation.loyaltyRedeem(customerId)": [(CUSTOMER, 'mutation { loyaltyRedeem(customerId: "@", reward: "five") * }')],
    "Mutation.referralCodeCreate(customerId)": [(CUSTOMER, 'mutation { referralCodeCreate(customerId: "@") * }')],
    "Mutation.offerAccept(id)": [("rebloom/Offer", 'mutation { offerAccept(id: "@") * }')],
    "Mutation.offerDismiss(id)": [("rebloom/Offer", 'mutation { offerDismiss(id: "@") * }')],
    "Mutation.webhookEndpointUpdate(id)": [(ENDPOINT, 'mutation { webhookEndpointUpdate(id: "@", enabled: false) * }')],
    "Mutation.webhookEndpointDelete(id)": [(ENDPOINT, 'mutation { webhookEndpointDelete(id: "@") * }')],
    "Mutation.webhookSecretRotate(id)": [(ENDPOINT, 'mutation { webhookSecretRotate(id: "@") * }')],
    "Mutation.webhookDeliveryResend(id)": [(DELIVERY, 'mutation { webhookDeliveryResend(id: "@") * }')],
    "ProductCostInput.productId": [(PRODUCT, COST % 'productId: "@"')],
    "ProductCostInput.variantId": [
        ("shopify/ProductVariant", COST % 'productId: "gid://shopify/Product/1", variantId: "@"'),
    ],
    "TouchpointInput.customerId": [(CUSTOMER, TOUCHPOINT % (1, "customerId"))],
    "TouchpointInput.productId": [(PRODUCT, TOUCHPOINT % (2, "productId"))],
    "TouchpointInput.collectionId": [("shopify/Collection", TOUCHPOINT % (3, "collectionId"))],
}  # fmt: skip
AT_THE_STOREFRONT: dict[str, list[tuple[str, str]]] = {
    "Query.recommendations(productIds)": READS["Query.recommendations(productIds)"],
    "Viewer.recommendations(productIds)": [(PRODUCT, '{ viewer { recommendations(productIds: ["@"]) * } }')],
    **{name: WRITES[name] for name in ("Mutation.offerAccept(id)", "Mutation.offerDismiss(id)")},
    **{name: cases for name, cases in WRITES.items() if name.startswith("TouchpointInput.")},
}
CASES = {"graphql": {**READS, **WRITES}, "storefront": AT_THE_STOREFRONT}
# A name the caller makes up, of no shop's row; filters on what the shop itself is told.
OF_THE_CALLER = {"TouchpointInput.id", "Subscription.segmentJoined(segmentId)", "Subscription.segmentLeft(segmentId)"}
LONG = {"edges", "supersededHistory", "offerDecisions"}  # the same rows again, or more than a query may cost
FIRST = re.compile(r"\b(\w+)\((?:id|ids|productIds|customerId|endpointId|input|costs|productId):")


def takes_ids(schema: GraphQLSchema) -> set[str]:
    found = set()
    for kind in schema.type_map.values():
        if kind.name.startswith("__"):
            continue
        if isinstance(kind, GraphQLInputObjectType):
            found |= {f"{kind.name}.{name}" for name, of in kind.fields.items() if get_named_type(of.type).name == "ID"}
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            found |= {
                f"{kind.name}.{field}({name})"
                for field, of in kind.fields.items()
                for name, argument in of.args.items()
                if get_named_type(argument.type).name == "ID"
            }
    return found


@pytest.mark.parametrize("door", DOORS)
def test_every_argument_that_takes_an_id_has_its_line(door: str) -> None:
    assert takes_ids(SCHEMAS[door]) - OF_THE_CALLER == set(CASES[door])


def everything_of(schema: GraphQLSchema, kind: GraphQLNamedType, depth: int = 3) -> str:
    """A selection of all that can be read of a type, lists two rows long."""
    if isinstance(kind, GraphQLAbstractType):
        parts = [f"... on {one.name} {leaves(one, f'{one.name}_')}" for one in schema.get_possible_types(kind)]
        return "{ __typename " + " ".join(parts) + " }"
    assert isinstance(kind, GraphQLObjectType)
    below = [
        f"{name}{'(first: 2)' if 'first' in of.args else ''} {everything_of(schema, get_named_type(of.type), depth - 1)}"
        for name, of in optional(kind).items()
        if depth > 1 and not is_leaf_type(get_named_type(of.type)) and name not in LONG
    ]
    return leaves(kind)[:-1] + " ".join(below) + " }"


def leaves(kind: GraphQLObjectType, prefix: str = "") -> str:
    named = [name for name, of in optional(kind).items() if is_leaf_type(get_named_type(of.type))]
    return "{ __typename " + " ".join(f"{prefix}{name}: {name}" if prefix else name for name in named) + " }"


def optional(kind: GraphQLObjectType) -> dict[str, GraphQLField]:
    return {name: of for name, of in kind.fields.items() if not any(map(is_required_argument, of.args.values()))}


def whole(door: str, coordinate: str, document: str) -> str:
    schema, field = SCHEMAS[door], FIRST.search(document)
    assert field is not None
    type_name = "Viewer" if coordinate.startswith("Viewer.") else "Mutation" if "mutation" in document else "Query"
    of = schema.type_map[type_name].fields[field[1]]
    return document.replace("*", everything_of(schema, get_named_type(of.type)))


async def of_b(world: World) -> dict[str, tuple[str, str]]:
    """The ids to ask with, B's made true: whole ids, the foreign one and the one of nobody."""
    await put(world.store.database, "products", [{"id": 6, "title": f"Only {CANARY}", "price": 1}], world.b.id)
    await world.store.database.execute(
        "INSERT INTO variants (shop_id, id, product_id, title, available, stated_at) VALUES ($1, 61, 6, $2, $3, 0)",
        world.b.id, CANARY, True,
    )  # fmt: skip
    stated = COST % 'productId: "gid://shopify/Product/6", variantId: "gid://shopify/ProductVariant/61"'
    assert (await world.data(stated.replace("*", "{ changed }"), caller="b"))["productCostsSet"] == {"changed": 1}
    made = await world.data(
        """mutation($name: String!) {
          segmentCreate(name: $name, query: "number_of_orders > 0") { segment { id } }
          partnerTokenCreate(name: $name, scopes: ["read_shop"]) { partnerToken { id } userErrors { code } }
          webhookEndpointCreate(url: "http://127.0.0.1:9/", query: "subscription { syncFinished { at } }") {
            endpoint { id }
          }
        }""",
        caller="b", name=f"six {CANARY}",
    )  # fmt: skip
    assert made["segmentCreate"]["segment"]["id"] == "gid://rebloom/Segment/6"
    assert made["partnerTokenCreate"]["partnerToken"]["id"] == "gid://rebloom/PartnerToken/1"
    endpoint = made["webhookEndpointCreate"]["endpoint"]["id"]
    number = int(endpoint.rpartition("/")[2])
    await world.store.database.execute(
        "INSERT INTO webhook_deliveries (shop_id, endpoint_id, number, payload, state, attempts, created_at)"
        " VALUES ($1, $2, 1, $3, 'failed', 10, 0)",
        world.b.id, number, world.store.vault.seal(CANARY),
    )  # fmt: skip
    customer = '{ customer(id: "gid://shopify/Customer/9001") { offers(first: 1) { id } } }'
    offer = (await world.data(customer, caller="b"))["customer"]["offers"][0]["id"]
    assert offer.startswith("gid://rebloom/Offer/9001-")
    ids = {kind: (f"gid://{kind}/{foreign}", f"gid://{kind}/{never}") for kind, (foreign, never) in NUMBERS.items()}
    ids[ENDPOINT] = (endpoint, f"gid://rebloom/WebhookEndpoint/{number + 1}")
    ids[DELIVERY] = (f"msg_{world.b.id}_{number}_1", f"msg_{world.b.id}_{number}_2")
    return {**ids, "rebloom/Offer": (offer, "gid://rebloom/Offer/9000-" + offer.rpartition("-")[2])}


def without(body: dict[str, Any], identifier: str) -> str:
    """An answer without what differs by nature: its own id and the bucket. What was asked may be said again."""
    for error in body.get("errors", []):
        error["extensions"].pop("requestId")
    body["extensions"]["cost"].pop("throttleStatus")
    return json.dumps(body, sort_keys=True).replace(identifier, "ID")


@pytest.mark.parametrize("door", DOORS)
async def test_another_shops_id_is_answered_like_one_that_never_existed(world: World, door: str) -> None:
    path, caller = PATHS[door]
    ids = await of_b(world)
    before = await rows_of(world.store, world.b.id)
    for coordinate, cases in CASES[door].items():
        for kind, document in cases:
            asked, answers = whole(door, coordinate, document), []
            for identifier in ids[kind]:
                world.seconds[0] += 60
                text = asked.replace("@", identifier).replace('"t-', f'"{len(answers)}-')
                body = await world.ask(text, caller=caller, path=path)
                assert CANARY.lower() not in json.dumps(body).lower(), (coordinate, body)
                assert "DOCUMENT_LIMIT" not in json.dumps(body), coordinate
                assert "MAX_COST" not in json.dumps(body), (coordinate, body)
                answers.append(without(body, identifier))
            assert answers[0] == answers[1], coordinate
    assert await rows_of(world.store, world.b.id) == before


async def test_what_is_asked_for_is_there_for_its_own_shop(world: World) -> None:
    """The counter-proof: the same documents show B the canary."""
    ids = await of_b(world)
    for coordinate in (
        "Query.node(id)", "Query.customer(id)", "Query.segment(id)", "Query.segmentOverlap(ids)",
        "Query.webhookDeliveries(endpointId)", "Query.productCosts(productId)",
    ):  # fmt: skip
        for kind, document in READS[coordinate]:
            world.seconds[0] += 60
            body = await world.ask(whole("graphql", coordinate, document).replace("@", ids[kind][0]), caller="b")
            assert CANARY.lower() in json.dumps(body).lower(), (coordinate, body)
