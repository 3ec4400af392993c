"""Documents made at random from a schema: valid, within the limits, and asking for anything."""

import random

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

VALUES = {
    "id": ['"gid://shopify/Customer/6"', '"gid://rebloom/Segment/2"', '"gid://shopify/Customer/9001"', '"x"'],
    "query": ['"number_of_orders > 1"', "\"rfm_group = 'LOYAL'\"", '"nonsense ("'],
    "key": ['"buyer-activity"', '"other"'],
    "model": ['"buyer-activity"', '"other"', "null"],
    "first": ["1", "3", "7", "null"],
    "productIds": ["[]", '["gid://shopify/Product/1"]'],
    "customerId": ['"gid://shopify/Customer/4"', "null"],
    "since": ['"2026-01-01"'],
    "until": ['"2026-12-01"', '"2025-01-01"'],
    "asOf": ['"2026-10-15T00:00:00Z"', "null"],
    "sortKey": ["ID", "AMOUNT_SPENT"],
    "reverse": ["true", "false"],
    "stage": ['"departing"'],
    "placement": ["CART", "null"],
    "lapse": ["{ mode: ADAPTIVE }", "{ ladderDays: [3, 2, 1] }"],
    "input": ['{ key: "own", name: "Own", stages: [{ key: "all", name: "All", query: "number_of_orders >= 0" }] }'],
    "ids": ['["gid://rebloom/Segment/1", "gid://rebloom/Segment/2"]', "[]"],
    "points": ["2", "0", "null"],
    "name": ["ORDERS", "NET_SALES", "REPEAT_RATE"],
    "granularity": ["DAY", "MONTH"],
    "a": ['"buyer-activity"'],
    "endpointId": ['"gid://rebloom/WebhookEndpoint/1"'],
    "productId": ['"gid://shopify/Product/1"', '"gid://shopify/Product/9001"', "null"],
    "b": ['"reach-loyalty"', '"buyer-activity"'],
}


def some_field(rng: random.Random, name: str, field: GraphQLField, depth: int) -> str | None:
    """One field with arguments and, where it has any, fields of its own; None where the depth is used up."""
    given = []
    for argument, of in field.args.items():
        if argument in VALUES and (is_required_argument(of) or rng.random() < 0.5):
            given.append(f"{argument}: {rng.choice(VALUES[argument])}")
    arguments = f"({', '.join(given)})" if given else ""
    kind = get_named_type(field.type)
    if is_leaf_type(kind):
        return f"{name}{arguments}"
    below = some_fields(rng, kind, depth - 1) if depth else None
    return f"a{rng.randrange(10**9)}: {name}{arguments} {below}" if below else None


def some_fields(rng: random.Random, kind: GraphQLNamedType, depth: int) -> str:
    assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
    names = rng.sample(list(kind.fields), min(len(kind.fields), rng.randint(1, 4)))
    found = [text for name in names if (text := some_field(rng, name, kind.fields[name], depth))]
    if rng.random() < 0.2:
        found.append(f"... on {kind.name} {{ __typename }}")
    return "{ " + " ".join(found or ["__typename"]) + " }"


HEAD = "query($yes: Boolean!, $no: Boolean! = false, $n: Int = 3) "
_CHOICES = ["@include(if: $yes)", "@skip(if: $yes)", "@include(if: $no)", "@skip(if: $no) @include(if: $yes)"]


class Dressed:
    """Documents that ask in every way there is: fragments with and without a name, narrower and wider types, fields asked
    for twice, @skip and @include by variables, sizes by variables."""

    def __init__(self, rng: random.Random, schema: GraphQLSchema) -> None:
        self._rng, self._schema = rng, schema
        self._fragments: list[str] = []

    def document(self, depth: int) -> str:
        self._fragments = []
        root = self._schema.query_type
        assert root is not None
        asked = self._set(root, depth)
        # Each variable is used somewhere, as validation wants it.
        used = "__typename @include(if: $yes) @skip(if: $no) ...U"
        self._fragments.append(f"fragment U on Query {{ {self._sized()} }}")
        return " ".join([HEAD, "{", used, asked[1:-1], "}", *self._fragments])

    def _sized(self) -> str:
        """A field of either schema that takes the size by variable."""
        merchant = "segments" in getattr(self._schema.query_type, "fields", {})
        return (
            "u: segments(first: $n) { nodes { id } }"
            if merchant
            else "u: recommendations(productIds: [], first: $n) { because }"
        )

    def chance(self, of: float) -> bool:
        return self._rng.random() < of

    def _choice(self) -> str:
        return " " + self._rng.choice(_CHOICES) if self.chance(0.12) else ""

    def _set(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        names = self._rng.sample(list(kind.fields), min(len(kind.fields), self._rng.randint(1, 4)))
        found = [text for name in names for text in self._field(name, kind.fields[name], depth)]
        if self.chance(0.2):
            found.append("__typename" if self.chance(0.5) else "t: __typename" + self._choice())
        if self.chance(0.3):
            found.append(self._fragment(kind, depth))
        self._rng.shuffle(found)
        return "{ " + " ".join(found or ["__typename"]) + " }"

    def _fragment(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        near: list[GraphQLObjectType | GraphQLInterfaceType] = [kind, *kind.interfaces]
        if isinstance(kind, GraphQLInterfaceType):
            near += self._schema.get_possible_types(kind)
        of = self._rng.choice(near)
        below = self._set(of, depth - 1) if depth > 1 else "{ __typename }"
        if self.chance(0.5):
            return f"...{f' on {of.name}' if of is not kind or self.chance(0.5) else ''}{self._choice()} {below}"
        name = f"F{len(self._fragments)}"
        self._fragments.append(f"fragment {name} on {of.name} {below}")
        return " ".join([f"...{name}{self._choice()}"] * self._rng.randint(1, 2))

    def _field(self, name: str, field: GraphQLField, depth: int) -> list[str]:
        given = []
        for argument, of in field.args.items():
            if argument == "first" and self.chance(0.3):
                given.append("first: $n")
            elif argument in VALUES and (is_required_argument(of) or self.chance(0.4)):
                given.append(f"{argument}: {self._rng.choice(VALUES[argument])}")
            elif is_required_argument(of):
                return []
        head = f"{name}({', '.join(given)})" if given else name
        head = f"a{self._rng.randrange(10**9)}: {head}" if given or self.chance(0.2) else head
        kind = get_named_type(field.type)
        if is_leaf_type(kind):
            return [head + self._choice()] * self._rng.randint(1, 2)
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        if depth < 1:
            return []
        return [f"{head}{self._choice()} {self._set(kind, depth - 1)}" for _ in range(self._rng.choice([1, 1, 1, 2]))]
