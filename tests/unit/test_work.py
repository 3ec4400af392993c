"""The folder of half-downloaded files: one per database and shop, and nobody else's."""

import os
import tempfile
from pathlib import Path

import pytest

from plugin.errors import UnavailableError
from plugin.settings import Settings, read_settings
from plugin.work import work_folder

SHOP = "a.myshopify.com"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def on(database: str) -> Settings:
    return read_settings(
        {
            "SHOPIFY_API_KEY": "client",
            "SHOPIFY_API_SECRET": "secret",
            "REBLOOM_DATABASE_URL": database,
            "REBLOOM_ENCRYPTION_KEYS": "k" * 43 + "=",
        }
    )


def test_two_databases_never_share_files_of_a_shop_they_both_know(temporary: Path) -> None:
    one, other = on("postgres://u:p@db.example/one"), on("postgres://u:p@db.example/two")
    work_folder(one, SHOP).joinpath("orders-1.jsonl").write_text("{}\n")
    assert list(work_folder(other, SHOP).iterdir()) == []
    assert work_folder(one, SHOP).joinpath("orders-1.jsonl").exists()
    assert work_folder(one, SHOP).is_relative_to(temporary)


def test_beside_the_embedded_database(tmp_path: Path) -> None:
    folder = work_folder(on(f"sqlite:///{tmp_path / 'one.sqlite3'}"), SHOP)
    assert folder == tmp_path / "one.sqlite3-work" / SHOP


def test_nobody_else_reads_it_even_where_it_was_open_before(tmp_path: Path) -> None:
    top = tmp_path / "one.sqlite3-work"
    top.mkdir(mode=0o777)
    work_folder(on(f"sqlite:///{tmp_path / 'one.sqlite3'}"), SHOP)
    assert oct(top.stat().st_mode & 0o777) == "0o700"


def test_a_link_laid_there_by_somebody_is_refused_and_not_followed(temporary: Path) -> None:
    settings = on("postgres://u:p@db.example/one")
    mine = work_folder(settings, SHOP).parent
    mine.joinpath(SHOP).rmdir()
    mine.rmdir()
    theirs = temporary / "theirs"
    theirs.mkdir()
    mine.symlink_to(theirs)
    with pytest.raises(UnavailableError, match="set TMPDIR"):
        work_folder(settings, SHOP)
    assert list(theirs.iterdir()) == []


@pytest.mark.usefixtures("temporary")
def test_a_folder_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, uid = on("postgres://u:p@db.example/one"), os.getuid()
    ours = work_folder(settings, SHOP).parent
    ours.rename(ours.with_name(ours.name.replace(f"-{uid}-", f"-{uid + 1}-")))
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with pytest.raises(UnavailableError, match="somebody else made it"):
        work_folder(settings, SHOP)
