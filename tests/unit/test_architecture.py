"""The directions of imports, and other shapes of the code that a reader may rely on."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = {"numpy", "scipy", "plugin.domain", "__future__"}

# who may import what of our own: the longest matching prefix rules
ALLOWED = {
    "plugin.domain": ("plugin.domain",),
    "plugin.errors": (),
    "plugin.settings": ("plugin.errors",),
    "plugin.ports": ("plugin.errors", "plugin.domain"),
    "plugin.ledger": ("plugin.ledger", "plugin.domain", "plugin.errors", "plugin.settings", "plugin.vault", "plugin.ports", "plugin.log"),
    "plugin.metrics": (),
    "integrations.shopify": ("integrations.shopify", "plugin.ports", "plugin.errors", "plugin.domain", "plugin.settings", "plugin.metrics"),
    "integrations.devshop": ("integrations.devshop",),
}  # fmt: skip


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def test_the_domain_is_pure() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, tree in modules("plugin/domain")
        for imported in imports(tree)
        if not any(within(imported, pure) for pure in PURE) and imported.split(".")[0] not in sys.stdlib_module_names
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "forbidden", ["asyncio", "socket", "sqlite3", "os", "pathlib", "subprocess", "threading", "random"]
)
def test_the_domain_touches_no_machine(forbidden: str) -> None:
    assert [name for name, tree in modules("plugin/domain") if forbidden in imports(tree)] == []


def test_the_domain_reads_no_clock() -> None:
    clocks = {"now", "utcnow", "today", "time", "monotonic"}
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in modules("plugin/domain")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in clocks
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"datetime", "date", "time"}
    ]
    assert wrong == []


def test_imports_point_one_way() -> None:
    wrong = []
    for name, tree in modules("plugin", "integrations"):
        rule = max((prefix for prefix in ALLOWED if within(name, prefix)), key=len, default=None)
        if rule is None:
            continue
        for imported in imports(tree):
            if imported.split(".")[0] not in {"plugin", "integrations", "graphql_schema"}:
                continue
            if not any(within(imported, allowed) for allowed in ALLOWED[rule]):
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_only_one_module_knows_the_deprecated_library() -> None:
    users = [
        name
        for name, tree in modules("plugin", "integrations", "graphql_schema")
        if "shopify" in {i.split(".")[0] for i in imports(tree)}
    ]
    assert users == ["integrations.shopify.sdk"]


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        name
        for name, tree in modules("plugin", "graphql_schema", "integrations/shopify")
        if any(isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} for node in ast.walk(tree))
    ]
    # The commands hand the environment in; nothing else looks.
    assert all(within(name, "plugin.commands") for name in readers)


def test_no_file_outgrows_one_mind() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("plugin", "integrations", "graphql_schema", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 450
    }
    assert long == {}
