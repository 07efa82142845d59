"""What the media server knows about blobs and uploads, and who claims them.

The functions of this file take a connection within a transaction (`kith.media.database`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

DAY = 86_400
#: How long a blob stays after its last claim has ended, in seconds.
GRACE = 3600
#: How long an upload that was begun waits for its next part.
PATIENCE = DAY
#: For how long an upload that was removed is remembered: longer than a token is valid.
MEMORY = 1800
COLUMNS = "id, owner, size, type, claim, created, offset, crc, completed, expires, token"


class Blob(NamedTuple):
    """A blob or an upload; the columns are described in `kith.media.database`."""

    id: str
    owner: str
    size: int
    type: str
    claim: bytes
    created: int
    offset: int
    crc: int
    completed: int | None
    expires: int | None
    token: bytes | None


def new(id: str, owner: str, size: int, type: str, claim: bytes, now: int, expires: int) -> Blob:
    """An upload that nothing of has come yet."""
    return Blob(id, owner, size, type, claim, now, 0, 0, None, expires, None)


class Account(NamedTuple):
    """What an account uses: ``bytes`` it has claims to, and ``today``, what it has uploaded this day."""

    bytes: int
    today: int


def find(db: sqlite3.Connection, blob: str) -> Blob | None:
    row = db.execute(f"SELECT {COLUMNS} FROM blob WHERE id = ?", (blob,)).fetchone()
    return Blob(*row) if row is not None else None


def account(db: sqlite3.Connection, owner: str, now: int) -> Account:
    row = db.execute("SELECT bytes, day, today FROM owner WHERE id = ?", (owner,)).fetchone()
    if row is None:
        return Account(0, 0)
    return Account(row[0], row[2] if row[1] == now // DAY else 0)


def total(db: sqlite3.Connection) -> tuple[int, int]:
    """The bytes and the number of all blobs and reserved uploads."""
    bytes, blobs = db.execute("SELECT bytes, blobs FROM total").fetchone()
    return bytes, blobs


def name_owner(db: sqlite3.Connection, owner: str, address: str) -> None:
    """Remembers the address of an account, which may be a new one."""
    db.execute(
        "INSERT INTO owner (id, address) VALUES (?, ?)"
        " ON CONFLICT (id) DO UPDATE SET address = excluded.address WHERE address != excluded.address",
        (owner, address),
    )


def reserve(db: sqlite3.Connection, blob: Blob, until: int | None, lasting: bool) -> None:
    """Adds an upload that nothing of has come yet, with its owner's claim. Its bytes count already."""
    now = blob.created
    db.execute(f"INSERT INTO blob ({COLUMNS}) VALUES ({', '.join('?' * len(blob))})", blob)
    db.execute("UPDATE total SET bytes = bytes + ?, blobs = blobs + 1", (blob.size,))
    add_claim(db, blob.id, blob.owner, now, until, lasting)
    db.execute(
        "UPDATE owner SET today = CASE WHEN day = ? THEN today ELSE 0 END + ?, day = ? WHERE id = ?",
        (now // DAY, blob.size, now // DAY, blob.owner),
    )


def add_claim(
    db: sqlite3.Connection, blob: str, owner: str, now: int, until: int | None, lasting: bool = False
) -> None:
    """Makes a claim; of two of an account to a blob, the one that ends later counts."""
    before = db.execute(
        "SELECT until, lasting FROM claim WHERE blob = ? AND owner = ?", (blob, owner)
    ).fetchone()
    if before is None:
        db.execute("INSERT INTO claim VALUES (?, ?, ?, ?, ?)", (blob, owner, now, until, lasting))
        db.execute("INSERT OR IGNORE INTO owner (id, address) VALUES (?, '')", (owner,))
        db.execute(
            "UPDATE owner SET bytes = bytes + (SELECT size FROM blob WHERE id = ?) WHERE id = ?",
            (blob, owner),
        )
    else:
        until = None if until is None or before[0] is None else max(until, before[0])
        db.execute(
            "UPDATE claim SET made = ?, until = ?, lasting = ? WHERE blob = ? AND owner = ?",
            (now, until, lasting or before[1], blob, owner),
        )
    db.execute("UPDATE blob SET orphaned = NULL WHERE id = ? AND orphaned IS NOT NULL", (blob,))


def has_claim(db: sqlite3.Connection, blob: str, owner: str) -> bool:
    found = db.execute("SELECT 1 FROM claim WHERE blob = ? AND owner = ?", (blob, owner)).fetchone()
    return found is not None


def end_claims(db: sqlite3.Connection, claims: Iterable[tuple[str, str]], now: int) -> None:
    """Ends claims, given as blob and owner. A blob without claims is an orphan from now on."""
    for blob, owner in claims:
        if not db.execute("DELETE FROM claim WHERE blob = ? AND owner = ?", (blob, owner)).rowcount:
            continue
        db.execute(
            "UPDATE owner SET bytes = bytes - (SELECT size FROM blob WHERE id = ?) WHERE id = ?",
            (blob, owner),
        )
        db.execute(
            "UPDATE blob SET orphaned = ? WHERE id = ?"
            " AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.blob = blob.id)",
            (now, blob),
        )


def forget(db: sqlite3.Connection, blob: Blob, now: int) -> None:
    """Removes the record of a blob with its claims. What never came does not count for the day."""
    owners = [owner for (owner,) in db.execute("SELECT owner FROM claim WHERE blob = ?", (blob.id,))]
    end_claims(db, [(blob.id, owner) for owner in owners], now)
    db.execute("DELETE FROM blob WHERE id = ?", (blob.id,))
    db.execute("UPDATE total SET bytes = bytes - ?, blobs = blobs - 1", (blob.size,))
    if blob.completed is None:
        db.execute(
            "UPDATE owner SET today = max(0, today - ?) WHERE id = ? AND day = ?",
            (blob.size - blob.offset, blob.owner, blob.created // DAY),
        )
    for owner in {blob.owner, *owners}:
        tidy_owner(db, owner, now)


def doom(db: sqlite3.Connection, blob: str, now: int, orphaned_by: int | None = None) -> bool:
    """Removes the record of a blob, and remembers that its file is to be removed.

    ``orphaned_by``: does nothing unless the blob has been without claims since this time. Returns whether it
    did something.
    """
    found = find(db, blob)
    if found is None:
        return False
    if orphaned_by is not None:
        row = db.execute("SELECT orphaned FROM blob WHERE id = ?", (blob,)).fetchone()
        if row[0] is None or row[0] > orphaned_by:
            return False
    forget(db, found, now)
    db.execute("INSERT OR IGNORE INTO doomed VALUES (?)", (blob,))
    if found.completed is None:
        db.execute("DELETE FROM ended WHERE until < ?", (now,))
        db.execute("INSERT OR REPLACE INTO ended VALUES (?, ?)", (blob, now + MEMORY))
    return True


def has_ended(db: sqlite3.Connection, blob: str) -> bool:
    """Whether an upload was removed a short while ago, so that its token may still be valid."""
    return db.execute("SELECT 1 FROM ended WHERE id = ?", (blob,)).fetchone() is not None


def doomed(db: sqlite3.Connection, limit: int) -> list[str]:
    """Blobs without a record whose files are to be removed."""
    return [id for (id,) in db.execute("SELECT id FROM doomed LIMIT ?", (limit,))]


def buried(db: sqlite3.Connection, blob: str) -> None:
    """The files of a blob without a record are removed."""
    db.execute("DELETE FROM doomed WHERE id = ?", (blob,))


def tidy_owner(db: sqlite3.Connection, owner: str, now: int) -> None:
    """Forgets an account that has nothing here, and has uploaded nothing today."""
    db.execute(
        "DELETE FROM owner WHERE id = ? AND day < ?"
        " AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.owner = owner.id)",
        (owner, now // DAY),
    )


def complete(db: sqlite3.Connection, blob: str, now: int) -> None:
    """All bytes of an upload are in the blob store: it is a blob from now on."""
    db.execute("UPDATE blob SET completed = ?, expires = NULL, token = NULL WHERE id = ?", (now, blob))


def incomplete(db: sqlite3.Connection) -> list[Blob]:
    """The uploads of all accounts that are not complete."""
    return [Blob(*row) for row in db.execute(f"SELECT {COLUMNS} FROM blob WHERE completed IS NULL")]


def arrived(db: sqlite3.Connection) -> list[Blob]:
    """Uploads of which everything has come, but which are not in the blob store."""
    rows = db.execute(f"SELECT {COLUMNS} FROM blob WHERE completed IS NULL AND offset = size AND size > 0")
    return [Blob(*row) for row in rows]


def unfinished(db: sqlite3.Connection, owner: str) -> list[Blob]:
    """The uploads of an account that are not complete."""
    rows = db.execute(f"SELECT {COLUMNS} FROM blob WHERE owner = ? AND completed IS NULL", (owner,))
    return [Blob(*row) for row in rows]


def expired_uploads(db: sqlite3.Connection, now: int, limit: int) -> list[Blob]:
    """Uploads that are not complete, and whose time is over."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM blob WHERE completed IS NULL AND expires <= ? LIMIT ?", (now, limit)
    )
    return [Blob(*row) for row in rows]


def orphans(db: sqlite3.Connection, before: int, limit: int) -> list[str]:
    """Complete blobs whose last claim had ended by ``before``."""
    rows = db.execute(
        "SELECT id FROM blob WHERE orphaned <= ? AND completed IS NOT NULL LIMIT ?", (before, limit)
    )
    return [id for (id,) in rows]


def ended_claims(db: sqlite3.Connection, now: int, made_before: int, limit: int) -> list[tuple[str, str]]:
    """Claims whose time is over; of those without an end, the ones made before a time."""
    return db.execute(
        "SELECT blob, owner FROM claim WHERE until <= ?"
        " UNION ALL SELECT blob, owner FROM claim WHERE until IS NULL AND lasting = 0 AND made < ? LIMIT ?",
        (now, made_before, limit),
    ).fetchall()


def owners(db: sqlite3.Connection, after: str, limit: int) -> list[tuple[str, str]]:
    """The ids and addresses of the accounts after ``after``."""
    return db.execute(
        "SELECT id, address FROM owner WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
    ).fetchall()


def complete_after(db: sqlite3.Connection, after: str, limit: int) -> list[Blob]:
    """The complete blobs whose ids come after ``after``, in order."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM blob WHERE id > ? AND completed IS NOT NULL ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [Blob(*row) for row in rows]


def largest_owners(db: sqlite3.Connection, limit: int) -> list[tuple[str, str, int]]:
    """The accounts that use the most: id, address, bytes."""
    return db.execute("SELECT id, address, bytes FROM owner ORDER BY bytes DESC LIMIT ?", (limit,)).fetchall()


def claims_of(db: sqlite3.Connection, owner: str, limit: int) -> list[tuple[str, str]]:
    return db.execute("SELECT blob, owner FROM claim WHERE owner = ? LIMIT ?", (owner, limit)).fetchall()
