"""What `rebloom` says on a terminal of what it cannot do: one message with the next step, no stack trace, status 1."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ENVIRONMENT


def refused(folder: Path, url: str, *arguments: str) -> str:
    environment = {**os.environ, **ENVIRONMENT, "REBLOOM_DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", "plugin", *arguments], env=environment, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.replace(str(folder), "FOLDER")


def test_a_database_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    before = sorted(tmp_path.parent.iterdir())
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, this is no database.")
    next_step = "set REBLOOM_DATABASE_URL to a file of its own in a folder where Rebloom may write.\n"
    assert refused(tmp_path, f"sqlite:///{tmp_path}", "migrate") == (
        f"rebloom: The database FOLDER cannot be opened (unable to open database file); {next_step}"
    )
    assert refused(tmp_path, f"sqlite:///{tmp_path}/letter.txt", "migrate") == (
        f"rebloom: The database FOLDER/letter.txt cannot be opened (file is not a database); {next_step}"
    )
    assert (tmp_path / "letter.txt").read_text() == "Dear Sir or Madam, this is no database."
    assert (list(tmp_path.iterdir()), sorted(tmp_path.parent.iterdir())) == ([tmp_path / "letter.txt"], before)


def test_a_database_that_does_not_answer_is_said_to_be_away(tmp_path: Path) -> None:
    assert refused(tmp_path, "postgresql://127.0.0.1:1/rebloom", "migrate") == (
        "rebloom: The database is away or in trouble (ConnectionRefusedError); see that REBLOOM_DATABASE_URL is right,"
        " then run it again.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("inbox", "--rerun", "abc"), "No delivery 'abc' is set aside; list them with: rebloom inbox"),
        (("inbox", ""), "'' has not installed Rebloom; open the app from that shop's admin first."),
        (
            ("devshop", "--data", "."),
            ". has no customers.jsonl or customers.jsonl.gz; point --data at a bulk-format folder",
        ),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    assert refused(tmp_path, f"sqlite:///{tmp_path}/rebloom.sqlite3", *arguments) == f"rebloom: {told}\n"
