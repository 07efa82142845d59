"""Adds messages to logs: many at once, and each only once.

A message is identified by the addresses of its sender and recipient and its origin
(`kith.ports.store.Append`); in the database by a key of a number and 16 bytes of a hash. If the sender has
an account in this database, the number is the id of that account, which stays the same when the address
changes and is never reused; otherwise the sender's address is part of the hash. So nothing has to be looked
up for a new message, and a unique index finds retries.

Each key has one message. Further messages that would have the same key get derived ones: different messages
with the same origin (`Retries.distinct`), and a message that was added to the logs of its sender and its
recipient at different times, as happens if two nodes owned them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from kith.ports.store import INCOMING, Append
from kith.store.document import write_all
from kith.store.inserts import Key, Owners, insert_log, insert_messages, known_keys, known_owners
from kith.store.log import rewrite
from kith.store.shared import Shares

#: What to report after the commit: the operation, its result, and its error.
Answer = tuple[Callable[[Any, BaseException | None], None], Any, BaseException | None]
#: How many addresses are cached with their numbers.
_REMEMBERED = 100_000
#: How many keys are tried for one message. A sender can let an id come again and again with what is not
#: archived; each time would cost a query more than the time before.
_MAX_KEYS = 4
_SHARES_IN_A_PAGE = 100


class Held(NamedTuple):
    """A message that is stored under a key. ``owners``: those accounts of the question whose logs have it.

    If it was kept for delivery only, and was delivered, its ``stanza`` is empty.
    """

    id: int
    stanza: bytes
    owners: Owners


class Appends:
    """Writes messages within the open transaction. Used on the writer thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._addresses: dict[str, int] = {}
        self._accounts: dict[str, int] = {}
        self._shares = Shares(connection)
        self.new = 0  # messages in this transaction
        self.changed = 0  # estimated pages that it has changed, except those filled by messages

    def begin(self) -> None:
        """Notes that a transaction has begun."""
        self.new = self.changed = 0

    def accounts_changed(self) -> None:
        """Clears the caches, because addresses may belong to other accounts than before."""
        self._accounts.clear()
        self._shares.undone()

    def undone(self) -> None:
        """Notes that the transaction was rolled back."""
        self._addresses.clear()
        self._accounts.clear()
        self._shares.undone()

    def existing(self, entry: Append) -> int | None:
        """The id of the message that this one is a retry of, or None."""
        if entry.origin is None:
            return None
        keys, known = [self._key(entry)], dict[Key, Held]()
        while True:
            asking: dict[Key, set[int]] = {}
            _, (existing,) = _plan([entry], keys, known, asking)
            found = self._held(asking)
            if existing is not None or found.keys() <= known.keys():
                return existing
            known = found

    def write(self, appends: Sequence[Append], answers: list[Answer]) -> None:
        """Writes messages.

        Retries are rare, so the database is searched for known keys only if an insert fails.
        """
        keys = [self._key(entry) if entry.origin is not None else None for entry in appends]
        known: dict[Key, Held] = {}
        while True:
            planned, held = _plan(appends, keys, known)
            try:
                insert_messages(self._connection, planned)
                break
            except sqlite3.IntegrityError:
                asking: dict[Key, set[int]] = {}
                _plan(appends, keys, known, asking)
                found = self._held(asking)  # a derived key may exist, too
                if found.keys() <= known.keys():
                    raise
                known = found
        self.new += len(planned)
        rows: list[Any] = []
        for entry, _, owners in planned:
            for account, peer, flags in owners:
                rows += (account, entry.id, self._address(peer), flags)
        insert_log(self._connection, rows)
        for entry, _, _ in planned:
            if entry.shared is not None or entry.documents or entry.rewrites:
                self._write_more([entry for entry, _, _ in planned])
                break
        # for each account, the end of its log and of its sent messages
        self.changed += 2 * len(set(rows[::4])) + 4
        answers += [(entry.done, existing, None) for entry, existing in zip(appends, held, strict=True)]

    def _write_more(self, entries: Sequence[Append]) -> None:
        """Writes what only some messages have: whom they are shared with, documents, and changed messages."""
        self.changed += self._shares.write(entries) // _SHARES_IN_A_PAGE
        for entry in entries:
            write_all(self._connection, entry.documents)
            for id, stanza in entry.rewrites:
                rewrite(self._connection, id, stanza)
            self.changed += len(entry.documents) + len(entry.rewrites)

    def _key(self, entry: Append) -> Key:
        number = self._accounts.get(entry.sender)
        if number is None:
            number = self._account(entry.sender)
        name = entry.recipient if number else f"{entry.sender}\0{entry.recipient}"
        assert entry.origin is not None
        return number, blake2b(name.encode() + b"\0" + entry.origin, digest_size=16).digest()

    def _held(self, asking: dict[Key, set[int]]) -> dict[Key, Held]:
        """Reads the messages stored under keys, with those of the given accounts whose logs have them."""
        stored = known_keys(self._connection, list(asking))
        pairs = [(account, id) for key, (id, _) in stored.items() for account in asking[key]]
        owners: dict[int, list[tuple[int, str, int]]] = {}
        for account, id in known_owners(self._connection, pairs):
            owners.setdefault(id, []).append((account, "", 0))
        return {key: Held(id, stanza, owners.get(id, ())) for key, (id, stanza) in stored.items()}

    def _account(self, jid: str) -> int:
        """The id of the account with an address; 0 if there is none."""
        if len(self._accounts) > _REMEMBERED:
            self._accounts.clear()
        row = self._connection.execute("SELECT id FROM account WHERE jid = ?", (jid,)).fetchone()
        number = self._accounts[jid] = int(row[0]) if row else 0
        return number

    def _address(self, jid: str) -> int:
        """The number of an address."""
        number = self._addresses.get(jid)
        if number is None:
            if len(self._addresses) > _REMEMBERED:
                self._addresses.clear()
            self._connection.execute("INSERT OR IGNORE INTO address (jid) VALUES (?)", (jid,))
            (number,) = self._connection.execute("SELECT id FROM address WHERE jid = ?", (jid,)).fetchone()
            self._addresses[jid] = number
        return number


