"""The README says what the code does: its tables are the shipped models, plays and settings."""

import re
from pathlib import Path

from plugin.domain.lifecycles import MODELS
from plugin.domain.plays.shipped import PLAYS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_stages_is_the_shipped_model() -> None:
    for stage in MODELS["buyer-activity"].stages:
        assert f"| {stage.key} | `{stage.query}` |" in README


def test_the_table_of_plays_is_the_shipped_plays() -> None:
    rows: dict[str, list[str]] = {}
    for play in PLAYS:
        bonus = f" ({play.incentive.percentage} %)" if play.incentive else ""
        rows.setdefault(play.stage or "any", []).append(f"{play.name}{bonus}{'' if play.enabled else ' (off)'}")
    for stage, plays in rows.items():
        assert f"| {stage} | {' · '.join(plays)} |" in README


def test_every_setting_is_in_the_table_of_configuration() -> None:
    names = re.findall(r'checked\("([A-Z_]+)"', (ROOT / "plugin" / "settings.py").read_text(encoding="utf-8"))
    assert [name for name in names if f"`{name}`" not in README] == []


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make (\w+)", README)) - {"it"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
