"""A store in a real file, with three accounts, and short words for what tests do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from kith.ports.store import INCOMING, Append, Keys
from kith.store.sqlite import SQLiteStore

KEYS = {"SHA-1": Keys(b"salt", b"stored", b"server", 4096), "SHA-256": Keys(b"s", b"t", b"u", 10_000)}


class Logs:
    """``a``, ``b``, ``c``: account ids. ``answers``: (id, existing, error) in the order of the callbacks."""

    def __init__(self, store: SQLiteStore, path: Path) -> None:
        self.store = store
        self.path = path
        self.a = self.b = self.c = 0
        self.answers: list[tuple[int, int | None, BaseException | None]] = []

    async def create(self) -> None:
        await self.store.create_accounts([(f"{name}@x", KEYS) for name in "abc"])
        for name in "abc":
            record = await self.store.account(f"{name}@x")
            assert record is not None
            setattr(self, name, record.id)

    def append(
        self,
        id: int,
        owners: Sequence[tuple[int, str, int]] | None = None,
        origin: bytes | None = None,
        sender: int | None = None,
        stanza: bytes | None = None,
    ) -> None:
        """From a to b, unless told otherwise."""
        if owners is None:
            owners = [(self.a, "b@x", 0), (self.b, "a@x", INCOMING)]

        def done(existing: int | None, error: BaseException | None) -> None:
            self.answers.append((id, existing, error))

        body = b"<message>%d</message>" % id if stanza is None else stanza
        self.store.append(Append(id, body, owners, done, self.a if sender is None else sender, origin))

    async def undelivered(self, account: int, after: int = 0, limit: int = 100) -> list[int]:
        return [entry.id for entry in await self.store.undelivered(account, after, limit)]

    async def stored(self, table: str) -> int:
        """Rows of a table, when all is settled."""
        await self.store.settled()
        return int(await self.store._read(lambda c: c.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[Logs]:
    path = tmp_path / "kith.sqlite"
    store = SQLiteStore(path)
    assert await store.open() == 0
    logs = Logs(store, path)
    await logs.create()
    yield logs
    await store.close()
