"""An index of a log by peer, which is updated when it is used.

Updating it with each message would change a separate page of the database for each account. Many updates at a
time share pages, and for an account that never queries by peer they cost nothing. Entries beyond
``account.indexed`` are not in the index yet; a query searches up to `FEW` of them in the log itself.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from kith.ports.store import UNARCHIVED, LogQuery

#: How many entries a query searches in the log instead of waiting for an update of the index.
FEW = 256
_BATCH = 4000  # blocks other writers for some milliseconds


def is_behind(connection: sqlite3.Connection, account: int) -> bool:
    """Whether more than a few entries are not indexed yet."""
    (waiting,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM log WHERE account = :account AND id > "
        "(SELECT indexed FROM account WHERE id = :account) LIMIT :rows)",
        {"account": account, "rows": FEW + 1},
    ).fetchone()
    return bool(waiting > FEW)


def catch_up(connection: sqlite3.Connection, account: int) -> bool:
    """Indexes some more entries, which takes only a moment. Returns whether the index is complete."""
    ids = connection.execute(
        "SELECT id FROM log WHERE account = :account AND id > "
        "(SELECT indexed FROM account WHERE id = :account) ORDER BY id LIMIT :rows",
        {"account": account, "rows": _BATCH},
    ).fetchall()
    if not ids:
        return True
    connection.execute(
        "INSERT OR IGNORE INTO conversation SELECT account, peer, id FROM log "
        "WHERE account = ? AND id BETWEEN ? AND ? ORDER BY peer, id",
        (account, ids[0][0], ids[-1][0]),
    )
    connection.execute("UPDATE account SET indexed = ? WHERE id = ?", (ids[-1][0], account))
    return len(ids) < _BATCH


def forget(connection: sqlite3.Connection, account: int, ids: str) -> None:
    """Removes entries from the index; to be called before they are deleted. ``ids``: a JSON list."""
    connection.execute(
        "DELETE FROM conversation WHERE (account, peer, id) IN (SELECT account, peer, id FROM log "
        "WHERE account = ? AND id IN (SELECT value FROM json_each(?)))",
        (account, ids),
    )


def peers(connection: sqlite3.Connection, account: int) -> list[str]:
    """The peers in a log: one access to the index for each, and a search of what is not indexed yet."""
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
    """A subquery for (id, flags) of the entries within the bounds of a query; None if there are none."""
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
    # another process may have indexed more in the meantime; entries beyond `indexed` are taken from the log
    return (
        "SELECT conversation.id, log.flags FROM conversation "
        "CROSS JOIN log ON log.account = :account AND log.id = conversation.id "
        "WHERE conversation.account = :account AND conversation.peer = :peer "
        f"AND conversation.id <= :indexed AND NOT log.flags & {UNARCHIVED}{bounds.format('conversation')} "
        "UNION ALL SELECT log.id, log.flags FROM log WHERE log.account = :account AND log.id > :indexed "
        f"AND log.peer = :peer AND NOT log.flags & {UNARCHIVED}{bounds.format('log')}",
        values,
    )
