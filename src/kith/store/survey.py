"""What operators want to know, across accounts: `kith.ports.store.SurveyStore`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from kith.ports.store import INCOMING, OUTGOING, UNDELIVERED, Document, Logged, Overview, Usage
from kith.store.database import Database
from kith.store.log import PAGE_BYTES

_NO_KEYS = msgspec.msgpack.encode({})


class Survey(Database):
    """Queries over accounts, documents and logs."""

    async def overview(self, spaces: Sequence[str], after: str, limit: int) -> list[Overview]:
        marks = ",".join("?" * len(spaces))
        statement = (
            "WITH shown AS "
            "(SELECT id, jid, keys FROM account WHERE kind = 0 AND jid > ? ORDER BY jid LIMIT ?) "
            "SELECT shown.id, shown.jid, shown.keys, space, key, value, seq FROM shown LEFT JOIN document "
            f"ON document.account = shown.id AND space IN ({marks}) ORDER BY shown.jid, seq"
        )

        def read(connection: sqlite3.Connection) -> list[Overview]:
            found: dict[int, Overview] = {}
            for id, jid, keys, space, *document in connection.execute(statement, (after, limit, *spaces)):
                account = found.get(id)
                if account is None:
                    empty: dict[str, list[Document]] = {name: [] for name in spaces}
                    account = found[id] = Overview(id, jid, keys != _NO_KEYS, empty)
                if space is not None:
                    account.documents[space].append(Document(*document))
            return list(found.values())

        return await self._read(read)

    async def usage(self, account: int) -> Usage:
        messages = (
            "SELECT count(*), total(length(message.stanza)), "
            f"total(flags & {INCOMING} != 0 AND (flags & {UNDELIVERED} != 0 OR log.id > "
            "(SELECT delivered FROM account WHERE id = :account))), "
            f"total(flags & {OUTGOING} != 0) "
            "FROM log CROSS JOIN message ON message.id = log.id WHERE log.account = :account"
        )
        documents = "SELECT count(*), total(length(value)) FROM document WHERE account = :account"

        def read(connection: sqlite3.Connection) -> Usage:
            row = connection.execute(messages, {"account": account}).fetchone()
            row += connection.execute(documents, {"account": account}).fetchone()
            return Usage(*(int(number) for number in row))

        return await self._read(read)

    async def logged(self, account: int, before: int, limit: int, peer: str = "") -> list[Logged]:
        statement = (
            "SELECT log.id, address.jid, log.flags, stanza, own.delivered, peer.delivered, other.flags "
            "FROM log CROSS JOIN address ON address.id = log.peer CROSS JOIN message ON message.id = log.id "
            "CROSS JOIN account AS own ON own.id = log.account "
            "LEFT JOIN account AS peer ON peer.jid = address.jid "
            "LEFT JOIN log AS other ON other.account = peer.id AND other.id = log.id "
            "WHERE log.account = :account AND log.id < :before AND (:peer = '' OR address.jid = :peer) "
            "ORDER BY log.id DESC LIMIT :limit"
        )
        values = {"account": account, "before": before, "limit": limit, "peer": peer}

        def read(connection: sqlite3.Connection) -> list[Logged]:
            found: list[Logged] = []
            size = 0
            for row in connection.execute(statement, values):
                found.append(Logged(*row))
                size += len(found[-1].stanza)
                if size >= PAGE_BYTES:
                    break
            return found

        return await self._read(read)
