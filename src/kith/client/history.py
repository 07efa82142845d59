"""The local copy of all conversations: messages, chats, and the receipts that are owed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from kith.client.groups.messages import GroupMessages
from kith.client.media.values import MediaKind
from kith.client.message import Draft, Kind, Message, Reactions, State, Trust

#: The rows of a peer's messages (or ours to them) that an id means. In two parts, or SQLite would read the
#: whole conversation for the "or".
_NAMED = (
    "SELECT row FROM messages WHERE peer = :peer AND incoming = :incoming AND origin = :id"
    " UNION SELECT row FROM messages WHERE peer = :peer AND id = :id AND incoming = :incoming"
)
#: The rows of the messages of all chats that an id means, from chat to chat: the indexes begin with the peer.
_NAMED_ANYWHERE = (
    "SELECT m.row FROM chats c CROSS JOIN messages m ON m.peer = c.peer"
    " WHERE m.incoming IN (0, 1) AND m.origin = :id"
    " UNION SELECT m.row FROM chats c CROSS JOIN messages m ON m.peer = c.peer WHERE m.id = :id"
)


class History(GroupMessages):
    """Reads and writes messages and chats. Callers commit (`Database.commit`).

    A row is a message's place in the order of arrival on this device. Messages that change others (edits,
    deletions, reactions) have rows as well, so that they are sent, acknowledged and recognized as texts are,
    but only the outbox sees them.
    """

    __slots__ = ()

    # single messages

    def add(self, draft: Draft, early: bool = False) -> Message | None:
        """Appends a message. Returns None if it is known already, by its origin id and text.

        ``early``: it is before all that has arrived here, so it is neither unread nor new.
        """
        known = self._same(draft)
        if known is not None:
            self._note_archive(known, draft.archive)
            return None
        cursor = self._db.sql.execute(
            "INSERT INTO messages (row, peer, id, origin, archive, body, incoming, here, encrypted, trust,"
            " time, state, markable, error, digest, device, kind, about, reply, replaces, author, place,"
            " extra, expires) VALUES (iif(?, (SELECT ifnull(min(min(row), 0), 0) - 1 FROM messages), NULL),"
            " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(early, draft.peer, draft.id, draft.origin, draft.archive, draft.body),
                *(draft.incoming, draft.here, draft.encrypted, draft.trust.value, draft.time.timestamp()),
                *(draft.state.value, draft.markable, draft.error, draft.digest, draft.device),
                *(draft.kind.value, draft.about, draft.reply_to, draft.replaces),
                *(draft.author, draft.place, draft.extra, draft.expires),
            ),
        )
        self._db.sql.execute("INSERT OR IGNORE INTO chats (peer) VALUES (?)", (draft.peer,))
        return self.get(int(cursor.lastrowid or 0))

    def _same(self, draft: Draft) -> int | None:
        """The row of the same message, if this is a repetition that was encrypted again; otherwise None."""
        if draft.origin is None or draft.error is not None:
            return None
        row = self._db.sql.execute(
            "SELECT row FROM messages WHERE peer = ? AND incoming = ? AND origin = ? AND body = ?"
            " AND encrypted = ? AND kind = ? AND error IS NULL AND author IS ?",
            (
                *(draft.peer, draft.incoming, draft.origin, draft.body, draft.encrypted, draft.kind.value),
                draft.author,
            ),
        ).fetchone()
        return None if row is None else int(row[0])

    def _note_archive(self, row: int, archive: str | None) -> None:
        if archive is not None:
            self._db.sql.execute(
                "UPDATE messages SET archive = ? WHERE row = ? AND archive IS NULL", (archive, row)
            )

    def holds(
        self, peer: str, incoming: bool, origin: str | None, archive: str | None, digest: str
    ) -> Message | None:
        """The stored message that is the same as this one, or None. Stores its archive id if it had none.

        An id alone proves nothing: some clients count from 1 after each start, and the archive id of a live
        message may be forged. So ``digest`` (`stanzas.digest`) has to be the same as well.
        """
        known = self._one(
            "WHERE row IN (SELECT row FROM messages WHERE archive = :archive UNION SELECT row FROM messages"
            " WHERE peer = :peer AND incoming = :incoming AND origin = :origin)"
            " AND +peer = :peer AND incoming = :incoming AND (digest IS NULL OR digest = :digest)"
            " ORDER BY row",
            peer=peer,
            incoming=incoming,
            archive=archive,
            origin=origin,
            digest=digest,
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

    def with_origin(self, id: str) -> list[Message]:
        """The messages of all chats with an origin id or id. Nothing says that they are of one author."""
        return self._rows(f"WHERE row IN ({_NAMED_ANYWHERE}) AND kind = 'text' ORDER BY row LIMIT 20", id=id)

    def set_heard(self, message: Message) -> Message | None:
        """Notes that a voice message was listened to. None if it is none, or that is known."""
        media = message.media
        if media is None or media.kind is not MediaKind.VOICE or media.heard:
            return None
        extra = replace(self.extra(message), media=replace(media, heard=True))
        self._db.sql.execute("UPDATE messages SET extra = ? WHERE row = ?", (extra.stored(), message.row))
        return self.get(message.row)

    def album(self, message: Message) -> list[Message]:
        """The messages of an album, in order; the message alone if it is of none."""
        media = message.media
        if media is None or not media.album:
            return [message]
        named = json.dumps({"album": media.album})[1:-1]
        found = self._rows(
            "WHERE peer = ? AND incoming = ? AND kind = 'text' AND instr(extra, ?) ORDER BY row",
            *(message.peer, message.incoming, named),
        )
        return [
            one
            for one in found
            if one.media is not None and one.media.album == media.album and one.author == message.author
        ]

    def unreadable(self, peer: str, id: str) -> Message | None:
        """The peer's message with that id, if it could not be decrypted."""
        return self._one(f"WHERE row IN ({_NAMED}) AND error IS NOT NULL", peer=peer, incoming=True, id=id)

    def is_requested_again(self, peer: str, id: str) -> bool:
        """Whether the peer's device is asked to send that message again."""
        found = self._db.sql.execute("SELECT 1 FROM wanted WHERE peer = ? AND id = ?", (peer, id))
        return found.fetchone() is not None

    def remove(self, message: Message) -> None:
        """Deletes a message, because another one takes its place."""
        self._db.sql.execute("DELETE FROM messages WHERE row = ?", (message.row,))
        self.gone = True

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

    def requeue(self, message: Message, id: str, encrypted: bool) -> Message:
        """Queues a failed message again, under a new id, since servers drop messages with an id they know."""
        trust = Trust.VERIFIED if encrypted else Trust.PLAIN
        changed = self._db.sql.execute(
            "UPDATE messages SET state = 'queued', error = NULL, id = ?, origin = ?, archive = NULL,"
            " digest = NULL, encrypted = ?, trust = ? WHERE row = ? AND state = 'failed'",
            (id, id, encrypted, trust.value, message.row),
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
        return self._rows(
            "WHERE row > ? AND NOT here AND error IS NULL AND kind = 'text' AND NOT deleted"
            " ORDER BY row LIMIT ?",
            *(row, limit),
        )

    def newest_time(self) -> datetime | None:
        """The time of the newest message; None if there is none."""
        (time,) = self._db.sql.execute("SELECT max(time) FROM messages").fetchone()
        return None if time is None else datetime.fromtimestamp(time, UTC)

    # pages

    def page(self, peer: str, before: Message | None = None, limit: int = 50) -> list[Message]:
        """The newest messages with a peer, or those before a message, oldest first.

        Those of a group are in its order, with notices.
        """
        if self._db.sql.execute("SELECT 1 FROM groups WHERE jid = ?", (peer,)).fetchone():
            return self.group_page(peer, before, limit)
        if before is None:
            found = self._rows(
                "WHERE peer = ? AND kind = 'text' ORDER BY time DESC, row DESC LIMIT ?", peer, limit
            )
        else:
            found = self._rows(
                "WHERE peer = ? AND kind = 'text' AND (time, row) < (?, ?)"
                " ORDER BY time DESC, row DESC LIMIT ?",
                *(peer, before.time.timestamp(), before.row, limit),
            )
        return found[::-1]

    def search(self, text: str, limit: int = 50) -> list[Message]:
        """Messages whose text contains ``text``, newest first. Case is ignored for ASCII letters."""
        pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        return self._rows(
            "WHERE body LIKE ? ESCAPE '\\' AND kind = 'text' ORDER BY time DESC LIMIT ?", pattern, limit
        )

    def incoming(self, peer: str, id: str) -> Message | None:
        """The peer's message with that id."""
        return self._one("WHERE peer = ? AND id = ? AND incoming", peer, id)

    # messages that change others

    def target(self, peer: str, by_peer: bool, id: str) -> Message | None:
        """The text that is meant by an id: the message that has it, or the one that an edit with it changes.

        ``by_peer``: whether its author has to be the peer, or us. Of several with the same id, the last.
        """
        found = self._one(f"WHERE row IN ({_NAMED}) ORDER BY row DESC", peer=peer, incoming=by_peer, id=id)
        if found is None and not by_peer:
            found = self.ours(peer, id)
        if found is not None and found.kind is Kind.EDIT and found.about is not None:
            named = f"WHERE row IN ({_NAMED}) AND kind = 'text' ORDER BY row DESC"
            return self._one(named, peer=peer, incoming=by_peer, id=found.about)
        return found if found is None or found.kind is Kind.TEXT else None

    def set_text(self, message: Message, body: str, edited: bool = True) -> Message:
        """Replaces the text of a message."""
        self._db.sql.execute(
            "UPDATE messages SET body = ?, edited = ? WHERE row = ?", (body, edited, message.row)
        )
        return self.get(message.row)

    def changes(self, peer: str, about: str, after: int) -> list[Message]:
        """Our changes of a message, by its id, that come after a row and have not failed, in order."""
        return self._rows(
            "WHERE peer = ? AND about = ? AND NOT incoming AND row > ? AND state != 'failed' ORDER BY row",
            *(peer, about, after),
        )

    def captions(self, message: Message) -> list[Message]:
        """The texts that repeat the caption of a file of ours for other apps."""
        changes = self.changes(message.peer, message.origin or message.id, message.row)
        return [change for change in changes if change.kind is Kind.CAPTION]

    def drop_captions(self, message: Message) -> None:
        """Removes failed captions of a message of ours, which has another id now."""
        self._db.sql.execute(
            "DELETE FROM messages WHERE peer = ? AND kind = 'caption' AND state = 'failed' AND about IN"
            " (SELECT id FROM former_ids WHERE peer = ? AND row = ?)",
            (message.peer, message.peer, message.row),
        )

    def set_deleted(self, message: Message) -> Message:
        """Removes the text and the reactions of a message, and of its edits. That it was there stays."""
        self._db.sql.execute(
            "UPDATE messages SET body = '', deleted = 1, reactions = NULL WHERE row = ?", (message.row,)
        )
        self.gone = True
        if message.incoming and message.media is not None:
            self._db.sql.execute("UPDATE messages SET extra = NULL WHERE row = ?", (message.row,))
        self._db.sql.execute(
            "UPDATE messages SET body = '' WHERE peer = ? AND incoming = ? AND kind != 'text' AND about = ?"
            " AND state != 'queued'",
            (message.peer, message.incoming, message.origin or message.id),
        )
        return self.get(message.row)

    def set_reactions(self, message: Message, reactions: Reactions) -> Message:
        """Replaces the reactions to a message."""
        people = [reactions.people] if reactions.people else []
        stored = json.dumps([reactions.ours, reactions.theirs, *people]) if reactions else None
        self._db.sql.execute("UPDATE messages SET reactions = ? WHERE row = ?", (stored, message.row))
        return self.get(message.row)

    def first_reaction(self, peer: str, about: str) -> str | None:
        """The id of our first reaction to a message that is still there: later ones replace it."""
        row = self._db.sql.execute(
            "SELECT coalesce(replaces, id) FROM messages WHERE peer = :peer AND about = :about"
            " AND NOT incoming AND state != 'failed'"
            " AND kind = 'reaction' AND body != '' AND row > coalesce((SELECT max(row) FROM messages"
            " WHERE peer = :peer AND about = :about AND NOT incoming AND kind = 'reaction' AND body = ''"
            " AND state != 'failed'), 0) ORDER BY row LIMIT 1",
            {"peer": peer, "about": about},
        ).fetchone()
        return None if row is None else str(row[0])

    def replaced_id(self, message: Message) -> str | None:
        """The id of our earlier reaction that this one replaces."""
        (id,) = self._db.sql.execute("SELECT replaces FROM messages WHERE row = ?", (message.row,)).fetchone()
        return None if id is None else str(id)

    # receipts and markers that are owed

    def owe(self, peer: str, kind: str, id: str) -> None:
        """A receipt (``received``) or marker (``displayed``) for a message has to be sent to the peer."""
        self._db.sql.execute("INSERT OR IGNORE INTO due VALUES (?, ?, ?)", (peer, kind, id))

    def owed(self, after: tuple[str, str, str], limit: int) -> list[tuple[str, str, str]]:
        """Receipts and markers that the server has not acknowledged yet, as (peer, kind, id), in this order.

        ``after``: the last one that is not wanted.
        """
        query = "SELECT peer, kind, id FROM due WHERE (peer, kind, id) > (?, ?, ?) ORDER BY 1, 2, 3 LIMIT ?"
        return list(self._db.sql.execute(query, (*after, limit)))

    def settle(self, peer: str, kind: str, id: str) -> None:
        """A receipt or marker was sent and acknowledged, or can't be sent."""
        self._db.sql.execute("DELETE FROM due WHERE peer = ? AND kind = ? AND id = ?", (peer, kind, id))
