"""Messages that a group shares with accounts: stored once, and in the log of each of them.

The group's own log has the message (tables ``message`` and ``log``); the table ``share`` says which accounts
have it too, and what each gets of it alone. Its rows are in the order of ids, so those of one message are
next to each other: a message to a thousand accounts changes a few pages. If the rows were in the order of
accounts, it would change a thousand (measured: 10 ms instead of 0.6).

To read the log of an account, its groups are looked up (table ``source``), and their logs are merged with its
own, each from the first message on that the account has of it. Whether the account has an entry of a group is
one lookup in ``share``. The cost depends on the number of entries that are read, and of groups, but not on
the length of logs. Only what a group has said since somebody left it is looked through for them.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kith.ports.store import SHARED, Append, LogQuery
from kith.store.inserts import insert_shares

#: An entry that was found: its id, its flags, and what only this account gets.
Found = tuple[int, int, bytes]


class Shares:
    """Writes shared messages within the open transaction. Used on the writer thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._audiences: dict[int, Sequence[int]] = {}  # by group: those whose sources were written

    def undone(self) -> None:
        """Notes that the transaction was rolled back, or that logs were emptied."""
        self._audiences.clear()

    def write(self, entries: Iterable[Append]) -> int:
        """Adds messages to the logs of the accounts that they are shared with. Returns how many rows."""
        rows: list[Any] = []
        for entry in entries:
            shared = entry.shared
            if shared is None:
                continue
            id, own = entry.id, shared.own.get
            for account in shared.audience:
                rows += (id, account, own(account))
            if self._audiences.get(shared.group) is not shared.audience:
                self._connection.executemany(
                    "INSERT OR IGNORE INTO source (account, source, first) VALUES (?, ?, ?)",
                    [(account, shared.group, id) for account in shared.audience],
                )
                self._audiences[shared.group] = shared.audience
            if shared.expires is not None:
                self._connection.execute(
                    "INSERT INTO expiry VALUES (?, ?, ?)", (shared.expires, id, shared.group)
                )
        insert_shares(self._connection, rows)
        return len(rows) // 3


def sources(connection: sqlite3.Connection, account: int) -> list[tuple[int, str, int]]:
    """The groups that have shared messages with an account: id, address, and the id of the first message."""
    return connection.execute(
        "SELECT source, jid, first FROM source CROSS JOIN account ON account.id = source WHERE account = ?",
        (account,),
    ).fetchall()


def entries(connection: sqlite3.Connection, query: LogQuery) -> Iterator[Found]:
    """The entries that groups have shared with an account, within the bounds of a query, in its order."""
    order = f" ORDER BY log.id {'DESC' if query.backwards else 'ASC'}"
    found = _by_group(connection, query, f"log.id, {SHARED}, ifnull(own, x'')", order)
    return heapq.merge(*found, reverse=query.backwards)


def count(connection: sqlite3.Connection, query: LogQuery) -> int:
    """The number of these entries."""
    return sum(number for found in _by_group(connection, query, "count(*)") for (number,) in found)


def _by_group(
    connection: sqlite3.Connection, query: LogQuery, columns: str, order: str = ""
) -> Iterator[sqlite3.Cursor]:
    """What a query finds of each group."""
    after = query.after or 0
    # with + the ids are looked up, and the bounds are only checked
    column = "log.id" if query.ids is None else "+log.id"
    where, values = f"{column} > :after", dict[str, int | str](account=query.account)
    if query.before is not None:
        where += f" AND {column} < :before"
        values["before"] = query.before
    if query.ids is not None:
        where += " AND log.id IN (SELECT value FROM json_each(:ids))"
        values["ids"] = json.dumps(list(query.ids))
    statement = (
        f"SELECT {columns} FROM log CROSS JOIN share "
        "ON share.id = log.id AND share.account = :account "
        f"WHERE log.account = :group AND {where}{order}"
    )
    for group, jid, first in sources(connection, query.account):
        if query.peer in (None, jid):
            begin = max(first - 1, after)
            yield connection.execute(statement, {**values, "group": group, "after": begin})


def named(connection: sqlite3.Connection, account: int, ids: str) -> Iterator[Found]:
    """Those of the entries with these ids (a JSON list) that groups have shared with an account."""
    return connection.execute(
        f"SELECT share.id, {SHARED}, ifnull(own, x'') FROM json_each(:ids) CROSS JOIN share "
        "ON share.id = value AND share.account = :account ORDER BY share.id",
        {"account": account, "ids": ids},
    )


def bounds(connection: sqlite3.Connection, account: int) -> list[int]:
    """The first and the last id of what groups have shared with an account; empty if there is nothing."""
    found = (next(entries(connection, LogQuery(account, backwards=end)), None) for end in (False, True))
    return [entry[0] for entry in found if entry is not None]


def forget(connection: sqlite3.Connection, ids: str) -> None:
    """Removes messages that only one log has from the logs of the accounts that they are shared with.

    To be called before that log loses them. ``ids``: a JSON list.
    """
    connection.execute(
        "DELETE FROM share WHERE id IN (SELECT id FROM message "
        "WHERE id IN (SELECT value FROM json_each(?)) AND holders <= 1)",
        (ids,),
    )


def drop_some(connection: sqlite3.Connection, account: int, upto: int, rows: int) -> bool:
    """Removes at most ``rows`` shared messages from an account's log. Returns whether there may be more."""
    for group, _, _ in sources(connection, account):
        found = connection.execute(
            "SELECT log.id FROM log CROSS JOIN share ON share.id = log.id AND share.account = :account "
            "WHERE log.account = :group AND log.id <= :upto LIMIT :rows",
            {"account": account, "group": group, "upto": upto, "rows": rows},
        ).fetchall()
        connection.executemany(
            "DELETE FROM share WHERE id = ? AND account = ?", [(id, account) for (id,) in found]
        )
        if len(found) == rows:
            return True
        connection.execute("DELETE FROM source WHERE account = ? AND source = ?", (account, group))
    return False


def is_due(connection: sqlite3.Connection, now: int) -> bool:
    """Whether the time of a message is over."""
    return connection.execute("SELECT 1 FROM expiry WHERE at <= ? LIMIT 1", (now,)).fetchone() is not None


def due(connection: sqlite3.Connection, now: int, rows: int) -> dict[int, list[int]]:
    """Removes at most ``rows`` entries from the table of expiry. Returns their ids, by group."""
    found = connection.execute(
        "SELECT at, id, source FROM expiry WHERE at <= ? ORDER BY at LIMIT ?", (now, rows)
    ).fetchall()
    connection.executemany("DELETE FROM expiry WHERE at = ? AND id = ?", [row[:2] for row in found])
    groups: dict[int, list[int]] = {}
    for _, id, group in found:
        groups.setdefault(group, []).append(id)
    return groups
