"""What is in deploy/ fits the code: settings, image, compose, proxy, and the page on spreading shops over servers."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from plugin.ledger.database import Database
from plugin.ledger.tables import SHOP_TABLES
from plugin.settings import read_settings
from plugin.web import limits
from tests.conftest import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
NAMES = {table._meta.db_table for table in SHOP_TABLES}


def test_the_settings_example_is_one_that_starts() -> None:
    lines = re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    given = {name: value for name, value in lines if value}
    assert read_settings({**ENVIRONMENT, **given}) == read_settings(
        {**ENVIRONMENT, "SHOPIFY_SHOP_URL": "https://{shop}"}
    )


def test_the_image_has_two_stages_hashes_and_no_root() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    words = [word for word, _ in steps]
    assert set(words) <= {"FROM", "COPY", "RUN", "ENV", "WORKDIR", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert words.count("FROM") == 2
    last = words[words.index("FROM", 1) :]
    assert last.index("USER") < last.index("HEALTHCHECK") < last.index("ENTRYPOINT") < last.index("CMD")
    assert [rest for word, rest in steps if word == "USER"] == ["10001"]
    assert all("--require-hashes" in rest for word, rest in steps if "pip install" in rest)
    for word, rest in steps:
        if word == "COPY" and not rest.startswith("--from"):
            assert (ROOT / rest.split()[0]).exists(), rest
        if word in {"ENTRYPOINT", "CMD"}:
            assert isinstance(ast.literal_eval(rest), list)


def test_compose_names_files_commands_and_health_checks_that_are_there() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert set(services) == {"web", "worker", "db", "proxy"}
    assert all("healthcheck" in service for service in services.values())
    assert services["web"]["command"][:2] == ["serve", "--no-worker"]
    assert services["worker"]["command"][:2] == ["worker", "--health-port"]
    assert all(services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"] for name in ("web", "worker"))
    assert (DEPLOY / services["web"]["build"]["dockerfile"].removeprefix("deploy/")).exists()
    assert "server web:8000" in (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    subnet = compose["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    assert read_settings({**ENVIRONMENT, "REBLOOM_TRUSTED_PROXIES": subnet}).trusted_proxies == (subnet,)


def test_the_proxy_has_the_limits_of_the_app() -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")

    def size_of(path: str) -> int:
        block = text.split(f"location {path} {{")[1].split("}")[0]
        number, unit = re.search(r"client_max_body_size (\d+)([km]);", block).groups()  # type: ignore[union-attr]
        return int(number) * {"k": 1024, "m": 1024**2}[unit]

    assert size_of("= /webhooks") == limits.WEBHOOKS.body
    assert size_of("= /touchpoints") == limits.TOUCHPOINTS.body
    assert size_of("/") == limits.PAGES.body
    for zone, lane in (("graphql", limits.GRAPHQL), ("touchpoints", limits.TOUCHPOINTS), ("pages", limits.PAGES)):
        assert lane.address is not None
        assert f"zone={zone}:10m rate={lane.address.a_second:.0f}r/s" in text
        assert f"limit_req zone={zone} burst={lane.address.burst} nodelay" in text


def test_where_the_proxy_sets_one_header_it_sets_them_all() -> None:
    """nginx inherits none there, and what a client says of its address would be believed."""
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    blocks = [block.split("}")[0] for block in text.split("location ")[1:]]
    setting = [block for block in blocks if "proxy_set_header" in block]
    assert len(setting) == 2
    for block in setting:
        for name in ("Host", "X-Forwarded-For", "X-Forwarded-Proto", "Connection"):
            assert f"proxy_set_header {name} " in block, (block, name)


@pytest.mark.parametrize("script", ["backup.sh", "restore.sh", "upgrade.sh"])
def test_the_scripts_are_plain_shell_and_can_be_run(script: str) -> None:
    path = DEPLOY / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(path)], check=True)
    assert "usage:" in subprocess.run([str(path)], capture_output=True, text=True, check=False).stderr


async def test_every_table_of_shops_is_distributed_by_the_shop(database: Database) -> None:
    if database.dialect == "sqlite":
        return  # one file is not spread
    text = (DEPLOY / "SCALING.md").read_text(encoding="utf-8")
    [listing] = re.findall(r"FROM \(\s+(SELECT table_name .*?)\) AS of_shops", text, re.DOTALL)
    listed = [str(name) for (name,) in await database.fetch(listing)]
    assert "create_distributed_table('customers', 'shop_id')" in text
    assert sorted([*listed, "customers"]) == sorted(NAMES)


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts that a module names at its top."""
    named = (node for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name))
    return {
        node.target.id: node.value.value  # type: ignore[union-attr]
        for node in named
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def _text(node: ast.AST, constants: dict[str, str]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        return constants.get(node.value.id, "{}")
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, constants) for part in node.values)
    return "{}"


def _statements() -> Iterator[tuple[str, str]]:
    """Texts of the code that join tables, with the file they stand in."""
    for folder in ("plugin", "graphql_schema"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            constants = _constants(tree)
            parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
            for node in ast.walk(tree):
                text = "" if id(node) in parts else _text(node, constants)
                if "JOIN " in text:
                    yield str(path.relative_to(ROOT)), " ".join(text.split())


def test_no_statement_joins_the_rows_of_two_shops() -> None:
    joins = 0
    wrong = []
    for where, text in _statements():
        for part in re.split(r"\bJOIN\b", text)[1:]:
            table = re.match(r"\s*(\w+)", part)
            if table is None or table.group(1) not in NAMES or " ON " not in part:
                continue
            joins += 1
            condition = re.split(r"\b(?:WHERE|GROUP BY|ORDER BY|LEFT|INNER)\b", part.split(" ON ", 1)[1])[0]
            if "shop_id" not in condition:
                wrong.append(f"{where}: JOIN{part}")
    assert joins > 10
    assert wrong == []
