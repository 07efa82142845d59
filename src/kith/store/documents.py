"""The table of documents: `kith.ports.store.DocumentStore`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from kith.base.slots import slot_of
from kith.ports.store import Document
from kith.store.database import Database
from kith.store.document import document, put


class Documents(Database):
    """The documents of accounts. A single counter numbers all writes."""

    async def documents(self, account: int, space: str) -> list[Document]:
        return await self._read(
            lambda connection: [
                Document(*row)
                for row in connection.execute(
                    "SELECT key, value, seq FROM document WHERE account = ? AND space = ? ORDER BY seq",
                    (account, space),
                )
            ]
        )

    async def documents_of(self, account: int, spaces: Sequence[str]) -> dict[str, list[Document]]:
        def read(connection: sqlite3.Connection) -> dict[str, list[Document]]:
            found: dict[str, list[Document]] = {space: [] for space in spaces}
            marks = ",".join("?" * len(spaces))
            for space, *row in connection.execute(
                f"SELECT space, key, value, seq FROM document WHERE account = ? AND space IN ({marks})"
                " ORDER BY seq",
                (account, *spaces),
            ):
                found[space].append(Document(*row))
            return found

        return await self._read(read) if spaces else {}

    async def document(self, account: int, space: str, key: str) -> Document | None:
        return await self._read(lambda connection: document(connection, account, space, key))

    async def put(self, account: int, space: str, key: str, value: bytes) -> int:
        return await self._write(lambda connection: put(connection, account, space, key, value))

    def put_soon(self, account: int, space: str, key: str, value: bytes) -> None:
        self._queue(lambda connection: put(connection, account, space, key, value))

    async def put_if(self, account: int, space: str, key: str, value: bytes, seq: int) -> int:
        def write(connection: sqlite3.Connection) -> int:
            row = connection.execute(
                "SELECT seq FROM document WHERE account = ? AND space = ? AND key = ?", (account, space, key)
            ).fetchone()
            return put(connection, account, space, key, value) if (row[0] if row else 0) == seq else 0

        return await self._write(write)

    async def remove(self, account: int, space: str, key: str | None = None) -> int:
        statement = "DELETE FROM document WHERE account = ? AND space = ?"
        values: tuple[Any, ...] = (account, space)
        if key is not None:
            statement, values = statement + " AND key = ?", (*values, key)
        return await self._write(lambda connection: connection.execute(statement, values).rowcount)

    async def take(self, space: str, slot: int | None) -> list[tuple[str, Document]]:
        def write(connection: sqlite3.Connection) -> list[tuple[str, Document]]:
            rows = connection.execute(
                "SELECT document.account, account.jid, key, value, seq FROM document "
                "JOIN account ON account.id = document.account WHERE space = ?" + _indexed(space),
                (space,),
            ).fetchall()
            found = [row for row in rows if slot is None or slot_of(row[1]) == slot]
            connection.executemany(
                "DELETE FROM document WHERE account = ? AND space = ? AND key = ?",
                [(account, space, key) for account, _, key, _, _ in found],
            )
            return [(jid, Document(key, value, seq)) for _, jid, key, value, seq in found]

        return await self._write(write)

    async def spaces(self, account: int, prefix: str) -> list[str]:
        return await self._read(
            lambda connection: [
                row[0]
                for row in connection.execute(
                    "SELECT DISTINCT space FROM document WHERE account = ? AND space >= ? AND space < ? "
                    "ORDER BY space",
                    (account, prefix, prefix + "\U0010ffff"),
                )
            ]
        )


def _indexed(space: str) -> str:
    """A condition by which SQLite finds the partial index of a space, if it has one (`kith.store.schema`)."""
    return " AND space = 'sessions'" if space == "sessions" else ""
