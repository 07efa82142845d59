"""Many rows in one statement.

The number of rows is filled up with empty ones that the statement skips, to a power of two or a multiple
of 64, so that few different statements exist, all of them prepared once and cached.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from kith.ports.store import Append

_MAX_ROWS = 1024


def insert_messages(connection: sqlite3.Connection, entries: Sequence[Append]) -> None:
    """Raises IntegrityError, and inserts nothing of that statement, if an id or origin exists."""
    values: list[Any] = []
    for entry in entries:
        values += (entry.id, entry.sender, entry.origin, entry.stanza, len(entry.owners))
    _insert(connection, "message (id, sender, origin, stanza, holders)", 5, values)


def insert_log(connection: sqlite3.Connection, values: Sequence[Any]) -> None:
    """``values``: account, id, peer's number, flags; and so on."""
    _insert(connection, "log (account, id, peer, flags)", 4, values)


def known_origins(
    connection: sqlite3.Connection, entries: Sequence[Append]
) -> dict[tuple[int, bytes], tuple[int, bytes]]:
    """Ids and stanzas of the messages of the same sender and origin that are stored."""
    pairs = list({(entry.sender, entry.origin): None for entry in entries if entry.origin is not None})
    known: dict[tuple[int, bytes], tuple[int, bytes]] = {}
    for start in range(0, len(pairs), _MAX_ROWS):
        part = pairs[start : start + _MAX_ROWS]
        rows = _filled_up(len(part))
        values: list[Any] = [value for pair in part for value in pair]
        values += [None] * (2 * (rows - len(part)))
        for sender, origin, id, stanza in connection.execute(_lookup(rows), values):
            known[sender, origin] = id, stanza
    return known


def _insert(connection: sqlite3.Connection, into: str, columns: int, values: Sequence[Any]) -> None:
    for start in range(0, len(values), _MAX_ROWS * columns):
        part = values[start : start + _MAX_ROWS * columns]
        rows = _filled_up(len(part) // columns)
        padding = rows * columns - len(part)
        connection.execute(_statement(into, columns, rows), [*part, *(None,) * padding])


def _filled_up(number: int) -> int:
    """For how many rows there is a statement that takes so many."""
    return 1 << (number - 1).bit_length() if number <= 64 else -(-number // 64) * 64


@lru_cache(64)
def _statement(into: str, columns: int, rows: int) -> str:
    row = f"({','.join('?' * columns)})"
    return f"INSERT INTO {into} SELECT * FROM (VALUES {','.join([row] * rows)}) WHERE column1 IS NOT NULL"


@lru_cache(16)
def _lookup(pairs: int) -> str:
    return (
        f"WITH wanted (s, o) AS (VALUES {','.join(['(?,?)'] * pairs)}) "
        "SELECT sender, origin, message.id, stanza FROM wanted CROSS JOIN message "
        "ON sender = s AND origin = o AND origin IS NOT NULL"
    )
