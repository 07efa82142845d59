"""What the journal holds gets into the database beside the commits, and the journal begins anew."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter

import pytest

from kith.store import checkpoint
from tests.store.conftest import Logs

_MIB = 2**20


async def write(logs: Logs, messages: int) -> None:
    """Of 20 kB, a hundred in a commit."""
    for first in range(1, messages + 1, 100):
        for id in range(first, first + 100):
            logs.append(id, stanza=b"x" * 20_000)
        await logs.store.settled()
    assert [error for _, _, error in logs.answers] == [None] * messages


async def test_the_journal_begins_anew_while_one_writes(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    copies: Counter[str] = Counter()
    copy = checkpoint._copy

    def counted(connection: sqlite3.Connection) -> int:
        copies[threading.current_thread().name] += 1
        return copy(connection)

    monkeypatch.setattr(checkpoint, "_copy", counted)
    await write(logs, 8000)  # 160 MB
    path = logs.path
    journal, database = path.with_name("kith.sqlite-wal").stat().st_size, path.stat().st_size
    assert database > 100 * _MIB
    assert journal < 100 * _MIB
    assert copies["kith-checkpoint"] >= 3
    assert set(copies) <= {"kith-checkpoint", "kith-store"}
    assert await logs.stored("message") == 8000


async def test_what_can_not_be_copied_now_is_copied_later(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = checkpoint._copy
    failed = threading.Event()

    def failing(connection: sqlite3.Connection) -> int:
        if not failed.is_set():
            failed.set()
            raise sqlite3.OperationalError("disk I/O error")
        return copy(connection)

    monkeypatch.setattr(checkpoint, "_copy", failing)
    await write(logs, 4000)
    assert failed.is_set()
    assert logs.path.stat().st_size > 20 * _MIB
