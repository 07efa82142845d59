"""The outbox: log entries that the owner of their peer, another node or server, has not confirmed yet.

It is a flag of the entry, with an index of the flagged ones, so that empty outboxes cost nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from kith.base.slots import slot_of
from kith.ports.store import INCOMING, OUTGOING, UNARCHIVED, UNDELIVERED, Outgoing, Queued
from kith.store.log import IDS, PAGE_BYTES, as_json, drop

#: The domain of a peer's bare address.
_DOMAIN = "substr(address.jid, instr(address.jid, '@') + 1)"


def entries(connection: sqlite3.Connection, slot: int | None, after: int, limit: int) -> list[Outgoing]:
    """Reads entries of outboxes (`LogStore.outbox`)."""
    connection.create_function("slot_of", 1, slot_of, deterministic=True)
    rows = connection.execute(
        "SELECT log.account, log.id, address.jid, message.stanza, log.flags "
        "FROM log INDEXED BY log_outgoing CROSS JOIN account ON account.id = log.account "
        "CROSS JOIN address ON address.id = log.peer CROSS JOIN message ON message.id = log.id "
        f"WHERE log.flags >= {OUTGOING} AND log.id > :after "
        "AND (:slot IS NULL OR slot_of(account.jid) = :slot) ORDER BY log.id, log.account",
        {"slot": slot, "after": after},
    )
    return _portion(rows, limit)


def entries_to(connection: sqlite3.Connection, domain: str, after: int, limit: int) -> list[Outgoing]:
    """Reads entries for a domain (`LogStore.outbox_to`)."""
    rows = connection.execute(
        "SELECT log.account, log.id, address.jid, message.stanza, log.flags "
        "FROM log INDEXED BY log_outgoing CROSS JOIN address ON address.id = log.peer "
        "CROSS JOIN message ON message.id = log.id "
        f"WHERE log.flags >= {OUTGOING} AND log.id > :after AND {_DOMAIN} = :domain "
        "ORDER BY log.id, log.account",
        {"domain": domain, "after": after},
    )
    return _portion(rows, limit)


def sizes(connection: sqlite3.Connection) -> list[Queued]:
    """Counts entries by account and domain (`LogStore.outbox_sizes`)."""
    rows = connection.execute(
        f"SELECT log.account, {_DOMAIN}, count(*), sum(length(message.stanza)) "
        "FROM log INDEXED BY log_outgoing CROSS JOIN address ON address.id = log.peer "
        f"CROSS JOIN message ON message.id = log.id WHERE log.flags >= {OUTGOING} GROUP BY 1, 2"
    )
    return [Queued(*row) for row in rows]


def _portion(rows: sqlite3.Cursor, limit: int) -> list[Outgoing]:
    """The first rows, fewer than ``limit`` if they are large."""
    found: list[Outgoing] = []
    size = 0
    while len(found) < limit and size < PAGE_BYTES and (row := rows.fetchone()) is not None:
        found.append(Outgoing(*row))
        size += len(found[-1].stanza)
    return found


def handed_on(connection: sqlite3.Connection, account: int, ids: Sequence[int]) -> None:
    """Removes entries from the outbox, and deletes those that were kept for that only."""
    values = {"account": account, "ids": as_json(ids)}
    connection.execute(
        f"UPDATE log SET flags = flags & ~{OUTGOING} WHERE account = :account AND id IN {IDS} "
        f"AND flags & {OUTGOING}",
        values,
    )
    rows = connection.execute(
        f"SELECT id FROM log WHERE account = :account AND id IN {IDS} AND flags & {UNARCHIVED} "
        f"AND flags < {UNDELIVERED} AND NOT (flags & {INCOMING} AND id > "
        "(SELECT delivered FROM account WHERE id = :account))",
        values,
    ).fetchall()
    drop(connection, account, [row[0] for row in rows], remember=True)


def turned_away(connection: sqlite3.Connection, account: int, ids: Sequence[int]) -> None:
    """Removes entries from the outbox and the log."""
    rows = connection.execute(
        f"SELECT id FROM log WHERE account = :account AND id IN {IDS} AND flags & {OUTGOING}",
        {"account": account, "ids": as_json(ids)},
    ).fetchall()
    drop(connection, account, [row[0] for row in rows])
