"""The SQL statements that read, change and delete entries of logs.

They name the indexes to use, because without statistics SQLite would scan the whole log of an account.
Lists of ids are passed as one JSON value, so that a statement is the same for any number of them.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kith.ports.store import INCOMING, UNARCHIVED, UNDELIVERED, Entry, LogQuery, Page
from kith.store import shared
from kith.store.conversations import entries_with, forget

#: Maximum bytes of a page; it ends with the entry that exceeds it. This limits the memory for large messages.
PAGE_BYTES = 1024 * 1024
_LAST = (1 << 63) - 1  # the greatest possible id
#: Selects the ids in the value ``ids`` (`as_json`).
IDS = "(SELECT value FROM json_each(:ids))"
#: Selects undelivered entries: flagged ones below the mark, then all above it.
_UNDELIVERED = (
    "WITH mark (id) AS (SELECT min(delivered, :since) FROM account WHERE id = :account), waiting AS ("
    f"SELECT id, flags FROM log INDEXED BY log_undelivered WHERE account = :account AND id > :after "
    f"AND id <= (SELECT id FROM mark) AND flags >= {UNDELIVERED} AND flags & {UNDELIVERED} "
    "UNION ALL SELECT id, flags FROM log WHERE account = :account "
    f"AND id > max(:after, (SELECT id FROM mark)) AND flags & {INCOMING})"
)
#: Selects the owners of logs, with one access to the index for each.
_OWNERS = (
    "WITH RECURSIVE owner (id) AS (SELECT min(account) FROM log UNION ALL "
    "SELECT (SELECT min(account) FROM log WHERE account > owner.id) FROM owner WHERE id IS NOT NULL)"
)


def page(connection: sqlite3.Connection, query: LogQuery) -> Page:
    """Reads a page of a log (`LogStore.page`)."""
    if query.shared:
        with shared.snapshot(connection):
            found = _entries(connection, query)
            entries = _read(connection, found, query.limit)
            complete = next(found, None) is None
    else:
        selection = _selection(connection, query)
        if selection is None:
            return Page([], True)
        order = "DESC" if query.backwards else "ASC"
        rows = connection.execute(
            f"WITH found (id, flags) AS ({selection[0]} ORDER BY 1 {order} LIMIT :rows) "
            # CROSS JOIN keeps the order of the loops, and thereby of the rows
            "SELECT found.id, stanza, found.flags FROM found CROSS JOIN message ON message.id = found.id",
            {**selection[1], "rows": query.limit + 1},
        )
        entries = _portion(rows, query.limit)
        complete = rows.fetchone() is None
        if query.reader is not None:
            entries = _read_by(connection, query.reader, entries)
    if query.backwards:
        entries.reverse()
    return Page(entries, complete)


def _read_by(connection: sqlite3.Connection, account: int, entries: list[Entry]) -> list[Entry]:
    """Entries of a group, with what one account gets of them alone."""
    found = shared.entries(connection, LogQuery(account, ids=[entry.id for entry in entries]))
    own = {id: part for id, _, part in found}
    return [entry._replace(own=own.get(entry.id, b"")) for entry in entries]


def _entries(connection: sqlite3.Connection, query: LogQuery) -> Iterator[shared.Found]:
    """All entries within the bounds of a query, with those that groups have shared, in its order."""
    selection = _selection(connection, query)
    order = "DESC" if query.backwards else "ASC"
    own: Iterable[shared.Found] = ()
    if selection is not None:
        own = connection.execute(
            f"SELECT id, flags, x'' FROM ({selection[0]}) ORDER BY 1 {order}", selection[1]
        )
    return heapq.merge(own, shared.entries(connection, query), reverse=query.backwards)


def _read(connection: sqlite3.Connection, found: Iterator[shared.Found], limit: int) -> list[Entry]:
    """The next entries with their stanzas, limited in number and size."""
    entries: list[Entry] = []
    size = 0
    while len(entries) < limit and size < PAGE_BYTES and (one := next(found, None)) is not None:
        row = connection.execute("SELECT stanza FROM message WHERE id = ?", one[:1]).fetchone()
        if row is not None:  # removed a moment ago
            entries.append(Entry(one[0], row[0], one[1], one[2]))
            size += len(row[0]) + len(one[2])
    return entries


def _portion(rows: sqlite3.Cursor, limit: int) -> list[Entry]:
    """The next entries from a cursor, limited in number and size."""
    entries: list[Entry] = []
    size = 0
    while len(entries) < limit and size < PAGE_BYTES and (row := rows.fetchone()) is not None:
        entry = Entry(*row)
        entries.append(entry)
        size += len(entry.stanza)
    return entries


def count(connection: sqlite3.Connection, query: LogQuery) -> int:
    """The number of entries within the bounds of the query, regardless of its limit."""
    number = shared.count(connection, query) if query.shared else 0
    selection = _selection(connection, query)
    if selection is not None:
        (own,) = connection.execute(f"SELECT count(*) FROM ({selection[0]})", selection[1]).fetchone()
        number += own
    return number


def bounds(connection: sqlite3.Connection, account: int, with_shared: bool = False) -> tuple[int, int] | None:
    """The first and the last id of the archive, if there are any; ``with_shared``: and of what is shared."""
    end = f"SELECT id FROM log WHERE account = :account AND NOT flags & {UNARCHIVED} ORDER BY id"
    both = f"SELECT ({end} ASC LIMIT 1), ({end} DESC LIMIT 1)"
    ends = [id for id in connection.execute(both, {"account": account}).fetchone() if id is not None]
    if with_shared:
        ends += shared.bounds(connection, account)
    return (min(ends), max(ends)) if ends else None


def undelivered(
    connection: sqlite3.Connection,
    account: int,
    after: int,
    limit: int,
    since: int | None = None,
    with_shared: bool = False,
) -> list[Entry]:
    """Undelivered entries (`LogStore.undelivered`): flagged ones below the mark, then all above it.

    Fewer than ``limit`` if they are large.
    """
    values = {"account": account, "after": after, "since": _LAST if since is None else since}
    if with_shared and since is not None:
        with shared.snapshot(connection):
            own = connection.execute(f"{_UNDELIVERED} SELECT id, flags, x'' FROM waiting ORDER BY id", values)
            others = shared.entries(connection, LogQuery(account, after=max(after, since)))
            return _read(connection, heapq.merge(own, others), limit)
    rows = connection.execute(
        f"{_UNDELIVERED}, first AS (SELECT id, flags FROM waiting ORDER BY id LIMIT :rows) "
        "SELECT first.id, stanza, first.flags FROM first CROSS JOIN message "
        "ON message.id = first.id ORDER BY first.id",
        {**values, "rows": limit},
    )
    return _portion(rows, limit)


def undelivered_of_all(connection: sqlite3.Connection) -> tuple[int, int]:
    """The number of accounts, and of undelivered messages in all of them."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM account WHERE kind = 0), "
        "(SELECT count(*) FROM log INDEXED BY log_undelivered CROSS JOIN account ON account.id = log.account "
        f"WHERE log.flags >= {UNDELIVERED} AND log.flags & {UNDELIVERED} AND log.id <= account.delivered) + "
        "(SELECT count(*) FROM account CROSS JOIN log ON log.account = account.id "
        f"AND log.id > account.delivered WHERE log.flags & {INCOMING})"
    ).fetchone()
    return int(row[0]), int(row[1])


