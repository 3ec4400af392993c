"""Trusted documents: asked for by id, priced as any other, and alone where the installation says so."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphql_schema.registered import listed, trusted_documents
from graphql_schema.trusted import document_id, own_document
from plugin.errors import SettingsError
from plugin.ledger.store import Store
from plugin.settings import DOORS, read_settings
from plugin.web.app import create_app
from tests.conftest import ENVIRONMENT
from tests.support.graphql_world import World, running_world

FOLDER = Path(__file__).parents[2] / "graphql_schema" / "trusted"
WIDGET = Path(__file__).parents[2] / "deploy" / "extensions" / "rebloom" / "assets" / "rebloom.js"
PAGE = own_document("graphql", "page")
OFFERS = own_document("storefront", "offers")
STORE = "/storefront/graphql"
NEVER = "sha256:" + "0" * 64


def text_of(door: str, name: str) -> str:
    return (FOLDER / door / f"{name}.graphql").read_bytes().decode()


async def post(
    world: World, body: dict[str, Any], caller: str = "a", path: str = "/graphql", **more: str
) -> httpx.Response:
    return await world.client.post(path, json=body, headers={"Authorization": f"Bearer {caller}", **more})


def without_id(body: dict[str, Any]) -> dict[str, Any]:
    body["extensions"]["cost"].pop("throttleStatus")
    return body


def test_an_id_is_that_of_the_specifications_example_and_of_sha256sum() -> None:
    text = "query ($id: ID!) {\n  user(id: $id) {\n    name\n  }\n}"
    assert document_id(text) == "sha256:7dba4bd717b41f10434822356a93c32b1fb4907b983e854300ad839f84cdcd6e"


async def test_a_document_named_by_its_id_is_answered_and_priced_as_its_text(world: World) -> None:
    for path, caller, door, name, variables in (
        ("/graphql", "a", "graphql", "page", {}),
        ("/graphql", "a", "graphql", "plays", {}),
        (STORE, "a:4", "storefront", "offers", {"first": 2}),
        (STORE, "a:", "storefront", "recommendations", {"productIds": ["gid://shopify/Product/1"]}),
    ):
        named = await post(world, {"documentId": own_document(door, name), "variables": variables}, caller, path)
        told = await post(world, {"query": text_of(door, name), "variables": variables}, caller, path)
        assert named.status_code == told.status_code == 200
        assert without_id(named.json()) == without_id(told.json())
        assert named.json()["data"]
        assert named.json()["extensions"]["cost"]["requestedQueryCost"] > 1


async def test_a_document_named_by_its_id_can_be_asked_for_by_get_unless_it_writes(world: World) -> None:
    headers = {"Authorization": "Bearer a:4"}
    asked = {"documentId": OFFERS, "variables": '{"first":1}'}
    read = await world.client.get(STORE, params=asked, headers=headers)
    assert len(read.json()["data"]["viewer"]["offers"]) == 1
    write = {"documentId": own_document("storefront", "accept"), "variables": '{"id":"gid://rebloom/Offer/4-1"}'}
    assert (await world.client.get(STORE, params=write, headers=headers)).status_code == 405
    page = await world.client.get("/graphql", params={"documentId": PAGE}, headers={"Accept": "text/html, */*"})
    assert page.status_code == 401  # a question, not somebody who wants to see the explorer


async def test_an_unknown_id_runs_nothing(world: World) -> None:
    """That of the other endpoint's document is unknown, too."""
    for identifier in (NEVER, "sha256:", "", "x-own:page", OFFERS, PAGE.upper(), "page"):
        reply = await post(world, {"documentId": identifier})
        assert (reply.status_code, set(reply.json())) == (200, {"errors"})
        [error] = reply.json()["errors"]
        assert error["extensions"]["code"] == "DOCUMENT_NOT_FOUND"
        assert "rebloom documents" in error["message"]
        newer = await post(world, {"documentId": identifier}, Accept="application/graphql-response+json")
        assert newer.status_code == 400
    assert world.database.statements == []


async def test_a_request_names_one_document_in_one_way(world: World) -> None:
    for body in (
        {"query": "{ shop { name } }", "documentId": PAGE},
        {"documentId": 5},
        {"documentId": [PAGE]},
        {"documentId": None},
    ):
        assert (await post(world, body)).status_code == 400  # fmt: skip
    headers = {"Authorization": "Bearer a", "Content-Type": "application/json"}
    twice = f'{{"documentId": "{PAGE}", "documentId": "{NEVER}"}}'
    assert (await world.client.post("/graphql", content=twice, headers=headers)).status_code == 400
    asked = f"/graphql?documentId={PAGE}&documentId={NEVER}"
    assert (await world.client.get(asked, headers=headers)).status_code == 400
    assert world.database.statements == []


@pytest.fixture(params=DOORS)
async def closed(request: pytest.FixtureRequest, store: Store) -> AsyncIterator[tuple[World, str]]:
    """One endpoint takes only registered documents."""
    async with running_world(store, trusted=trusted_documents(alone=(request.param,))) as running:
        yield running, request.param


