"""The database file: its versions, its faults, and other processes that write to it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kith.ports.store import INCOMING, LogQuery
from kith.store.errors import StoreError
from kith.store.schema import MIGRATIONS
from kith.store.sqlite import SQLiteStore


def run_together(script: str, path: Path, names: list[str]) -> None:
    """Runs a script in one process per name, at the same time, and expects all to end well."""
    processes = [subprocess.Popen([sys.executable, "-c", script, path, name]) for name in names]
    try:
        assert [process.wait(60) for process in processes] == [0] * len(names)
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def refused(path) -> str:
    """The one line with which the store refuses the file."""
    with pytest.raises(StoreError) as raised:
        await SQLiteStore(path).open()
    text = str(raised.value)
    assert "\n" not in text
    return text


async def test_a_database_of_version_1_opens_with_all_that_it_holds(tmp_path):
    path = tmp_path / "kith.sqlite"
    old = sqlite3.connect(path)
    old.executescript(MIGRATIONS[0])
    old.executescript(
        "INSERT INTO address VALUES (1, 'a@x'), (2, 'b@x');"
        "INSERT INTO account VALUES (1, 'a@x', x'80', 0), (2, 'b@x', x'80', 0);"
        "INSERT INTO message VALUES (5, 1, x'01', x'61'), (6, 1, NULL, x'62');"
        f"INSERT INTO log VALUES (1, 5, 2, 0), (2, 5, 1, {INCOMING}), (2, 6, 1, {INCOMING});"
        "PRAGMA user_version = 1;"
    )
    old.close()
    store = SQLiteStore(path)
    await store.open()
    assert await store.last_id(0) == 6
    assert [entry.stanza for entry in (await store.page(LogQuery(2, peer="a@x"))).entries] == [b"a", b"b"]
    await store.delete_account("b@x")
    assert [entry.id for entry in (await store.page(LogQuery(1))).entries] == [5]
    await store.delete_account("a@x")
    await store.close()
    after = sqlite3.connect(path)
    assert after.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert after.execute("SELECT count(*) FROM message").fetchone() == (0,)
    after.close()


async def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "kith.sqlite"
    store = SQLiteStore(path)
    await store.open()
    await store.close()
    broken = (*MIGRATIONS, "CREATE TABLE half (id INTEGER); INSERT INTO nowhere VALUES (1);")
    monkeypatch.setattr("kith.store.schema.MIGRATIONS", broken)
    assert "nowhere" in await refused(path)
    monkeypatch.undo()
    await store.open()
    assert await store._read(
        lambda c: c.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone()
    ) == (0,)
    await store.close()


async def test_a_database_of_a_newer_version_is_refused_untouched(tmp_path):
    path = tmp_path / "kith.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    assert "99" in await refused(path)
    newer = sqlite3.connect(path)
    assert newer.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    newer.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "kith.sqlite"
    path.write_bytes(b"This is a letter to my grandmother.\n" * 100)
    assert "not a database" in await refused(path)


async def test_a_path_that_cannot_be_opened_is_refused(tmp_path):
    (tmp_path / "kith.sqlite").mkdir()
    assert "kith.sqlite" in await refused(tmp_path / "kith.sqlite")
    (tmp_path / "file").write_text("")
    assert "file" in await refused(tmp_path / "file" / "kith.sqlite")


async def test_nobody_but_the_owner_can_read_the_files(logs):
    logs.append(1)
    await logs.store.flush()
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in logs.path.parent.iterdir()}
    assert set(modes.values()) == {"0o600"}
    assert len(modes) == 3


async def test_own_writes_are_not_taken_for_those_of_others(logs):
    for id in range(1, 6):
        logs.append(id)
        await logs.store.put(logs.a, "s", "k", b"")
        await logs.store.page(LogQuery(logs.a))
        assert not logs.store.changed_elsewhere()
        await logs.store.flush()
    assert not logs.store.changed_elsewhere()


async def test_a_write_of_another_process_is_noticed_once_and_seen(logs):
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom kith.store.sqlite import SQLiteStore\n"
        "async def main():\n    store = SQLiteStore(Path(sys.argv[1]))\n    await store.open()\n"
        "    await store.create_accounts([('new@x', {})])\n    await store.close()\n"
        "asyncio.run(main())"
    )
    logs.store.changed_elsewhere()
    await logs.store.flush()
    await asyncio.to_thread(run_together, script, logs.path, [""])
    logs.append(1)  # own writes around it must not hide it
    noticed = []
    for _ in range(4):
        noticed.append(logs.store.changed_elsewhere())
        await logs.store.flush()
    assert noticed.count(True) == 1
    assert noticed.index(True) <= 1
    assert "new@x" in await logs.store.accounts()


async def test_two_processes_can_create_and_fill_one_database_at_the_same_time(tmp_path):
    path = tmp_path / "kith.sqlite"
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom kith.store.sqlite import SQLiteStore\n"
        "async def main():\n    store = SQLiteStore(Path(sys.argv[1]))\n    await store.open()\n"
        "    for n in range(50):\n"
        "        assert await store.create_accounts([(f'{sys.argv[2]}{n}@x', {})])\n"
        "    await store.close()\nasyncio.run(main())"
    )
    await asyncio.to_thread(run_together, script, path, ["p", "q", "r"])
    store = SQLiteStore(path)
    await store.open()
    assert len(await store.accounts()) == 150
    await store.close()


async def test_once_closed_nothing_has_the_files_open(tmp_path: Path) -> None:
    """Not even for the moment that another thread takes to let go of a result."""
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            store = SQLiteStore(tmp_path / "kith.sqlite")
            await store.open()
            await store.close()
            assert os.listdir(tmp_path) == ["kith.sqlite"]
    finally:
        sys.setswitchinterval(switching)
