"""A plan answers byte for byte what the library answers, is used where it can be, and leaves the rest to the library."""

import asyncio
import gc
import random
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import ref

import orjson
import pytest
from graphql import GraphQLSchema

from graphql_schema import execution, plan
from graphql_schema.context import Context
from graphql_schema.customers import many
from graphql_schema.documents import Documents, InvalidDocumentError
from graphql_schema.plan import Planned, Plans
from graphql_schema.schema import core, merchant_schema, storefront_schema
from plugin.errors import BadRequestError
from plugin.ledger import readers
from tests.bench.api_server import PAGE
from tests.support.documents import Dressed, some_fields
from tests.support.graphql_world import World

MERCHANT, STOREFRONT = core(merchant_schema), core(storefront_schema)


@dataclass(slots=True)
class Watch:
    """What plans answered; `off`: everything is the library's."""

    answers: list[bool] = field(default_factory=list)
    off: bool = False


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found, planned = Watch(), Plans.data

    async def watched(self: Plans, query: Planned, context: Context, given: Mapping[str, Any]) -> dict[str, Any] | None:
        data = None if found.off else await planned(self, query, context, given)
        found.answers.append(data is not None)
        return data

    monkeypatch.setattr(Plans, "data", watched)
    return found


def known(error: dict[str, Any]) -> tuple[str, str, str]:
    """Of several rows that fail where none may, it is chance even within the library which one is told."""
    place = ".".join("n" if isinstance(part, int) else part for part in error.get("path", []))
    return error["message"], error["extensions"]["code"], place


@dataclass(slots=True)
class Both:
    world: World
    watch: Watch

    async def asked(self, text: str, *, off: bool, **more: Any) -> tuple[bytes, bool]:
        """The body without what differs from request to request, and whether a plan made it."""
        self.watch.off, self.watch.answers[:] = off, []
        self.world.seconds[0] += 60
        body = await self.world.ask(text, **more)
        if "errors" in body:
            body["errors"] = sorted({known(error) for error in body["errors"]})
        return orjson.dumps(body), any(self.watch.answers)

    async def alike(self, text: str, **more: Any) -> tuple[dict[str, Any], bool]:
        """The answer and whether a plan made it."""
        library, _ = await self.asked(text, off=True, **more)
        planned, used = await self.asked(text, off=False, **more)
        assert planned == library, text
        return orjson.loads(planned), used


@pytest.fixture
def both(world: World, watch: Watch) -> Both:
    return Both(world, watch)


def valid(schema: GraphQLSchema, text: str) -> bool:
    try:
        Documents(schema).checked(text)
    except InvalidDocumentError:
        return False
    return True


async def held_to_the_library(both: Both, texts: list[str], **more: Any) -> int:
    """How many a plan answered. It answers whatever has no errors."""
    used = 0
    for text in texts:
        variables = {"yes": True, "no": False} if "$yes" in text else {}
        for changed in ({}, {"yes": False}, {"no": True, "n": 1}) if variables else ({},):
            body, planned = await both.alike(text, **more, **{**variables, **changed})
            if body.get("data") and not body.get("errors"):
                assert planned, text
            used += planned
    return used


async def test_generated_documents_are_answered_as_the_library_does(both: Both) -> None:
    rng, root = random.Random(20261127), MERCHANT.query_type
    assert root is not None
    texts = [text for _ in range(40) if valid(MERCHANT, text := some_fields(rng, root, 6))]
    assert await held_to_the_library(both, texts) > len(texts) / 4


async def test_documents_with_fragments_and_choices_are_answered_as_the_library_does(both: Both) -> None:
    dressed = Dressed(random.Random(20261128), MERCHANT)
    texts = [text for _ in range(40) if valid(MERCHANT, text := dressed.document(4))]
    assert await held_to_the_library(both, texts) > len(texts) / 4


async def test_documents_of_the_storefront_are_answered_as_the_library_does(both: Both) -> None:
    dressed = Dressed(random.Random(20261129), STOREFRONT)
    texts = [text for _ in range(40) if valid(STOREFRONT, text := dressed.document(4))]
    for caller in ("a:4", "a:"):
        used = await held_to_the_library(both, texts, caller=caller, path="/storefront/graphql")
        assert used > len(texts) / 4


