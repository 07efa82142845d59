"""The table of accounts: `kith.ports.store.AccountStore`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from kith.ports.store import DEPARTURES, MEMBERSHIPS, AccountRecord, Document, Keys, Write
from kith.store import shared
from kith.store.document import document, put, write_all
from kith.store.log import last_id
from kith.store.logs import Logs

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Keys]).decode
#: What a row of the table is.
_ACCOUNT, _GROUP, _SIDE_LOG = 0, 1, 2
#: The owner of documents of the server itself.
_SERVER = 0
_SIDE_LOGS = (
    "SELECT owner.jid, owner.id, side.id FROM account AS owner "
    "LEFT JOIN account AS side ON side.jid = owner.id || :name "
    f"WHERE owner.kind = {_ACCOUNT} AND owner.jid IN (SELECT value FROM json_each(:jids))"
)
#: Selects those whose addresses are between two, which is those of one account.
_SIDE_LOGS_OF = f"SELECT id FROM account WHERE kind = {_SIDE_LOG} AND jid > ? AND jid < ?"
_JIDS = "SELECT jid FROM account WHERE kind = ? ORDER BY jid"


class Accounts(Logs):
    """The accounts, each with its log."""

    async def account(self, jid: str) -> AccountRecord | None:
        return await self._read(lambda connection: _account(connection, jid))

    async def account_with(
        self, jid: str, space: str, key: Callable[[int], str]
    ) -> tuple[AccountRecord | None, Document | None]:
        def read(connection: sqlite3.Connection) -> tuple[AccountRecord | None, Document | None]:
            record = _account(connection, jid)
            id = record.id if record is not None else 0
            return record, document(connection, id, space, key(id))

        return await self._read(read)

    async def accounts(self) -> list[str]:
        return await self._read(lambda connection: [row[0] for row in connection.execute(_JIDS, (_ACCOUNT,))])

    async def groups(self) -> list[str]:
        return await self._read(lambda connection: [row[0] for row in connection.execute(_JIDS, (_GROUP,))])

    async def create_group(
        self, jid: str, documents: Sequence[tuple[str, str, bytes]], others: Sequence[Write] = ()
    ) -> int | None:
        def write(connection: sqlite3.Connection) -> int | None:
            row = connection.execute(
                "INSERT OR IGNORE INTO account (jid, keys, kind) VALUES (?, ?, ?) RETURNING id",
                (jid, _encode({}), _GROUP),
            ).fetchone()
            if row is None:
                return None
            for space, key, value in documents:
                put(connection, row[0], space, key, value)
            write_all(connection, others)
            self._accounts_changed()
            return int(row[0])

        return await self._write(write)

    async def groups_of(self, account: int) -> list[tuple[int, str]]:
        return await self._read(lambda connection: shared.sources(connection, account))

    async def side_log(self, account: int, name: str, create: bool = True) -> int:
        name = _side_name(account, name)
        found = await self._read(lambda connection: _id(connection, name))
        if found or not create:
            return found
        return await self._write(lambda connection: _made_side_log(connection, name))

    async def side_logs(self, name: str, jids: Sequence[str]) -> dict[str, tuple[int, int]]:
        values = {"name": _side_name("", name), "jids": json.dumps(list(jids))}
        found = await self._read(lambda connection: connection.execute(_SIDE_LOGS, values).fetchall())
        missing = [_side_name(account, name) for _, account, log in found if log is None]
        if missing:

            def write(connection: sqlite3.Connection) -> list[tuple[str, int, int]]:
                for made in missing:
                    _made_side_log(connection, made)
                return connection.execute(_SIDE_LOGS, values).fetchall()

            found = await self._write(write)
        return {jid: (account, log) for jid, account, log in found if log is not None}

    async def create_accounts(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        rows = [(jid, _encode(keys)) for jid, keys in accounts]

        def write(connection: sqlite3.Connection) -> list[str]:
            last = last_id(connection)
            created = []
            for jid, keys in rows:
                cursor = connection.execute(
                    "INSERT OR IGNORE INTO account (jid, keys, delivered) VALUES (?, ?, ?)", (jid, keys, last)
                )
                if cursor.rowcount:
                    created.append(jid)
            self._accounts_changed()
            return created

        return await self._write(write)

    async def set_keys(self, jid: str, keys: dict[str, Keys]) -> bool:
        blob = _encode(keys)
        return await self._write(
            lambda connection: bool(
                connection.execute("UPDATE account SET keys = ? WHERE jid = ?", (blob, jid)).rowcount
            )
        )

    async def upgrade_keys(self, jid: str, was: dict[str, Keys], keys: dict[str, Keys]) -> bool:
        values = _encode(keys), jid, _encode(was)
        statement = "UPDATE account SET keys = ? WHERE jid = ? AND keys = ?"
        return await self._write(lambda connection: bool(connection.execute(statement, values).rowcount))

    async def rename_account(self, jid: str, new: str) -> bool:
        def write(connection: sqlite3.Connection) -> bool:
            if connection.execute("SELECT 1 FROM account WHERE jid = ?", (new,)).fetchone():
                return False
            if not connection.execute("UPDATE account SET jid = ? WHERE jid = ?", (new, jid)).rowcount:
                return False
            values = (jid, _encode({}), last_id(connection))
            connection.execute("INSERT INTO account (jid, keys, delivered) VALUES (?, ?, ?)", values)
            self._accounts_changed()
            return True

        return await self._write(write)

    async def delete_account(self, jid: str, ended: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Deletes the account in one commit and its log in many; if interrupted, the next start continues."""

        def write(connection: sqlite3.Connection) -> list[int]:
            row = connection.execute("SELECT id FROM account WHERE jid = ?", (jid,)).fetchone()
            if row is None:
                return []
            groups = connection.execute(
                "SELECT key FROM document WHERE account = ? AND space = ?", (row[0], MEMBERSHIPS)
            ).fetchall()
            for (group,) in groups:
                put(connection, _SERVER, DEPARTURES, f"{row[0]} {group}", b"")
            logs = [row, *connection.execute(_SIDE_LOGS_OF, (f"{row[0]}/", f"{row[0]}0"))]
            connection.executemany("DELETE FROM document WHERE account = ?", logs)
            connection.executemany("DELETE FROM account WHERE id = ?", logs)
            self._accounts_changed()
            return [log for (log,) in logs]

        logs = await self._write(write)
        if not logs:
            return False
        if ended is not None:
            await ended()
        for log in logs:
            await self.empty_log(log)
        return True


def _side_name(account: int | str, name: str) -> str:
    """What a side log has for an address; no account can have it."""
    return f"{account}/{name}"


def _id(connection: sqlite3.Connection, jid: str) -> int:
    row = connection.execute("SELECT id FROM account WHERE jid = ?", (jid,)).fetchone()
    return int(row[0]) if row is not None else 0


def _made_side_log(connection: sqlite3.Connection, name: str) -> int:
    """Creates a side log, unless it exists, and returns its id."""
    connection.execute(
        "INSERT OR IGNORE INTO account (jid, keys, kind) VALUES (?, ?, ?)", (name, _encode({}), _SIDE_LOG)
    )
    return _id(connection, name)


def _account(connection: sqlite3.Connection, jid: str) -> AccountRecord | None:
    found = connection.execute("SELECT id, jid, keys, delivered FROM account WHERE jid = ?", (jid,))
    row = found.fetchone()
    return AccountRecord(row[0], row[1], _decode(row[2]), row[3]) if row else None