def mark_delivered(connection: sqlite3.Connection, account: int, upto: int, late: Sequence[int]) -> None:
    """Moves the mark, never back, and deletes entries that were kept for delivery only."""
    connection.execute(
        "UPDATE account SET delivered = ? WHERE id = ? AND delivered < ?", (upto, account, upto)
    )
    if late:
        connection.execute(
            f"UPDATE log SET flags = flags & ~{UNDELIVERED} WHERE account = :account AND id IN {IDS} "
            f"AND flags & {UNDELIVERED}",
            {"account": account, "ids": as_json(late)},
        )
    rows = connection.execute(
        "SELECT id FROM log INDEXED BY log_unarchived WHERE account = :account "
        "AND id <= (SELECT delivered FROM account WHERE id = :account) "
        f"AND flags & {UNARCHIVED} AND flags < {UNDELIVERED}",
        {"account": account},
    ).fetchall()
    drop(connection, account, [row[0] for row in rows], remember=True)


def mark_undelivered(connection: sqlite3.Connection, account: int, ids: Sequence[int]) -> None:
    """Flags incoming entries as UNDELIVERED."""
    connection.execute(
        f"UPDATE log SET flags = flags | {UNDELIVERED} WHERE account = :account AND id IN {IDS} "
        f"AND flags & {INCOMING}",
        {"account": account, "ids": as_json(ids)},
    )


def rewrite(connection: sqlite3.Connection, id: int, stanza: bytes) -> None:
    """Replaces the content of a message, and removes what single accounts get of it."""
    connection.execute("UPDATE message SET stanza = ? WHERE id = ? AND holders > 0", (stanza, id))
    connection.execute("UPDATE share SET own = NULL WHERE id = ? AND own IS NOT NULL", (id,))


def owners_before(connection: sqlite3.Connection, before: int) -> list[int]:
    """The ids of accounts with older entries, including accounts that no longer exist."""
    rows = connection.execute(
        f"{_OWNERS} SELECT id FROM owner "
        "WHERE EXISTS (SELECT 1 FROM log WHERE account = owner.id AND log.id < ?)",
        (before,),
    )
    return [row[0] for row in rows]