TEXTS = {
    "graphql": ["{ shop { name } }", "mutation { syncStart { userErrors { code } } }", "{ __typename }", "{ __schema { types { name } } }", "nonsense {"],
    "storefront": ["{ viewer { stage { key } } }", 'mutation { offerDismiss(id: "gid://rebloom/Offer/4-1") { offerId } }', "{ __typename }", "{ __schema { types { name } } }", "nonsense {"],
}  # fmt: skip
DOCUMENTS = {"graphql": (PAGE, "/graphql", "a"), "storefront": (OFFERS, STORE, "a:4")}


async def test_where_only_registered_documents_are_let_in_no_other_text_runs(closed: tuple[World, str]) -> None:
    world, door = closed
    identifier, path, caller = DOCUMENTS[door]
    for text in [
        *TEXTS[door],
        text_of(*{"graphql": ("graphql", "page"), "storefront": ("storefront", "offers")}[door]) + " ",
    ]:
        reply = await post(world, {"query": text}, caller, path)
        assert (reply.status_code, set(reply.json())) == (200, {"errors"})
        [error] = reply.json()["errors"]
        assert error["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
        assert "documentId" in error["message"]
    assert (world.database.statements, world.jobs.asked) == ([], [])
    assert "errors" not in (await post(world, {"documentId": identifier}, caller, path)).json()
    known = {"query": text_of(*("graphql", "page") if door == "graphql" else ("storefront", "offers"))}
    assert "errors" not in (await post(world, known, caller, path)).json()  # it is what the id names
    [other] = set(DOORS) - {door}
    _, elsewhere, caller = DOCUMENTS[other]
    assert "errors" not in (await post(world, {"query": TEXTS[other][0]}, caller, elsewhere)).json()


async def test_an_installation_adds_documents_of_its_own(store: Store, tmp_path: Path) -> None:
    (tmp_path / "storefront").mkdir()
    own = "query Ours { viewer { stage { name } } }"
    (tmp_path / "storefront" / "ours.graphql").write_text(own)
    assert ("storefront", "ours", document_id(own)) in listed(tmp_path)
    async with running_world(store, trusted=trusted_documents(tmp_path, DOORS)) as world:
        named = await post(world, {"documentId": document_id(own)}, "a:4", STORE)
        assert named.json()["data"] == {"viewer": {"stage": {"name": "Visitor"}}}
        assert "errors" not in (await post(world, {"documentId": OFFERS}, "a:4", STORE)).json()


def test_a_file_that_is_no_document_stops_the_start(tmp_path: Path) -> None:
    for text, why in (
        ("{ viewer { email } }", "Cannot query field 'email'"),
        ("query {", "Syntax Error"),
        ("{ viewer " + "{ viewer " * 20 + "}" * 21, "levels"),
        ("fragment A on Viewer { stage { key } }", "never used"),
    ):
        (tmp_path / "storefront").mkdir(exist_ok=True)
        (tmp_path / "storefront" / "bad.graphql").write_text(text)
        settings = read_settings({**ENVIRONMENT, "REBLOOM_DOCUMENTS": str(tmp_path)})
        with pytest.raises(SettingsError, match=rf"(?s)REBLOOM_DOCUMENTS.*bad\.graphql: .*{why}"):
            create_app(settings)
    (tmp_path / "storefront" / "bad.graphql").write_bytes(b"{ viewer \xff }")
    with pytest.raises(SettingsError, match="cannot be read"):
        create_app(settings)


def test_the_settings_name_endpoints_and_a_folder_that_are_there(tmp_path: Path) -> None:
    both = read_settings({**ENVIRONMENT, "REBLOOM_TRUSTED_ONLY": "storefront, graphql"})
    assert (both.trusted_only, both.documents) == (("storefront", "graphql"), None)
    with pytest.raises(SettingsError, match="REBLOOM_TRUSTED_ONLY: 'all' is not one of storefront, graphql"):
        read_settings({**ENVIRONMENT, "REBLOOM_TRUSTED_ONLY": "all"})
    with pytest.raises(
        SettingsError, match=r"REBLOOM_DOCUMENTS: .* has neither a folder storefront nor a folder graphql"
    ):
        read_settings({**ENVIRONMENT, "REBLOOM_DOCUMENTS": str(tmp_path)})


def test_the_themes_blocks_send_the_ids_of_the_files() -> None:
    text = WIDGET.read_text("utf-8")
    sent = dict(re.findall(r"^  (\w+): \"(sha256:[0-9a-f]{64})\",$", text, re.MULTILINE))
    assert sent == {
        path.stem: own_document("storefront", path.stem) for path in (FOLDER / "storefront").glob("*.graphql")
    }
    assert "query:" not in text
    assert set(re.findall(r"ask\(this\.proxy, \"(\w+)\"", text)) | {"accept", "dismiss"} == set(sent)
