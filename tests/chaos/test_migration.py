"""A million messages of Kith 0.1 are there after the upgrade, which nobody waits long for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kith.store.connection import connect
from kith.store.schema import migrate
from tests.chaos.conftest import LONG
from tests.store import version3
from tests.store.test_migration import check

_MESSAGES = 1_000_000
_PEOPLE = 1000


@pytest.mark.skipif(not LONG, reason="takes a minute; tests/store/test_migration.py has a small one")
@pytest.mark.timeout(600)
async def test_a_million_messages_are_migrated(tmp_path: Path) -> None:
    path = tmp_path / "kith.sqlite"
    version3.build(path, _MESSAGES, _PEOPLE)
    began, cpu = time.perf_counter(), time.process_time()
    connection = connect(path, 10.0)
    migrate(connection)
    connection.close()
    took = time.perf_counter() - began
    print(f"{_MESSAGES} messages migrated in {took:.2f} s, {time.process_time() - cpu:.2f} s of CPU")
    assert time.process_time() - cpu < 30
    await check(path, _MESSAGES, _PEOPLE)