def expire(
    connection: sqlite3.Connection, account: int, after: int, before: int, rows: int
) -> tuple[int, int | None]:
    """Deletes at most ``rows`` delivered entries between two ids. Returns how many, and where to continue."""
    found = connection.execute(
        "SELECT id FROM log WHERE account = :account AND id > :after AND id < :before "
        f"AND flags < {UNDELIVERED} AND NOT (flags & {INCOMING} AND id > "
        "coalesce((SELECT delivered FROM account WHERE id = :account), :before)) ORDER BY id LIMIT :rows",
        {"account": account, "after": after, "before": before, "rows": rows},
    ).fetchall()
    drop(connection, account, [row[0] for row in found])
    return len(found), found[-1][0] if len(found) == rows else None


def forget_origins(connection: sqlite3.Connection, before: int, rows: int = 500) -> tuple[int, bool]:
    """Removes the origins of some more messages before an id, and thereby from the index.

    Returns how many, and whether it has finished. Its progress is stored in a counter.
    """
    found = connection.execute(
        "SELECT id, origin IS NOT NULL FROM message WHERE id < :before "
        "AND id > coalesce((SELECT value FROM counter WHERE name = 'origins'), 0) ORDER BY id LIMIT :rows",
        {"before": before, "rows": rows},
    ).fetchall()
    if not found:
        return 0, True
    ids = [id for id, has in found if has]
    values = {"ids": as_json(ids)}
    connection.execute(f"DELETE FROM message WHERE id IN {IDS} AND holders = 0", values)
    connection.execute(f"UPDATE message SET origin = NULL WHERE id IN {IDS}", values)
    connection.execute(
        "INSERT INTO counter VALUES ('origins', :last) ON CONFLICT (name) DO UPDATE SET value = :last",
        {"last": found[-1][0]},
    )
    return len(ids), len(found) < rows


def drop_some(connection: sqlite3.Connection, account: int, upto: int, rows: int) -> bool:
    """Deletes at most ``rows`` entries of a log up to an id. Returns whether there may be more."""
    found = connection.execute(
        "SELECT id FROM log WHERE account = ? AND id <= ? LIMIT ?", (account, upto, rows)
    ).fetchall()
    drop(connection, account, [row[0] for row in found])
    return len(found) == rows


def orphans(connection: sqlite3.Connection) -> list[int]:
    """Ids of deleted accounts whose logs still exist, because the deletion was interrupted."""
    found = connection.execute(
        f"{_OWNERS} SELECT id FROM owner WHERE id NOT IN (SELECT id FROM account) "
        "UNION SELECT account FROM source WHERE account NOT IN (SELECT id FROM account)"
    )
    return [row[0] for row in found]


def last_id(connection: sqlite3.Connection) -> int:
    """The greatest id of a message, including deleted ones."""
    (last,) = connection.execute(
        "SELECT max((SELECT coalesce(max(id), 0) FROM message), "
        "coalesce((SELECT value FROM counter WHERE name = 'id'), 0))"
    ).fetchone()
    return int(last)


def drop(connection: sqlite3.Connection, account: int, ids: Sequence[int], remember: bool = False) -> None:
    """Deletes existing entries, and the messages that are then in no log.

    ``remember``: whether messages with a key keep that key, so that retries are recognized.
    """
    if not ids:
        return
    values: dict[str, Any] = {"account": account, "ids": as_json(ids), "last": max(ids)}
    forget(connection, account, values["ids"])
    connection.execute(f"DELETE FROM log WHERE account = :account AND id IN {IDS}", values)
    if remember:
        connection.execute(
            f"UPDATE message SET stanza = x'' WHERE id IN {IDS} AND holders = 1 AND origin IS NOT NULL",
            values,
        )
    shared.forget(connection, values["ids"])
    connection.execute(
        f"DELETE FROM message WHERE id IN {IDS} AND holders <= 1 AND (origin IS NULL OR stanza != x'')",
        values,
    )
    connection.execute(f"UPDATE message SET holders = holders - 1 WHERE id IN {IDS}", values)
    connection.execute(
        "INSERT INTO counter VALUES ('id', :last) ON CONFLICT (name) DO UPDATE SET value = max(value, :last)",
        values,
    )


def as_json(ids: Sequence[int]) -> str:
    return f"[{','.join(map(str, ids))}]"


def _selection(connection: sqlite3.Connection, query: LogQuery) -> tuple[str, dict[str, Any]] | None:
    """A query for (id, flags) of the entries within the bounds, and its values; None if there are none."""
    if query.peer is not None and query.ids is None:
        return entries_with(connection, query)
    where = ["log.account = :account", f"NOT log.flags & {UNARCHIVED}"]
    values: dict[str, Any] = {"account": query.account}
    if query.ids is not None:
        where.append(f"log.id IN {IDS}")
        values["ids"] = as_json(query.ids)
    if query.peer is not None:
        where.append("log.peer = (SELECT id FROM address WHERE jid = :peer)")
        values["peer"] = query.peer
    if query.after is not None:
        where.append("log.id > :after")
        values["after"] = query.after
    if query.before is not None:
        where.append("log.id < :before")
        values["before"] = query.before
    return f"SELECT log.id, log.flags FROM log WHERE {' AND '.join(where)}", values
