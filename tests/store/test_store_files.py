"""A database that is deleted, moved or replaced while it is open stores nothing, and none takes its place."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from kith.ports.store import Unavailable
from kith.store import health
from kith.store.errors import StoreError
from kith.store.sqlite import SQLiteStore
from tests.contract.logs import KEYS
from tests.store.conftest import Logs


def delete(path: Path) -> None:
    path.unlink()


def move_the_folder_away(path: Path) -> None:
    path.parent.rename(path.parent.with_name(f"{path.parent.name}-elsewhere"))


def replace_by_an_empty_file(path: Path) -> None:
    path.unlink()
    path.touch()


def replace_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


def delete_the_journal(path: Path) -> None:
    path.with_name("kith.sqlite-wal").unlink()


def delete_the_index_of_the_journal(path: Path) -> None:
    path.with_name("kith.sqlite-shm").unlink()


async def settled(logs: Logs) -> None:
    with contextlib.suppress(Unavailable):  # it may share a commit with what is refused
        await logs.store.flush()


CHANGES = [
    delete,
    move_the_folder_away,
    replace_by_an_empty_file,
    replace_by_a_copy,
    delete_the_journal,
    delete_the_index_of_the_journal,
]


@pytest.mark.parametrize("change", CHANGES)
async def test_nothing_is_acknowledged_once_the_database_is_not_there(
    logs: Logs, change: Callable[[Path], None]
) -> None:
    logs.append(1)
    await logs.store.flush()
    change(logs.path)
    logs.append(2)
    with pytest.raises(Unavailable, match=r"kith\.sqlite"):
        await logs.store.put(logs.a, "space", "key", b"value")
    stored, refused = logs.answers
    assert stored == (1, None, None)
    assert isinstance(refused[2], Unavailable)


@pytest.mark.parametrize("change", CHANGES)
async def test_the_operator_is_told_though_nobody_writes(
    logs: Logs, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, str]] = []
    lines = SimpleNamespace(error=lambda event, **values: told.append({"event": event, **values}))
    monkeypatch.setattr(health, "logger", lines)
    change(logs.path)
    for _ in range(2):
        logs.store.changed_elsewhere()  # as the server asks once a second
        await settled(logs)
    told = [line for line in told if str(logs.path) in line["error"]]  # not of a store of before
    assert [line["event"] for line in told] == ["the disk refuses to store"], told


async def test_a_database_that_is_moved_back_is_used_again(logs: Logs) -> None:
    away = logs.path.with_name("away")
    logs.path.rename(away)
    logs.append(1, origin=b"first")
    await settled(logs)
    assert isinstance(logs.answers[0][2], Unavailable)
    away.rename(logs.path)
    logs.append(2, origin=b"first")  # its sender tries again
    logs.append(3)
    await logs.store.flush()
    assert [error for _, _, error in logs.answers[1:]] == [None, None]
    assert await logs.stored("message") == 2


async def test_who_reads_for_the_first_time_makes_no_database_where_one_was_deleted(logs: Logs) -> None:
    """Readers open the database when they are first needed."""
    logs.path.unlink()
    for _ in range(4):
        with pytest.raises((Unavailable, StoreError, sqlite3.Error)):
            await logs.store._read(lambda connection: logs.store._connect())
    assert not logs.path.exists()
    assert not await logs.store.tidy()
    assert not logs.path.exists()


@pytest.mark.parametrize("empty", [False, True])
async def test_no_database_is_made_where_one_has_to_be(tmp_path: Path, empty: bool) -> None:
    path = tmp_path / "kith.sqlite"
    if empty:
        path.touch()
    with pytest.raises(StoreError, match="put it back, restore a backup"):
        await SQLiteStore(path, may_create=False).open()
    assert sorted(os.listdir(tmp_path)) == (["kith.sqlite"] if empty else [])
    assert not empty or path.stat().st_size == 0


@pytest.mark.parametrize(
    ("accounts", "domain", "fits"),
    [
        ([], "new.example", True),
        (["a@old.example"], "old.example", True),
        (["a@old.example", "b@new.example"], "new.example", True),
        (["a@old.example"], "new.example", False),
        (["a@sub.new.example"], "new.example", False),
        (["a@[::1]"], "[::1]", True),
        (["a@[::1]"], "[::2]", False),
    ],
)
async def test_a_database_whose_accounts_are_of_another_domain_is_refused(
    tmp_path: Path, accounts: list[str], domain: str, fits: bool
) -> None:
    store = SQLiteStore(tmp_path / "kith.sqlite")
    await store.open()
    await store.create_accounts([(jid, KEYS) for jid in accounts])
    await store.close()
    store = SQLiteStore(tmp_path / "kith.sqlite", domain=domain)
    if fits:
        await store.open()
        await store.close()
    else:
        theirs = accounts[0].partition("@")[2]
        with pytest.raises(StoreError, match=f"of {theirs}, not of {domain}".replace("[", r"\[")):
            await store.open()


async def test_nothing_is_acknowledged_once_the_database_was_cut_off(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when the journal was written into what is left, which is then as long as before."""
    told: list[str] = []
    lines = SimpleNamespace(error=lambda event, **values: told.append(event))
    monkeypatch.setattr(health, "logger", lines)
    logs.append(1)
    await logs.store.flush()
    size = logs.path.stat().st_size
    os.truncate(logs.path, 0)
    logs.append(2)
    with pytest.raises(Unavailable, match="cut off"):
        await logs.store.put(logs.a, "space", "key", b"value")
    os.truncate(logs.path, 2 * size)
    logs.append(3)
    await settled(logs)
    assert [answer[2] is None for answer in logs.answers] == [True, False, False]
    assert told == ["the database is damaged"]
