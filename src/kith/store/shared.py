"""Messages that a group shares with accounts: stored once, and in the log of each of them.

The group's own log has the message (tables ``message`` and ``log``); the table ``share`` says which accounts
have it too, and what each gets of it alone. Its rows are in the order of ids, so those of one message are
next to each other: a message to a thousand accounts changes a few pages. If the rows were in the order of
accounts, it would change a thousand (measured: 10 ms instead of 0.6).

To read the log of an account, its groups are looked up (table ``source``), and their logs are merged with
its own, each between the first and the last message that the account has of it. The log of a group is opened
only when its next message may be the next one of the page. Whether the account has an entry of a group is
one lookup in ``share``. The cost depends on the number of entries that are read, and with one lookup for
each on the number of groups, but not on the length of logs.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kith.ports.store import SHARED, Append, LogQuery
from kith.store.inserts import insert_shares

#: An entry that was found: its id, its flags, and what only this account gets.
Found = tuple[int, int, bytes]
_END = (1 << 63) - 1  # greater than any id


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements within see the same state of the database.

    Otherwise a page that reads one group after the other could have a later message without an earlier one
    of another group, which a client that continues after it would never get.
    """
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


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
                    "INSERT INTO source (account, source, first) VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET last = NULL, first = min(first, excluded.first) "
                    "WHERE last IS NOT NULL OR excluded.first < first",
                    [(account, shared.group, id) for account in shared.audience],
                )
                self._audiences[shared.group] = shared.audience
            if shared.ended:
                self._connection.executemany(
                    "UPDATE source SET last = ? WHERE account = ? AND source = ?",
                    [(id, account, shared.group) for account in shared.ended],
                )
            if shared.expires is not None:
                self._connection.execute(
                    "INSERT INTO expiry VALUES (?, ?, ?)", (shared.expires, id, shared.group)
                )
        insert_shares(self._connection, rows)
        return len(rows) // 3


class _Source(NamedTuple):
    """A group that has shared messages with an account, as far as a query may find something there.

    ``id``: of its log. ``after``, ``before``: bounds. ``head``: the first entry of its log within these, in
    the order of the query, whether or not the account has it.
    """

    id: int
    after: int
    before: int
    head: int


def sources(connection: sqlite3.Connection, account: int) -> list[tuple[int, str]]:
    """The groups that have shared messages with an account: id, and address."""
    return connection.execute(
        "SELECT source, jid FROM source CROSS JOIN account ON account.id = source WHERE account = ?",
        (account,),
    ).fetchall()


def entries(connection: sqlite3.Connection, query: LogQuery) -> Iterator[Found]:
    """The entries that groups have shared with an account, within the bounds of a query, in its order."""
    if query.ids is not None:
        yield from _named(connection, query)
        return
    sign = -1 if query.backwards else 1
    columns, order = f"log.id, {SHARED}, ifnull(own, x'')", f" ORDER BY log.id {_order(query)}"
    # the head of each group, and, once that may be the next entry, the entry and those that follow it
    waiting: list[tuple[int, int, Found | None, Iterator[Found]]] = [
        (sign * source.head, source.id, None, _of_source(connection, query, source, columns, order))
        for source in _sources(connection, query)
    ]
    heapq.heapify(waiting)
    while waiting:
        _, id, found, rest = waiting[0]
        if found is not None:
            yield found
        following = next(rest, None)
        if following is None:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (sign * following[0], id, following, rest))


def count(connection: sqlite3.Connection, query: LogQuery) -> int:
    """The number of these entries."""
    if query.ids is not None:
        return sum(1 for _ in _named(connection, query))
    found = [_of_source(connection, query, source, "count(*)") for source in _sources(connection, query)]
    return sum(number for rows in found for (number,) in rows)


def _order(query: LogQuery) -> str:
    return "DESC" if query.backwards else "ASC"


def _sources(connection: sqlite3.Connection, query: LogQuery) -> list[_Source]:
    """The groups in whose logs there is anything within the bounds of a query."""
    peer = " AND source = (SELECT id FROM account WHERE jid = :peer)" if query.peer is not None else ""
    return [
        _Source(*row)
        for row in connection.execute(
            "WITH bound (id, low, high) AS (SELECT source, max(first - 1, :after), "
            f"min(ifnull(last + 1, :before), :before) FROM source WHERE account = :account{peer}), "
            "found AS MATERIALIZED (SELECT bound.id, low, high, (SELECT log.id FROM log "
            "WHERE log.account = bound.id AND log.id > low AND log.id < high "
            f"ORDER BY log.id {_order(query)} LIMIT 1) AS head FROM bound) "
            "SELECT * FROM found WHERE head IS NOT NULL",
            _bounds(query),
        )
    ]


def _bounds(query: LogQuery) -> dict[str, int | str | None]:
    return {
        "account": query.account,
        "peer": query.peer,
        "after": query.after or 0,
        "before": _END if query.before is None else query.before,
    }


def _of_source(
    connection: sqlite3.Connection, query: LogQuery, source: _Source, columns: str, order: str = ""
) -> Iterator[Any]:
    """What a group has shared with an account, within bounds. Nothing is read before it is asked for."""
    yield from connection.execute(
        f"SELECT {columns} FROM log CROSS JOIN share ON share.id = log.id AND share.account = ? "
        f"WHERE log.account = ? AND log.id > ? AND log.id < ?{order}",
        (query.account, source.id, source.after, source.before),
    )


def _named(connection: sqlite3.Connection, query: LogQuery) -> Iterator[Found]:
    """Those of the entries that a query names by their ids."""
    where = "share.id > :after AND share.id < :before"
    if query.peer is not None:
        where += " AND EXISTS (SELECT 1 FROM log WHERE log.id = share.id AND log.account = "
        where += "(SELECT id FROM account WHERE jid = :peer))"
    return connection.execute(
        f"SELECT share.id, {SHARED}, ifnull(own, x'') FROM share WHERE share.account = :account "
        f"AND share.id IN (SELECT value FROM json_each(:ids)) AND {where} ORDER BY share.id {_order(query)}",
        {**_bounds(query), "ids": json.dumps(list(query.ids or ()))},
    )


def owned(connection: sqlite3.Connection, ids: str) -> dict[int, list[bytes]]:
    """What accounts get alone of the messages with these ids (a JSON list)."""
    found: dict[int, list[bytes]] = {}
    for id, own in connection.execute(
        "SELECT id, own FROM share WHERE id IN (SELECT value FROM json_each(?)) AND own IS NOT NULL "
        "ORDER BY id, account",
        (ids,),
    ):
        found.setdefault(id, []).append(own)
    return found


def audience(connection: sqlite3.Connection, ids: Sequence[int]) -> list[int]:
    """The accounts that have any of the messages with these ids."""
    found = connection.execute(
        "SELECT DISTINCT account FROM share WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )
    return [account for (account,) in found]


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
    for group, _ in sources(connection, account):
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