def _plan(
    appends: Sequence[Append],
    keys: Sequence[Key | None],
    stored: dict[Key, Held],
    asking: dict[Key, set[int]] | None = None,
) -> tuple[list[tuple[Append, Key | None, Owners]], list[int | None]]:
    """Decides what to write. Returns it, and for each append the id if it is stored already, else None.

    ``stored``: what is known to be in the database. ``asking`` is filled with all keys that were tried, and
    the accounts whose logs may have a message with them.
    """
    known: dict[Key, Append | Held] = {**stored}
    planned: list[tuple[Append, Key | None, Owners]] = []
    answers: list[int | None] = []
    for entry, key in zip(appends, keys, strict=True):
        owners, existing = entry.owners, None
        if key is not None:
            if asking is not None or key in known:
                key, owners, existing = _place(entry, key, known, {} if asking is None else asking)
            if owners and key is not None:
                known[key] = entry
        if owners:
            planned.append((entry, key, owners))
        answers.append(existing)
    return planned, answers


def _place(
    entry: Append, key: Key, known: dict[Key, Append | Held], asking: dict[Key, set[int]]
) -> tuple[Key | None, Owners, int | None]:
    """The key for a message, the logs to add it to, and its id if it is stored already, else None.

    The key is None if too many were in use: a retry of this message will not be recognized.
    """
    owners = entry.owners
    accounts = {account for account, _, _ in owners}
    existing = None
    for _ in range(_MAX_KEYS):
        asking.setdefault(key, set()).update(accounts)
        held = known.get(key)
        if held is None:
            return key, owners, existing
        retries = entry.retries
        if retries is not None and not retries.is_retry(held.stanza, entry.stanza):
            key = key[0], retries.distinct(key[1], entry.stanza)
        else:
            holding = {account for account, _, _ in held.owners}
            if not held.stanza or not accounts.isdisjoint(holding):
                existing = held.id
                owners = [owner for owner in owners if not owner[2] & INCOMING and owner[0] not in holding]
            if not held.stanza or not owners:
                return key, (), existing
            key = key[0], blake2b(b"%b%d" % (key[1], owners[0][0]), digest_size=16).digest()
    return None, owners, existing
