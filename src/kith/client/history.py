"""The local copy of all conversations: messages, chats, and the receipts that are owed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from kith.client.database import Database
from kith.client.message import Chat, Draft, Message, Replies, State, Trust

_COLUMNS = "row, peer, id, body, incoming, encrypted, trust, time, state, error, here, origin"


class History:
    """Reads and writes messages and chats. Callers commit (`Database.commit`).

    A row is a message's place in the order of arrival on this device.
    """

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

    # single messages

    def add(self, draft: Draft) -> Message | None:
        """Appends a message. Returns None if it is known already, by its origin id and text."""
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
        """The row of the same message, which was encrypted again for another attempt;

        None if there is none.
        """
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
        """The message of a row. Raises KeyError."""
        message = self._one("WHERE row = ?", row)
        if message is None:
            raise KeyError(row)
        return message

    def holds(
        self, peer: str, incoming: bool, origin: str | None, archive: str | None, digest: str
    ) -> Message | None:
        """The stored message that is the same as this one, or None. Stores its archive id if it had none.

        An id alone proves nothing: some clients count from 1 after each start, and the archive id of a live
        message may be forged. So ``digest`` (`stanzas.digest`) has to be the same as well.
        """
        known = self._one(
            "WHERE peer = ? AND incoming = ? AND (archive = ? OR origin = ?)"
            " AND (digest IS NULL OR digest = ?) ORDER BY row",
            *(peer, incoming, archive, origin, digest),
        )
        if known is None and origin is not None and not incoming:
            # An earlier attempt of a message that was sent again under another id.
            known = self._one(
                "WHERE row = (SELECT row FROM former_ids WHERE peer = ? AND id = ?)", peer, origin
            )
        if known is not None:
            self._note_archive(known.row, archive)
        return known

    def ours(self, peer: str, id: str) -> Message | None:
        """Our message to the peer with that id, which may be that of an earlier attempt."""
        return self._one("WHERE peer = ? AND id = ? AND NOT incoming", peer, id) or self._one(
            "WHERE row = (SELECT row FROM former_ids WHERE peer = ? AND id = ?)", peer, id
        )

    def unreadable(self, peer: str, id: str) -> Message | None:
        """The peer's message with that id, if it could not be decrypted."""
        return self._one(
            "WHERE peer = ?1 AND (origin = ?2 OR id = ?2) AND incoming AND error IS NOT NULL", peer, id
        )

    def is_requested_again(self, peer: str, id: str) -> bool:
        """Whether the peer's device is asked to send that message again."""
        found = self._db.sql.execute("SELECT 1 FROM wanted WHERE peer = ? AND id = ?", (peer, id))
        return found.fetchone() is not None

    def remove(self, message: Message) -> None:
        """Deletes a message, because another one takes its place."""
        self._db.sql.execute("DELETE FROM messages WHERE row = ?", (message.row,))

    def note_nickname(self, peer: str, nickname: str) -> None:
        """Stores the name that the peer has chosen for themselves."""
        self._db.sql.execute(
            "INSERT INTO chats (peer, nickname) VALUES (?1, ?2)"
            " ON CONFLICT (peer) DO UPDATE SET nickname = ?2",
            (peer, nickname),
        )

    def note_written(self, peer: str) -> None:
        """Notes that we have written to the peer, on any device. They are no stranger from then on."""
        self._db.sql.execute(
            "INSERT INTO chats (peer, written) VALUES (?, 1) ON CONFLICT (peer) DO UPDATE SET written = 1",
            (peer,),
        )

    def written(self, peer: str) -> bool:
        """Whether we have ever written to the peer."""
        row = self._db.sql.execute("SELECT written FROM chats WHERE peer = ?", (peer,)).fetchone()
        return row is not None and bool(row[0])

    def note_digest(self, message: Message, digest: str) -> None:
        """Stores the digest of the message as it is sent (`stanzas.digest`)."""
        self._db.sql.execute("UPDATE messages SET digest = ? WHERE row = ?", (digest, message.row))

    def raise_state(self, message: Message, state: State) -> Message | None:
        """Moves a message's state on. Returns None if it is that far already."""
        if state.rank <= message.state.rank:
            return None
        self._db.sql.execute(
            "UPDATE messages SET state = ?, error = NULL WHERE row = ?", (state.value, message.row)
        )
        return self.get(message.row)

    def read_by_peer(self, upto: Message) -> list[Message]:
        """Marks our messages up to this one as read: a marker covers all before it (XEP-0333).

        Returns those that changed.
        """
        found = self._rows(
            "WHERE peer = ? AND NOT incoming AND row <= ? AND state IN ('sent', 'delivered')",
            upto.peer,
            upto.row,
        )
        return [changed for message in found if (changed := self.raise_state(message, State.READ))]

    def fail(self, message: Message, error: str) -> Message:
        """Marks a message as failed: it can't be sent, or came back. ``error`` is for people."""
        self._db.sql.execute(
            "UPDATE messages SET state = 'failed', error = ? WHERE row = ?", (error, message.row)
        )
        return self.get(message.row)

    def requeue(self, message: Message, id: str) -> Message:
        """Queues a failed message again, under a new id, since servers drop messages with an id they know."""
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
        """Messages that wait to be sent and come after a row, oldest first. A limit of -1 means all."""
        return self._rows("WHERE state = 'queued' AND row > ? ORDER BY row LIMIT ?", after, limit)

    def count_queued(self) -> int:
        """How many messages wait to be sent or acknowledged."""
        (count,) = self._db.sql.execute("SELECT count(*) FROM messages WHERE state = 'queued'").fetchone()
        return int(count)

    def since(self, row: int, limit: int = 100) -> list[Message]:
        """Readable messages of peers and of our other devices that arrived after a row, in order."""
        return self._rows("WHERE row > ? AND NOT here AND error IS NULL ORDER BY row LIMIT ?", row, limit)

    def newest_row(self) -> int:
        """The row of the message that arrived last; 0 if there is none."""
        (row,) = self._db.sql.execute("SELECT coalesce(max(row), 0) FROM messages").fetchone()
        return int(row)

    def newest_time(self) -> datetime | None:
        """The time of the newest message; None if there is none."""
        (time,) = self._db.sql.execute("SELECT max(time) FROM messages").fetchone()
        return None if time is None else datetime.fromtimestamp(time, UTC)

    # chats

    def page(self, peer: str, before: Message | None = None, limit: int = 50) -> list[Message]:
        """The newest messages with a peer, or those before a message, oldest first."""
        if before is None:
            found = self._rows("WHERE peer = ? ORDER BY time DESC, row DESC LIMIT ?", peer, limit)
        else:
            found = self._rows(
                "WHERE peer = ? AND (time, row) < (?, ?) ORDER BY time DESC, row DESC LIMIT ?",
                *(peer, before.time.timestamp(), before.row, limit),
            )
        return found[::-1]

    def search(self, text: str, limit: int = 50) -> list[Message]:
        """Messages whose text contains ``text``, newest first. Case is ignored for ASCII letters."""
        pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        return self._rows("WHERE body LIKE ? ESCAPE '\\' ORDER BY time DESC LIMIT ?", pattern, limit)

    def chats(self) -> list[Chat]:
        """All chats, the one with the newest message first."""
        found = [self._chat(row) for row in self._chat_rows("")]
        return sorted(found, key=lambda chat: chat.last.time.timestamp() if chat.last else 0.0, reverse=True)

    def chat(self, peer: str) -> Chat:
        """The chat with a peer; an empty one if there is none."""
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
        """Sets ``name``, ``plain`` or ``keys_changed`` of a chat, and creates it if there is none."""
        self._db.sql.execute("INSERT OR IGNORE INTO chats (peer) VALUES (?)", (peer,))
        for column in values.keys() & {"name", "plain", "keys_changed"}:
            self._db.sql.execute(f"UPDATE chats SET {column} = ? WHERE peer = ?", (values[column], peer))

    def mark_read(self, peer: str, upto: Message | None) -> str | None:
        """Marks a chat as read, up to a message or as a whole.

        Returns the id of the message to send a marker for, or None if the peer wants none.
        """
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
        """The peer's message with that id."""
        return self._one("WHERE peer = ? AND id = ? AND incoming", peer, id)

    # receipts and markers that are owed

    def owe(self, peer: str, kind: str, id: str) -> None:
        """A receipt (``received``) or marker (``displayed``) for a message has to be sent to the peer."""
        self._db.sql.execute("INSERT OR IGNORE INTO due VALUES (?, ?, ?)", (peer, kind, id))

    def owed(self) -> list[tuple[str, str, str]]:
        """The receipts and markers that the server has not acknowledged yet, as (peer, kind, id)."""
        return list(self._db.sql.execute("SELECT peer, kind, id FROM due"))

    def settle(self, peer: str, kind: str, id: str) -> None:
        """A receipt or marker was sent and acknowledged, or can't be sent."""
        self._db.sql.execute("DELETE FROM due WHERE peer = ? AND kind = ? AND id = ?", (peer, kind, id))
