"""Which entries of a log are with whom: an index of the log that catches up when somebody asks.

If each message entered it at once, each would cost a page of the database for both of its accounts, wherever
those lie. Entered many at a time they share pages, and for an account that never asks they cost nothing.
Entries of the log beyond ``account.indexed`` are not in it yet; up to `FEW` of them are looked through.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from kith.ports.store import UNARCHIVED, LogQuery

#: Entries that a query looks through rather than wait for the writer.
FEW = 256
_AT_ONCE = 4000  # some milliseconds of other writers' time


def is_behind(connection: sqlite3.Connection, account: int) -> bool:
    """Whether there are more than a few entries to be indexed."""
    (waiting,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM log WHERE account = :account AND id > "
        "(SELECT indexed FROM account WHERE id = :account) LIMIT :rows)",
        {"account": account, "rows": FEW + 1},
    ).fetchone()
    return bool(waiting > FEW)


def catch_up(connection: sqlite3.Connection, account: int) -> bool:
    """Indexes what waits, but no more than takes a moment. Returns whether that was all."""
    ids = connection.execute(
        "SELECT id FROM log WHERE account = :account AND id > "
        "(SELECT indexed FROM account WHERE id = :account) ORDER BY id LIMIT :rows",
        {"account": account, "rows": _AT_ONCE},
    ).fetchall()
    if not ids:
        return True
    connection.execute(
        "INSERT OR IGNORE INTO conversation SELECT account, peer, id FROM log "
        "WHERE account = ? AND id BETWEEN ? AND ? ORDER BY peer, id",
        (account, ids[0][0], ids[-1][0]),
    )
    connection.execute("UPDATE account SET indexed = ? WHERE id = ?", (ids[-1][0], account))
    return len(ids) < _AT_ONCE


def forget(connection: sqlite3.Connection, account: int, ids: str) -> None:
    """Before entries leave the log; ``ids`` is a JSON list."""
    connection.execute(
        "DELETE FROM conversation WHERE (account, peer, id) IN (SELECT account, peer, id FROM log "
        "WHERE account = ? AND id IN (SELECT value FROM json_each(?)))",
        (account, ids),
    )


def peers(connection: sqlite3.Connection, account: int) -> list[str]:
    """With whom there are entries: one look into the index for each, and through what is not in it yet."""
    rows = connection.execute(
        "WITH RECURSIVE peer (id) AS (SELECT min(peer) FROM conversation WHERE account = :account UNION ALL "
        "SELECT (SELECT min(peer) FROM conversation WHERE account = :account AND peer > peer.id) "
        "FROM peer WHERE id IS NOT NULL) "
        "SELECT jid FROM peer JOIN address ON address.id = peer.id "
        "UNION SELECT jid FROM log JOIN address ON address.id = log.peer WHERE log.account = :account "
        "AND log.id > (SELECT indexed FROM account WHERE id = :account)",
        {"account": account},
    )
    return [row[0] for row in rows]


def entries_with(connection: sqlite3.Connection, query: LogQuery) -> tuple[str, dict[str, Any]] | None:
    """A subquery for (id, flags) of what a query's bounds hold; None if there is nothing."""
    number = connection.execute("SELECT id FROM address WHERE jid = ?", (query.peer,)).fetchone()
    indexed = connection.execute("SELECT indexed FROM account WHERE id = ?", (query.account,)).fetchone()
    if number is None:
        return None
    values = {"account": query.account, "peer": number[0], "indexed": indexed[0] if indexed else 0}
    bounds = ""
    if query.after is not None:
        bounds += " AND {0}.id > :after"
        values["after"] = query.after
    if query.before is not None:
        bounds += " AND {0}.id < :before"
        values["before"] = query.before
    # another writer may have indexed more since: what is beyond `indexed` is taken from the log
    return (
        "SELECT conversation.id, log.flags FROM conversation "
        "CROSS JOIN log ON log.account = :account AND log.id = conversation.id "
        "WHERE conversation.account = :account AND conversation.peer = :peer "
        f"AND conversation.id <= :indexed AND NOT log.flags & {UNARCHIVED}{bounds.format('conversation')} "
        "UNION ALL SELECT log.id, log.flags FROM log WHERE log.account = :account AND log.id > :indexed "
        f"AND log.peer = :peer AND NOT log.flags & {UNARCHIVED}{bounds.format('log')}",
        values,
    )
