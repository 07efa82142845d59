"""What an older version has written is understood, and what a newer one has written is left alone."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

import kith.client
from kith.client import DataUnusable, State
from kith.client.database import _MIGRATIONS, Database
from kith.client.history import History
from kith.client.message import Draft, Trust


def old(folder: Path) -> sqlite3.Connection:
    """As the first version left it."""
    folder.mkdir()
    sql = sqlite3.connect(folder / "account.sqlite")
    sql.executescript(f"BEGIN; {_MIGRATIONS[0]}; PRAGMA user_version = 1; COMMIT;")
    return sql


def test_the_history_and_outbox_of_the_first_version_are_kept(tmp_path: Path) -> None:
    sql = old(tmp_path / "ada")
    row = "INSERT INTO messages VALUES (?, ?, ?, ?, ?, 'text', ?, ?, 1, 'blind', 1e9, ?, 0, NULL)"
    sql.execute(row, (1, "ben@localhost", "a", "a", "1", False, True, "sent"))
    sql.execute(row, (2, "ben@localhost", "b", "b", None, False, True, "queued"))
    sql.execute(row, (3, "carl@localhost", "c", "c", "2", True, False, "received"))
    sql.executemany("INSERT INTO chats (peer) VALUES (?)", [("ben@localhost",), ("carl@localhost",)])
    sql.commit()
    sql.close()
    database = Database(tmp_path / "ada")
    history = History(database, cast("Any", None))
    assert [one.id for one in history.queued()] == ["b"]
    assert history.written("ben@localhost")
    assert not history.written("carl@localhost")
    # what comes again from the archive is known, although it was never noted what it is on the wire
    assert history.holds("carl@localhost", True, "c", "2", "any digest")
    database.close()
    Database(tmp_path / "ada").close()


def test_the_data_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    sql = old(tmp_path / "ada")
    sql.execute("PRAGMA user_version = 1000")
    sql.close()
    with pytest.raises(DataUnusable, match="newer version"):
        Database(tmp_path / "ada")
    Database(tmp_path / "ben").close()


def test_the_same_message_encrypted_anew_is_one_and_other_words_are_another(tmp_path: Path) -> None:
    database = Database(tmp_path / "ada")
    history = History(database, cast("Any", None))

    def come(body: str, archive: str, digest: str) -> bool:
        draft = Draft(
            "ben@localhost", "1", body, True, True, Trust.BLIND, datetime.now(UTC), State.RECEIVED, "1",
            archive, digest=digest,
        )  # fmt: skip
        known = history.holds("ben@localhost", True, "1", archive, digest)
        return known is None and history.add(draft) is not None

    assert come("hello", "10", "x")
    assert not come("hello", "10", "x")  # the same, live and from the archive
    assert not come("hello", "11", "y")  # a try of a client that encrypts each time
    assert come("other words", "12", "z")
    assert come("a third", "10", "forged place")  # an archive id alone proves nothing
    database.close()


def test_sql_uses_no_placeholder_that_python_has_deprecated() -> None:
    """A number behind a question mark makes a name of it, which sequences have none of (since 3.12)."""
    package = Path(kith.client.__file__).parent
    numbered = re.compile(r"\?[1-9]\b")
    statement = re.compile(r"SELECT|INSERT|UPDATE|DELETE|WHERE|VALUES|SET ")
    lines = [line for file in package.rglob("*.py") for line in file.read_text().splitlines()]
    assert len(lines) > 5000
    assert not [line for line in lines if statement.search(line) and numbered.search(line)]
