"""Inserts and reads many rows with one statement.

The rows are padded with empty ones, which the statement skips, to a power of two or a multiple of 64. So
there are only a few different statements, which are prepared once and cached.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from kith.ports.store import Append

_MAX_ROWS = 1024
#: The key of a message: the number of its sender, or 0; and 16 bytes (`kith.store.appends`).
Key = tuple[int, bytes]
#: The logs of a message: account, peer's bare address, flags.
Owners = Sequence[tuple[int, str, int]]


def insert_messages(
    connection: sqlite3.Connection, planned: Sequence[tuple[Append, Key | None, Owners]]
) -> None:
    """Inserts messages. Raises IntegrityError if an id or key exists; then that statement inserts nothing."""
    values: list[Any] = []
    for entry, key, owners in planned:
        sender, origin = key if key is not None else (0, None)
        values += (entry.id, sender, origin, entry.stanza, len(owners))
    _insert(connection, "message (id, sender, origin, stanza, holders)", 5, values)


def insert_log(connection: sqlite3.Connection, values: Sequence[Any]) -> None:
    """Inserts log entries. ``values``: account, id, peer's number and flags of each, one after the other."""
    _insert(connection, "log (account, id, peer, flags)", 4, values)


def insert_shares(connection: sqlite3.Connection, values: Sequence[Any]) -> None:
    """Inserts rows of the table of shared messages. ``values``: id, account, and own part of each."""
    _insert(connection, "share (id, account, own)", 3, values)


def known_keys(connection: sqlite3.Connection, keys: Sequence[Key]) -> dict[Key, tuple[int, bytes]]:
    """The ids and stanzas of the messages with these keys."""
    known: dict[Key, tuple[int, bytes]] = {}
    for start in range(0, len(keys), _MAX_ROWS):
        part = keys[start : start + _MAX_ROWS]
        rows = _filled_up(len(part))
        values: list[Any] = [value for key in part for value in key]
        values += [None] * (2 * (rows - len(part)))
        for sender, origin, id, stanza in connection.execute(_lookup(rows), values):
            known[sender, origin] = id, stanza
    return known


def known_owners(connection: sqlite3.Connection, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those pairs of account and message id for which the log of the account has the message."""
    return connection.execute(
        "SELECT log.account, log.id FROM json_each(?) AS pair CROSS JOIN log "
        "ON log.account = json_extract(pair.value, '$[0]') AND log.id = json_extract(pair.value, '$[1]')",
        (json.dumps(pairs),),
    ).fetchall()


def _insert(connection: sqlite3.Connection, into: str, columns: int, values: Sequence[Any]) -> None:
    for start in range(0, len(values), _MAX_ROWS * columns):
        part = values[start : start + _MAX_ROWS * columns]
        rows = _filled_up(len(part) // columns)
        padding = rows * columns - len(part)
        connection.execute(_statement(into, columns, rows), [*part, *(None,) * padding])


def _filled_up(number: int) -> int:
    """The number of rows of the statement to use for ``number`` rows."""
    return 1 << (number - 1).bit_length() if number <= 64 else -(-number // 64) * 64


@lru_cache(64)
def _statement(into: str, columns: int, rows: int) -> str:
    row = f"({','.join('?' * columns)})"
    return f"INSERT INTO {into} SELECT * FROM (VALUES {','.join([row] * rows)}) WHERE column1 IS NOT NULL"


@lru_cache(16)
def _lookup(keys: int) -> str:
    return (
        f"WITH wanted (s, o) AS (VALUES {','.join(['(?,?)'] * keys)}) "
        "SELECT sender, origin, message.id, stanza FROM wanted CROSS JOIN message "
        "ON sender = s AND origin = o AND origin IS NOT NULL"
    )