CUSTOMERS = "customers(first: 7, sortKey: ID) { nodes { %s } }"
DOCUMENTS: dict[str, str] = {
    "the page that is measured": PAGE,
    "one field under two names": "{ " + CUSTOMERS % "a: id b: id id a: id" + " }",
    "one place asked for twice": "{ " + CUSTOMERS % "stage { rung } stage { stage { key } } tags stage { stage { name key } }" + " }",
    "nulls": "{ " + CUSTOMERS % "id rfm { group asOf } stage { rung validUntil } predictions { lifetimeValue { amount } }" + " }",
    "interfaces": '{ a: node(id: "gid://shopify/Customer/6") { __typename id ... on Customer { tags } ... on Segment { name } }'
    ' b: node(id: "gid://rebloom/Segment/2") { id ...S ... on Node { again: id } } } fragment S on Segment { name id count }',
    "offers of several kinds": "{ " + CUSTOMERS % ("offers { id kind because { text } ... on CrossSellOffer { products { score product"
    " { title price { amount currencyCode } } } } ... on LoyaltyOffer { tier } ... on ReplenishmentOffer { dueAt product { id } } }") + " }",
    "cursors and edges": "{ customers(last: 3) { edges { cursor node { id } } nodes { segments(first: 1) { edges { cursor } pageInfo"
    " { endCursor startCursor hasNextPage hasPreviousPage } } } pageInfo { startCursor endCursor hasPreviousPage } } }",
    "rows in rows": "{ segments(first: 3) { nodes { name count customers(first: 4) { nodes { email stage { stage { key } }"
    " segments(first: 2) { nodes { id count } } } } } } }",
    "nobody": '{ customers(query: "number_of_orders > 999") { nodes { id stage { rung } } edges { cursor } pageInfo { endCursor } } }',
    "what is nothing": '{ customer(id: "gid://shopify/Customer/999") { stage { rung } } node(id: "gid://rebloom/Segment/99") { id } }',
    "no object of a list": "{ shop { recommender { use } } lifecycleModels { variants { key } stages { position } } }",
    "money, days and instants": "{ " + CUSTOMERS % "measures { netSpend { amount } averageOrderValue { amount } firstOrderAt addedAt"
    " orderGapMedianDays refundRate }" + " }",
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_document_is_answered_by_a_plan_as_the_library_does(both: Both, name: str) -> None:
    body, used = await both.alike(DOCUMENTS[name])
    assert "errors" not in body
    assert used


CHOICES = """query($a: Boolean!, $b: Boolean = true, $size: Int) { customers(first: 3, sortKey: ID) { nodes {
  ...Late @skip(if: $a) tags id @include(if: $b) ...Late stage @include(if: $a) { rung }
  ... @include(if: $b) @skip(if: $a) { stage { stage { key } } segments(first: $size) { nodes { id } } } } } }
fragment Late on Customer { stage { since } email id }"""


@pytest.mark.parametrize("a", [True, False])
@pytest.mark.parametrize("b", [True, False])
async def test_choices_change_what_is_asked_and_in_which_order(both: Both, a: bool, b: bool) -> None:
    for more in ({}, {"size": 1}, {"size": None}):
        _, used = await both.alike(CHOICES, a=a, b=b, **more)
        assert used


FAILING = {
    "a resolver": "{ shop { name } " + CUSTOMERS % 'id stage(model: "reach-loyalty") { rung }' + " }",
    "a resolver in a place that may be null": '{ a: customer(id: "x") { id } shop { name } }',
    "an argument": '{ shop { name } customersCount(query: "nonsense (") { count } }',
    "a cursor of another list": "{ " + CUSTOMERS % 'segments(after: "abc") { nodes { id } }' + " }",
    "sizes": "{ " + CUSTOMERS % "id segments(first: 1, last: 1) { nodes { id } }" + " }",
}


@pytest.mark.parametrize("name", FAILING)
async def test_what_fails_is_answered_by_the_library(both: Both, name: str) -> None:
    body, used = await both.alike(FAILING[name])
    assert body["errors"]
    assert not used


async def test_variables_that_do_not_fit_are_refused_by_the_library(both: Both) -> None:
    text = (
        "query($n: Int!, $at: DateTime) { "
        + CUSTOMERS.replace("7", "$n") % "id"
        + (' customer(id: "gid://shopify/Customer/1", asOf: $at) { id } }')
    )
    for variables in ({}, {"n": None}, {"n": "3"}, {"n": [1]}, {"n": 2, "at": "yesterday"}):
        body, used = await both.alike(text, **variables)
        assert body["errors"]
        assert "data" not in body
        assert not used
    body, used = await both.alike(text, n=2, at="2026-10-15T00:00:00Z", other=3)
    assert "errors" not in body
    assert used


async def test_introspection_and_mutations_are_the_librarys(both: Both) -> None:
    for text in ("{ __schema { queryType { name } } shop { name } }", '{ __type(name: "Customer") { name } }'):
        _, used = await both.alike(text)
        assert not used
    both.watch.off, both.watch.answers[:] = False, []
    await both.world.data('mutation { segmentDelete(id: "gid://rebloom/Segment/5") { deletedSegmentId } }')
    assert both.watch.answers == []


async def test_a_form_for_many_that_fails_gives_each_its_own_answer(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = many._placed

    async def broken(customers: Any, info: Any) -> Any:
        found = await placed(customers, info)
        return [[] if each.row.id == 3 else rows for each, rows in zip(customers, found, strict=True)]

    monkeypatch.setattr(many, "_placed", broken)
    body, used = await both.alike("{ " + CUSTOMERS % "id stage { rung }" + " }")
    assert not used
    assert [place for _, _, place in body["errors"]] == ["customers.nodes.n.stage"]


async def test_trouble_of_the_database_is_told_at_once_and_not_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def busy(*arguments: Any, **_: Any) -> Any:
        asked.append(arguments)
        error = sqlite3.OperationalError("locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    monkeypatch.setattr(readers, "customers_page", busy)
    reply = await world.client.post(
        "/graphql",
        json={"query": "{ customers { nodes { id } } shop { name } }"},
        headers={"Authorization": "Bearer a"},
    )
    assert (reply.status_code, len(asked)) == (503, 1)


async def test_what_takes_too_long_ends_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    async def slow(*_: Any, **__: Any) -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    monkeypatch.setattr(execution, "_DEADLINE", 0.2)
    monkeypatch.setattr(readers, "customers_page", slow)
    text = "{ a: customers { nodes { id } } b: customers { nodes { id } } }"
    reply = await world.client.post("/graphql", json={"query": text}, headers={"Authorization": "Bearer a"})
    assert (reply.status_code, ended) == (503, [True, True])


async def test_neighbours_of_what_fails_end_before_the_library_begins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = [0], [0]

    async def slow(*_: Any, **__: Any) -> Any:
        running[0] += 1
        most[0] = max(most[0], running[0])
        try:
            await asyncio.sleep(0.05)
        finally:
            running[0] -= 1
        raise BadRequestError("no")

    monkeypatch.setattr(readers, "customers_page", slow)
    body = await world.ask("{ a: customers { nodes { id } } b: customers { nodes { id } } }")
    assert (running, most) == ([0], [2])
    assert body["data"] is None


async def test_requests_at_the_same_time_share_a_plan_and_nothing_else(world: World, watch: Watch) -> None:
    text = "query($n: Int) { customers(first: $n) { nodes { id displayName stage { rung } segments { nodes { name } } } } }"
    shops = ["a", "b", "a:read_customers,read_segments"]
    asked = [(shops[turn % 3], turn % 5 + 1) for turn in range(30)]
    alone = {each: await world.data(text, caller=each[0], n=each[1]) for each in set(asked)}
    watch.answers.clear()
    together = await asyncio.gather(*(world.data(text, caller=caller, n=size) for caller, size in asked))
    assert together == [alone[each] for each in asked]
    assert watch.answers == [True] * 30


async def test_plans_that_are_kept_are_bounded_by_their_number_and_by_their_fields() -> None:
    plans, documents = Plans(merchant_schema), Documents(MERCHANT)
    fields, kept = " ".join(f"a{number}: domain" for number in range(59)), list[Planned]()
    context = cast(
        "Context", None
    )  # nothing is asked of it before a resolver is called, which fails and is left to the library
    for number in range(600):
        text = f"query Q{number} {{ shop {{ {'' if number % 2 else fields} name }} }}"
        checked = documents.checked(text)
        kept.append(Planned.of(checked.operation(None), checked.fragments))
        await plans.data(kept[-1], context, {})
        assert len(plans._kept) <= 512
        assert plans._steps == sum(plan.steps for each in kept for plan in each.plans.values()) <= 60_000
    assert sum(len(each.plans) for each in kept) == len(plans._kept) == 512


async def test_a_long_document_is_planned_in_linear_time_and_one_that_is_too_long_is_not() -> None:
    documents = Documents(MERCHANT)
    within = " ".join(
        f'x{n}: node(id: "gid://shopify/Customer/{n + 1}") {{ id ... on Customer {{ tags }} }}' for n in range(50)
    )
    checked = documents.checked(f"{{ {within} }}")
    plans = Plans(merchant_schema)
    await plans.data(Planned.of(checked.operation(None), checked.fragments), cast("Context", None), {})
    assert 200 <= plans._steps <= 260


async def test_plans_by_their_fields_and_a_document_that_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_KEPT_STEPS", 150)
    documents, context = Documents(MERCHANT), cast("Context", None)
    plans, kept = Plans(merchant_schema), list[Planned]()
    for number in range(9):
        checked = documents.checked("{ shop { " + " ".join(f"a{number}{each}: domain" for each in range(40)) + " } }")
        kept.append(Planned.of(checked.operation(None), checked.fragments))
        await plans.data(kept[-1], context, {})
        await plans.data(kept[0], context, {})  # used again and again: it stays
        assert plans._steps <= 150
    assert [len(each.plans) for each in kept] == [1, 0, 0, 0, 0, 0, 0, 1, 1]
    gone = ref(kept.pop(0))
    del checked
    documents._kept.clear()
    gc.collect()
    assert gone() is None


async def test_each_choice_has_its_plan_and_an_operation_is_prepared_once(world: World, watch: Watch) -> None:
    text = "query A($a: Boolean!, $b: Boolean!) { shop { name @skip(if: $a) domain @include(if: $b) } } query B { __typename }"
    for a in (True, False, True):
        for b in (True, False):
            reply = await world.client.post(
                "/graphql",
                json={"query": text, "operationName": "A", "variables": {"a": a, "b": b}},
                headers={"Authorization": "Bearer a"},
            )
            shown = reply.json()["data"]["shop"]
            assert set(shown) == {name for name, on in (("name", not a), ("domain", b)) if on}
    assert watch.answers == [True] * 6
