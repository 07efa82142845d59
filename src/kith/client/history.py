"""The client's own copy of all conversations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kith.client.database import Database
from kith.client.message import Chat, Message, Replies, State, Trust

_COLUMNS = "row, peer, id, body, incoming, encrypted, trust, time, state, error, here, origin"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it has its place in the history."""

    peer: str
    id: str
    body: str
    incoming: bool
    encrypted: bool
    trust: Trust
    time: datetime
    state: State
    origin: str | None = None
    archive: str | None = None
    markable: bool = False
    error: str | None = None
    here: bool = False
    digest: str | None = None
    device: int | None = None


class History:
    """Reads and writes messages and chats. Commits are the caller's (`Database.commit`)."""

    __slots__ = ("_client", "_db")

    def __init__(self, database: Database, client: Replies) -> None:
        self._db = database
        self._client = client

    def _rows(self, where: str, *values: Any) -> list[Message]:
        sql = f"SELECT {_COLUMNS} FROM messages {where}"
        return [self._message(row) for row in self._db.sql.execute(sql, values)]

    def _one(self, where: str, *values: Any) -> Message | None:
        return next(iter(self._rows(where + " LIMIT 1", *values)), None)

    def _message(self, row: tuple[Any, ...]) -> Message:
        return Message(
            row=row[0],
            peer=row[1],
            id=row[2],
            body=row[3],
            incoming=bool(row[4]),
            encrypted=bool(row[5]),
            trust=Trust(row[6]),
            time=datetime.fromtimestamp(row[7], UTC),
            state=State(row[8]),
            error=row[9],
            here=bool(row[10]),
            origin=row[11],
            client=self._client,
        )

    # one message

    def add(self, draft: Draft) -> Message | None:
        """Appends it, or returns None when the history holds it already: same origin id, and same text."""
        known = self._same(draft)
        if known is not None:
            self._note_archive(known, draft.archive)
            return None
        cursor = self._db.sql.execute(
            "INSERT INTO messages (peer, id, origin, archive, body, incoming, here, encrypted, trust,"
            " time, state, markable, error, digest, device)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(draft.peer, draft.id, draft.origin, draft.archive, draft.body),
                *(draft.incoming, draft.here, draft.encrypted, draft.trust.value, draft.time.timestamp()),
                *(draft.state.value, draft.markable, draft.error, draft.digest, draft.device),
            ),
        )
        self._db.sql.execute("INSERT OR IGNORE INTO chats (peer) VALUES (?)", (draft.peer,))
        return self.get(int(cursor.lastrowid or 0))

    def _same(self, draft: Draft) -> int | None:
        """A message that was encrypted anew for another try: the row of the first."""
        if draft.origin is None or draft.error is not None:
            return None
        row = self._db.sql.execute(
            "SELECT row FROM messages WHERE peer = ? AND incoming = ? AND origin = ? AND body = ?"
            " AND encrypted = ? AND error IS NULL",
            (draft.peer, draft.incoming, draft.origin, draft.body, draft.encrypted),
        ).fetchone()
        return None if row is None else int(row[0])

    def _note_archive(self, row: int, archive: str | None) -> None:
        if archive is not None:
            self._db.sql.execute(
                "UPDATE messages SET archive = ? WHERE row = ? AND archive IS NULL", (archive, row)
            )

    def get(self, row: int) -> Message:
        """Raises KeyError."""
        message = self._one("WHERE row = ?", row)
        if message is None:
            raise KeyError(row)
        return message

    def holds(
        self, peer: str, incoming: bool, origin: str | None, archive: str | None, digest: str
    ) -> Message | None:
        """This very message, if it is known. Notes its archive id if only the origin id was known.

        An id alone proves nothing: some clients count from 1 after each start, and an archive id of a live
        message may be anybody's invention. ``digest`` (`stanzas.digest`) has to be the same, too.
        """
        known = self._one(
            "WHERE peer = ? AND incoming = ? AND (archive = ? OR origin = ?)"
            " AND (digest IS NULL OR digest = ?) ORDER BY row",
            *(peer, incoming, archive, origin, digest),
        )
        if known is None and origin is not None and not incoming:
            # An earlier try of a message that was sent anew under another id.
            known = self._one(
                "WHERE row = (SELECT row FROM former_ids WHERE peer = ? AND id = ?)", peer, origin
            )
        if known is not None:
            self._note_archive(known.row, archive)
        return known

    def ours(self, peer: str, id: str) -> Message | None:
        """The message that we sent to the peer under that id, now or in an earlier try."""
        return self._one("WHERE peer = ? AND id = ? AND NOT incoming", peer, id) or self._one(
            "WHERE row = (SELECT row FROM former_ids WHERE peer = ? AND id = ?)", peer, id
        )

    def unreadable(self, peer: str, id: str) -> Message | None:
        """The peer's message under that id that could not be read."""
        return self._one(
            "WHERE peer = ?1 AND (origin = ?2 OR id = ?2) AND incoming AND error IS NOT NULL", peer, id
        )

    def waits_for(self, peer: str, id: str) -> bool:
        """Whether the peer is asked for that message again."""
        found = self._db.sql.execute("SELECT 1 FROM wanted WHERE peer = ? AND id = ?", (peer, id))
        return found.fetchone() is not None

    def remove(self, message: Message) -> None:
        """Another takes its place."""
        self._db.sql.execute("DELETE FROM messages WHERE row = ?", (message.row,))

    def note_nickname(self, peer: str, nickname: str) -> None:
        """What the peer calls itself."""
        self._db.sql.execute(
            "INSERT INTO chats (peer, nickname) VALUES (?1, ?2)"
            " ON CONFLICT (peer) DO UPDATE SET nickname = ?2",
            (peer, nickname),
        )

    def note_written(self, peer: str) -> None:
        """We have written to the peer, on whichever device: they may know that we are there."""
        self._db.sql.execute(
            "INSERT INTO chats (peer, written) VALUES (?, 1) ON CONFLICT (peer) DO UPDATE SET written = 1",
            (peer,),
        )

    def written(self, peer: str) -> bool:
        """Whether we have ever written to the peer."""
        row = self._db.sql.execute("SELECT written FROM chats WHERE peer = ?", (peer,)).fetchone()
        return row is not None and bool(row[0])

    def note_digest(self, message: Message, digest: str) -> None:
        """What the message is on the wire."""
        self._db.sql.execute("UPDATE messages SET digest = ? WHERE row = ?", (digest, message.row))

    def raise_state(self, message: Message, state: State) -> Message | None:
        """Moves the mark up. None if it is there, or higher, already."""
        if state.rank <= message.state.rank:
            return None
        self._db.sql.execute(
            "UPDATE messages SET state = ?, error = NULL WHERE row = ?", (state.value, message.row)
        )
        return self.get(message.row)

    def read_by_peer(self, upto: Message) -> list[Message]:
        """Ours up to this one, that the peer has now displayed. A marker covers all before it (XEP-0333)."""
        found = self._rows(
            "WHERE peer = ? AND NOT incoming AND row <= ? AND state IN ('sent', 'delivered')",
            upto.peer,
            upto.row,
        )
        return [changed for message in found if (changed := self.raise_state(message, State.READ))]

    def fail(self, message: Message, error: str) -> Message:
        """It will not be sent, or came back."""
        self._db.sql.execute(
            "UPDATE messages SET state = 'failed', error = ? WHERE row = ?", (error, message.row)
        )
        return self.get(message.row)

    def requeue(self, message: Message, id: str) -> Message:
        """Sends a failed message once more, under a new id: servers drop what has an id that they know."""
        changed = self._db.sql.execute(
            "UPDATE messages SET state = 'queued', error = NULL, id = ?1, origin = ?1, archive = NULL,"
            " digest = NULL WHERE row = ?2 AND state = 'failed'",
            (id, message.row),
        )
        if changed.rowcount:
            self._db.sql.execute(
                "INSERT OR REPLACE INTO former_ids VALUES (?, ?, ?)", (message.peer, message.id, message.row)
            )
        return self.get(message.row)

    def queued(self, after: int = 0, limit: int = -1) -> list[Message]:
        """What waits to be sent, oldest first, behind a row."""
        return self._rows("WHERE state = 'queued' AND row > ? ORDER BY row LIMIT ?", after, limit)

    def count_queued(self) -> int:
        (count,) = self._db.sql.execute("SELECT count(*) FROM messages WHERE state = 'queued'").fetchone()
        return int(count)

    def since(self, row: int, limit: int = 100) -> list[Message]:
        """Readable messages of others and of our other devices that came after that row, in order."""
        return self._rows("WHERE row > ? AND NOT here AND error IS NULL ORDER BY row LIMIT ?", row, limit)

    def newest_row(self) -> int:
        (row,) = self._db.sql.execute("SELECT coalesce(max(row), 0) FROM messages").fetchone()
        return int(row)

    def newest_time(self) -> datetime | None:
        (time,) = self._db.sql.execute("SELECT max(time) FROM messages").fetchone()
        return None if time is None else datetime.fromtimestamp(time, UTC)

    # chats

    def page(self, peer: str, before: Message | None = None, limit: int = 50) -> list[Message]:
        """The newest messages with a peer (or those before one), oldest first."""
        if before is None:
            found = self._rows("WHERE peer = ? ORDER BY time DESC, row DESC LIMIT ?", peer, limit)
        else:
            found = self._rows(
                "WHERE peer = ? AND (time, row) < (?, ?) ORDER BY time DESC, row DESC LIMIT ?",
                *(peer, before.time.timestamp(), before.row, limit),
            )
        return found[::-1]

    def search(self, text: str, limit: int = 50) -> list[Message]:
        """Messages that contain the text, newest first."""
        pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        return self._rows("WHERE body LIKE ? ESCAPE '\\' ORDER BY time DESC LIMIT ?", pattern, limit)

    def chats(self) -> list[Chat]:
        """All chats, the one with the newest message first."""
        found = [self._chat(row) for row in self._chat_rows("")]
        return sorted(found, key=lambda chat: chat.last.time.timestamp() if chat.last else 0.0, reverse=True)

    def chat(self, peer: str) -> Chat:
        """One chat; an empty one if there is none."""
        for row in self._chat_rows("WHERE peer = ?", peer):
            return self._chat(row)
        return Chat(peer, "", 0, None, False, False)

    def _chat_rows(self, where: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        return self._db.sql.execute(
            "SELECT peer, name, plain, keys_changed, nickname, written,"
            " (SELECT count(*) FROM messages m WHERE m.peer = c.peer"
            f" AND m.incoming AND m.error IS NULL AND m.row > c.read) FROM chats c {where}",
            values,
        )

    def _chat(self, row: tuple[Any, ...]) -> Chat:
        last = self._one("WHERE peer = ? ORDER BY time DESC, row DESC", row[0])
        return Chat(row[0], row[1], row[6], last, bool(row[2]), bool(row[3]), row[4], bool(row[5]))

    def update_chat(self, peer: str, **values: str | bool) -> None:
        """Sets ``name``, ``plain`` or ``keys_changed``; makes the chat if there is none."""
        self._db.sql.execute("INSERT OR IGNORE INTO chats (peer) VALUES (?)", (peer,))
        for column in values.keys() & {"name", "plain", "keys_changed"}:
            self._db.sql.execute(f"UPDATE chats SET {column} = ? WHERE peer = ?", (values[column], peer))

    def mark_read(self, peer: str, upto: Message | None) -> str | None:
        """Moves what we have read of a chat. Returns the id that the peer waits to hear of, if any."""
        row = upto.row if upto is not None else self.newest_row()
        (old,) = self._db.sql.execute(
            "SELECT coalesce((SELECT read FROM chats WHERE peer = ?), 0)", (peer,)
        ).fetchone()
        if row <= old:
            return None
        self.update_chat(peer)
        self._db.sql.execute("UPDATE chats SET read = ? WHERE peer = ?", (row, peer))
        found = self._db.sql.execute(
            "SELECT id FROM messages WHERE peer = ? AND incoming AND markable AND row > ? AND row <= ?"
            " ORDER BY row DESC LIMIT 1",
            (peer, old, row),
        ).fetchone()
        return None if found is None else str(found[0])

    def incoming(self, peer: str, id: str) -> Message | None:
        """The peer's message under that id."""
        return self._one("WHERE peer = ? AND id = ? AND incoming", peer, id)

    # answers that are owed: receipts and markers

    def owe(self, peer: str, kind: str, id: str) -> None:
        self._db.sql.execute("INSERT OR IGNORE INTO due VALUES (?, ?, ?)", (peer, kind, id))

    def owed(self) -> list[tuple[str, str, str]]:
        """(peer, kind, id) of answers that no server has acknowledged yet."""
        return list(self._db.sql.execute("SELECT peer, kind, id FROM due"))

    def settle(self, peer: str, kind: str, id: str) -> None:
        self._db.sql.execute("DELETE FROM due WHERE peer = ? AND kind = ? AND id = ?", (peer, kind, id))
