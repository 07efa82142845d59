"""A database as Kith 0.1 wrote it (schema version 3), with the keys of retries that it computed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from kith.core.log.retries import distinct_origin
from kith.ports.store import INCOMING, UNARCHIVED
from kith.store.schema import MIGRATIONS

#: The last of the ids; each message has one more than the one before it.
FIRST = 1_750_000_000_000 << 20


class Old(NamedTuple):
    """A message that Kith 0.1 has stored."""

    id: int
    sender: str
    recipient: str
    origin: str
    stanza: bytes


def _key(account: int, message: Old) -> bytes:
    """The key under which 0.1 knew a retry, beside the number of the sender's account."""
    scope = message.recipient if account else f"{message.sender}\0{message.recipient}"
    return blake2b(scope.encode() + b"\0" + message.origin.encode(), digest_size=16).digest()


def messages(count: int, people: int) -> Iterator[Old]:
    """Each to the next but one. Every eighth is from another server; some clients count their messages.

    Accounts have the numbers 1 to ``people``.
    """
    for number in range(count):
        sender = f"p{number % people + 1}@x" if number % 8 else f"q{number % people}@elsewhere"
        recipient = f"p{(number + 2) % people + 1}@x"
        # a UUID, a counter that begins anew with each of its lives, or none
        origin = (f"{number:08x}-52d4-4f0b-9c1d-2b7e8f604a15", f"{number % (3 * people) // people}", "")[
            number % 3
        ]
        inner = f"<body>{number}</body>"
        if origin:
            inner += f"<origin-id xmlns='urn:xmpp:sid:0' id='{origin}'/>"
        stanza = f"<message from='{sender}/1' to='{recipient}' type='chat'>{inner}</message>".encode()
        yield Old(FIRST + number, sender, recipient, origin, stanza)


def build(path: Path, count: int, people: int = 50) -> None:
    """Writes the file.

    The last account has been deleted since. Every tenth message waits for its delivery, and is not archived.
    """
    database = sqlite3.connect(path, isolation_level=None)
    for script in MIGRATIONS[:3]:
        database.executescript(script)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    addresses: dict[str, int] = {}

    def address(jid: str) -> int:
        if jid not in addresses:
            addresses[jid] = len(addresses) + 1
            database.execute("INSERT INTO address VALUES (?, ?)", (addresses[jid], jid))
        return addresses[jid]

    for number in range(1, people + 1):
        database.execute("INSERT INTO account (jid, keys) VALUES (?, x'80')", (f"p{number}@x",))
    known: set[tuple[int, bytes]] = set()
    rows, entries = [], []
    for message in messages(count, people):
        domain = message.sender.partition("@")[2]
        account = int(message.sender[1:].partition("@")[0]) if domain == "x" else 0
        key = _key(account, message) if message.origin else None
        if key is not None and (account, key) in known:
            key = distinct_origin(key, message.stanza)
        if key is not None:
            known.add((account, key))
        queued = message.id % 10 == 0
        rows.append((message.id, account, key, message.stanza, 1 if queued or not account else 2))
        to = int(message.recipient[1:].partition("@")[0])
        flags = INCOMING | (UNARCHIVED if queued else 0)
        entries.append((to, message.id, address(message.sender), flags))
        if account and not queued:
            entries.append((account, message.id, address(message.recipient), 0))
    insert = "INSERT INTO message (id, sender, origin, stanza, holders) VALUES (?, ?, ?, ?, ?)"
    database.executemany(insert, rows)
    database.executemany("INSERT INTO log (account, id, peer, flags) VALUES (?, ?, ?, ?)", sorted(entries))
    database.execute("DELETE FROM account WHERE id = ?", (people,))
    database.execute("PRAGMA user_version = 3")
    database.execute("COMMIT")
    database.close()
