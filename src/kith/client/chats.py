"""The chats of the local copy: names, what was read, whether they are encrypted. `History` is built on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kith.client.message import Chat, Message
from kith.client.records import Records

_SETTABLE = frozenset({"name", "plain", "keys_changed", "keyless", "encrypted_again"})


class Chats(Records):
    """Reads and writes chats. Callers commit (`Database.commit`)."""

    __slots__ = ()

    def chats(self) -> list[Chat]:
        """All chats, the one with the newest message first."""
        found = [self._chat(row) for row in self._chat_rows("")]
        return sorted(found, key=lambda chat: chat.last.time.timestamp() if chat.last else 0.0, reverse=True)

    def chat(self, peer: str) -> Chat:
        """The chat with a peer; an empty one if there is none."""
        for row in self._chat_rows("WHERE peer = ?", peer):
            return self._chat(row)
        return Chat(peer, "", 0, None, False, False, client=self._client)

    def _chat_rows(self, where: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        return self._db.sql.execute(
            "SELECT peer, name, plain, keys_changed, nickname, written, encrypted_again,"
            " (SELECT count(*) FROM messages m WHERE m.peer = c.peer AND m.incoming AND m.error IS NULL"
            f" AND m.kind = 'text' AND m.row > c.read) FROM chats c {where}",
            values,
        )

    def _chat(self, row: tuple[Any, ...]) -> Chat:
        last = self._one("WHERE peer = ? AND kind = 'text' ORDER BY time DESC, row DESC", row[0])
        return Chat(
            peer=row[0],
            name=row[1],
            unread=row[7],
            last=last,
            plain=bool(row[2]),
            keys_changed=bool(row[3]),
            nickname=row[4],
            written=bool(row[5]),
            encrypted_again=bool(row[6]),
            client=self._client,
        )

    def has_chat(self, peer: str) -> bool:
        """Whether there is a chat with the peer."""
        return bool(self._db.sql.execute("SELECT 1 FROM chats WHERE peer = ?", (peer,)).fetchone())

    def update_chat(self, peer: str, **values: str | bool) -> None:
        """Sets columns of `_SETTABLE` of a chat, and creates it if there is none."""
        self._db.sql.execute("INSERT OR IGNORE INTO chats (peer) VALUES (?)", (peer,))
        for column in values.keys() & _SETTABLE:
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
            "SELECT id FROM messages WHERE peer = ? AND incoming AND error IS NULL AND kind = 'text'"
            " AND markable AND row > ? AND row <= ? ORDER BY row DESC LIMIT 1",
            (peer, old, row),
        ).fetchone()
        return None if found is None else str(found[0])

    def is_plain(self, peer: str) -> bool:
        """Whether the user chose not to encrypt the chat with the peer."""
        row = self._db.sql.execute("SELECT plain FROM chats WHERE peer = ?", (peer,)).fetchone()
        return row is not None and bool(row[0])

    def is_keyless(self, peer: str) -> bool:
        """Whether the chat is not encrypted only as long as the peer has no keys."""
        row = self._db.sql.execute("SELECT keyless FROM chats WHERE peer = ?", (peer,)).fetchone()
        return row is not None and bool(row[0])

    def newest_row(self) -> int:
        """The row of the message that arrived last; 0 if there is none."""
        (row,) = self._db.sql.execute("SELECT coalesce(max(row), 0) FROM messages").fetchone()
        return int(row)

    def note_nickname(self, peer: str, nickname: str) -> None:
        """Stores the name that the peer has chosen for themselves."""
        self._db.sql.execute(
            "INSERT INTO chats (peer, nickname) VALUES (?, ?)"
            " ON CONFLICT (peer) DO UPDATE SET nickname = excluded.nickname",
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
