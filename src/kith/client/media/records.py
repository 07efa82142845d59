"""What is stored about files: those that wait to be uploaded, our claims, and where files are on this device.

Callers commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kith.client.database import Database
from kith.client.history import History
from kith.client.media.service import Slot
from kith.client.media.values import Media
from kith.client.message import Message

#: Copies of sent files that are kept on this device, at most, in bytes: to upload them again if need be.
MOST_KEPT: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that waits to be uploaded: its ciphertext in our folder. No ``file``: only a claim is made."""

    row: int
    file: str
    size: int
    slot: Slot | None


class MediaRecords:
    """The tables ``media_out``, ``media_claims`` and ``media_files``. ``folder``: that of the files."""

    __slots__ = ("_db", "_history", "folder")

    def __init__(self, database: Database, history: History) -> None:
        self._db = database
        self._history = history
        self.folder = database.folder / "media"

    def make_folder(self) -> Path:
        """The folder, which is made if there is none. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        return self.folder

    # what waits

    def wait(self, row: int, file: str, size: int) -> None:
        """A message waits for its file to be uploaded or, without a file, to be claimed."""
        self._db.sql.execute("INSERT OR REPLACE INTO media_out VALUES (?, ?, ?, NULL)", (row, file, size))

    def waiting(self) -> Iterator[Waiting]:
        """The files of queued messages that are not uploaded yet, in order, read one by one."""
        rows = self._db.sql.execute(
            "SELECT o.row, o.file, o.size, o.slot FROM media_out o CROSS JOIN messages m ON m.row = o.row"
            " WHERE m.state = 'queued' AND NOT m.deleted ORDER BY o.row"
        )
        return (_waiting(*row) for row in rows)

    def of_message(self, row: int) -> Waiting | None:
        """The file of one message that is not uploaded yet."""
        found = self._db.sql.execute("SELECT row, file, size, slot FROM media_out WHERE row = ?", (row,))
        return next((_waiting(*one) for one in found), None)

    def must_wait(self, message: Message) -> bool:
        """Whether a message, or one before it in its chat, waits for its file."""
        # a cross join keeps the order, in which the few files come before the many messages
        found = self._db.sql.execute(
            "SELECT 1 FROM media_out o CROSS JOIN messages m ON m.row = o.row"
            " WHERE o.row <= ? AND m.peer = ? AND m.state = 'queued' AND NOT m.deleted LIMIT 1",
            (message.row, message.peer),
        )
        return found.fetchone() is not None

    def note_slot(self, row: int, slot: Slot | None) -> None:
        """Stores the slot that a file got, so that its upload goes on after a restart."""
        stored = None if slot is None else slot.stored()
        self._db.sql.execute("UPDATE media_out SET slot = ? WHERE row = ?", (stored, row))

    def done(self, row: int) -> None:
        """A file is uploaded, or is not wanted any more. `discard` its ciphertext after the commit."""
        self._db.sql.execute("DELETE FROM media_out WHERE row = ?", (row,))

    def discard(self, waiting: Waiting | None) -> None:
        """Removes the ciphertext of a file that is `done`."""
        if waiting is not None and waiting.file:
            (self.folder / waiting.file).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Removes files that no message has: the program ended before they were stored."""
        if not self.folder.is_dir():
            return
        known = {str(name) for (name,) in self._db.sql.execute("SELECT file FROM media_out")}
        known |= {Path(path).name for (path,) in self._db.sql.execute("SELECT path FROM media_files")}
        for file in self.folder.iterdir():
            if file.is_file() and file.name not in known:
                file.unlink(missing_ok=True)

    # what is known of a file

    def set_media(self, message: Message, media: Media) -> Message:
        """Stores what is known of a file now."""
        extra = replace(self._history.extra(message), media=media)
        self._db.sql.execute("UPDATE messages SET extra = ? WHERE row = ?", (extra.stored(), message.row))
        return self._history.get(message.row)

    # claims

    def note_claim(self, row: int, blobs: Iterable[str]) -> None:
        """A message of ours holds claims to blobs."""
        self._db.sql.executemany(
            "INSERT OR IGNORE INTO media_claims (row, blob) VALUES (?, ?)",
            [(row, blob) for blob in blobs if blob],
        )

    def look_again(self) -> None:
        """There may be claims to give up, or to release, since the last time."""
        self._history.gone = True

    def give_up(self) -> bool:
        """Notes the claims of messages that are deleted, once nothing can take that back any more.

        It goes through all claims, so it does so only if a message is gone, or to `look_again`. Returns
        whether it did.
        """
        if not self._history.gone:
            return False
        self._history.gone = False
        rows = self._db.sql.execute(
            "SELECT DISTINCT c.row FROM media_claims c LEFT JOIN messages m ON m.row = c.row"
            " WHERE NOT c.released AND (m.row IS NULL OR m.deleted AND NOT EXISTS"
            " (SELECT 1 FROM messages d WHERE d.peer = m.peer AND d.about IN (m.origin, m.id)"
            " AND d.kind = 'deletion' AND d.state = 'queued'))"
        )
        for (row,) in rows.fetchall():
            self._db.sql.execute("UPDATE media_claims SET released = 1 WHERE row = ?", (row,))
            self._db.sql.execute("UPDATE messages SET extra = NULL WHERE row = ?", (row,))
            self.forget_file(row)
        return True

    def to_release(self) -> list[str]:
        """Blobs to release now: no other message of ours has them."""
        rows = self._db.sql.execute(
            "SELECT DISTINCT blob FROM media_claims c WHERE released AND NOT EXISTS"
            " (SELECT 1 FROM media_claims o WHERE o.blob = c.blob AND NOT o.released)"
        )
        return [str(blob) for (blob,) in rows]

    def released(self, blob: str) -> None:
        """The server knows that a blob is released."""
        self._db.sql.execute("DELETE FROM media_claims WHERE blob = ? AND released", (blob,))

    def drop_released(self) -> None:
        """Forgets released claims to blobs that other messages of ours still have."""
        self._db.sql.execute(
            "DELETE FROM media_claims WHERE released AND EXISTS (SELECT 1 FROM media_claims o"
            " WHERE o.blob = media_claims.blob AND NOT o.released)"
        )

    # where files are

    def note_file(self, row: int, path: Path, digest: bytes, size: int, kept: bool) -> None:
        """A file is on this device. ``kept``: as a copy in our folder, which goes when there are too many."""
        if kept or self.file(row) is None:
            self._db.sql.execute(
                "INSERT OR REPLACE INTO media_files VALUES (?, ?, ?, ?, ?)",
                (row, str(path), digest, size, kept),
            )
        if kept:
            self._drop_oldest()

    def file(self, row: int) -> tuple[Path, bytes] | None:
        """Where the file of a message may be on this device, and its SHA-256. Callers compare that."""
        found = self._db.sql.execute("SELECT path, digest FROM media_files WHERE row = ?", (row,)).fetchone()
        return None if found is None else (Path(found[0]), bytes(found[1]))

    def forget_file(self, row: int) -> None:
        """A message is deleted: a copy of its file goes."""
        found = self._db.sql.execute("SELECT path, kept FROM media_files WHERE row = ?", (row,)).fetchone()
        if found is not None and found[1]:
            Path(found[0]).unlink(missing_ok=True)
        self._db.sql.execute("DELETE FROM media_files WHERE row = ?", (row,))

    def _drop_oldest(self) -> None:
        (used,) = self._db.sql.execute("SELECT coalesce(sum(size), 0) FROM media_files WHERE kept").fetchone()
        if used <= MOST_KEPT:
            return
        rows = self._db.sql.execute("SELECT row, size FROM media_files WHERE kept ORDER BY row").fetchall()
        for row, size in rows:
            if used <= MOST_KEPT:
                return
            self.forget_file(row)
            used -= size


def _waiting(row: int, file: str, size: int, slot: str | None) -> Waiting:
    return Waiting(row, file, size, None if slot is None else Slot.parse(slot))
