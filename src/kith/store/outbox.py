"""The outbox: log entries that the owner of their peer, another node, has not confirmed yet.

It is a flag of the entry, with an index of the flagged ones, so that empty outboxes cost nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from kith.base.slots import slot_of
from kith.ports.store import INCOMING, OUTGOING, UNARCHIVED, UNDELIVERED, Outgoing
from kith.store.log import IDS, PAGE_BYTES, as_json, drop


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
