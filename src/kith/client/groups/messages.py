"""The messages of groups in the local copy: in the order of the group, and found by the group's ids."""

from __future__ import annotations

import json

from kith.client.chats import Chats
from kith.client.extra import Extra
from kith.client.groups.values import Receipts
from kith.client.message import Kind, Message, State

#: The place of a message that the group does not have yet: after all others.
PENDING = "~"
#: The rows of somebody's messages in a group that an id of theirs means.
_NAMED = (
    "SELECT row FROM messages WHERE peer = :group AND incoming IN (0, 1) AND origin = :id"
    " UNION SELECT row FROM messages WHERE peer = :group AND id = :id"
)
_SHOWN = "kind IN ('text', 'notice')"


class GroupMessages(Chats):
    """Reads and writes messages of groups. `History` is built on it. Callers commit.

    The ``place`` of a message is the id that the group gave it: ids sort in the order of the group.
    """

    __slots__ = ()

    def is_placed(self, group: str, place: str) -> bool:
        """Whether the message with an id of the group is here."""
        found = self._db.sql.execute("SELECT 1 FROM messages WHERE peer = ? AND place = ?", (group, place))
        return found.fetchone() is not None

    def group_id(self, message: Message) -> str | None:
        """The id that the group gave a message; None if it has not."""
        (place,) = self._db.sql.execute("SELECT place FROM messages WHERE row = ?", (message.row,)).fetchone()
        return None if place is None or place.startswith(PENDING) or place.endswith(PENDING) else str(place)

    def extra(self, message: Message) -> Extra:
        """What a message has besides text."""
        (stored,) = self._db.sql.execute(
            "SELECT extra FROM messages WHERE row = ?", (message.row,)
        ).fetchone()
        return Extra() if stored is None else Extra.parse(stored)

    def by_group_id(self, group: str, place: str) -> Message | None:
        """The message with an id of the group."""
        return self._one("WHERE peer = ? AND place = ?", group, place)

    def last_place(self, group: str) -> str:
        """The id of the last message of a group that is here; empty if there is none."""
        (place,) = self._db.sql.execute(
            "SELECT max(place) FROM messages WHERE peer = ? AND place < ?", (group, PENDING)
        ).fetchone()
        return str(place or "").removesuffix(PENDING)

    def mine(self, group: str, origin: str) -> Message | None:
        """A message that this device has written, by its origin id."""
        return self._one(
            "WHERE peer = ? AND incoming = 0 AND origin = ? AND here AND author IS NOT NULL", group, origin
        )

    def put_in_order(self, message: Message, place: str | None, expires: float | None = None) -> Message:
        """The group has one of our messages, at a place. ``expires``: when it has to disappear."""
        if place is not None:
            self._db.sql.execute(
                "UPDATE messages SET place = ?, archive = ?, expires = ? WHERE row = ?",
                (place, place, expires, message.row),
            )
        if message.state in (State.QUEUED, State.FAILED):
            self._db.sql.execute(
                "UPDATE messages SET state = 'sent', error = NULL WHERE row = ?", (message.row,)
            )
        return self.get(message.row)

    def put_failed(self, message: Message) -> None:
        """A message of ours failed: it stays where it is, after the last one that the group has."""
        place = self.last_place(message.peer) + PENDING
        self._db.sql.execute("UPDATE messages SET place = ? WHERE row = ?", (place, message.row))

    def put_pending(self, message: Message) -> None:
        """A message of ours is queued: it is after all others."""
        self._db.sql.execute("UPDATE messages SET place = ? WHERE row = ?", (PENDING, message.row))

    def queue_again(self, message: Message) -> Message:
        """A message that the group has refused waits to be sent once more, under the same origin id."""
        self._db.sql.execute("UPDATE messages SET state = 'queued' WHERE row = ?", (message.row,))
        return self.get(message.row)

    def note_number(self, message: Message, number: int | None) -> None:
        """Stores the number of the members that a message of ours was encrypted for."""
        self._db.sql.execute("UPDATE messages SET number = ? WHERE row = ?", (number, message.row))

    def number_of(self, message: Message) -> int:
        """The number of the members that a message of ours was encrypted for; 0 if it was not."""
        (number,) = self._db.sql.execute(
            "SELECT number FROM messages WHERE row = ?", (message.row,)
        ).fetchone()
        return int(number or 0)

    def queued_in(self, group: str) -> list[Message]:
        """The messages to a group that it does not have yet, in order."""
        return self._rows("WHERE state = 'queued' AND +peer = ? ORDER BY row", group)  # of the queue's index

    def group_target(self, group: str, id: str, author: str | None = None) -> Message | None:
        """The text that an id means: the group's id, or its author's own.

        ``author``: who has to have written it.

        An edit means the message that it changes, which is before it: else two edits could mean each other.
        """
        found = self._meant(group, id, author)
        while found is not None and found.kind is Kind.EDIT and found.about is not None:
            found = self._meant(group, found.about, found.author, found.row)
        return found if found is not None and found.kind is Kind.TEXT else None

    def _meant(self, group: str, id: str, author: str | None, before: int | None = None) -> Message | None:
        """What has an id, of an author, and with a row before another one; None means any."""

        def fits(one: Message) -> bool:
            return author in (None, one.author) and (before is None or one.row < before)

        found = self.by_group_id(group, id)
        if found is not None and fits(found):
            return found
        return next(
            filter(fits, self._rows(f"WHERE row IN ({_NAMED}) ORDER BY row DESC", group=group, id=id)), None
        )

    def unreadable_in(self, group: str, id: str, author: str) -> Message | None:
        """Somebody's message with an origin id, if it could not be decrypted."""
        rows = self._rows(f"WHERE row IN ({_NAMED}) AND error IS NOT NULL", group=group, id=id)
        return next((one for one in rows if one.author == author and one.incoming), None)

    def group_page(self, group: str, before: Message | None, limit: int) -> list[Message]:
        """The newest messages and notices of a group, or those before a message, in the group's order."""
        where, values = "", list[str | int]()
        if before is not None:
            (place,) = self._db.sql.execute(
                "SELECT place FROM messages WHERE row = ?", (before.row,)
            ).fetchone()
            where, values = "AND (place, row) < (?, ?)", [place or "", before.row]
        found = self._rows(
            f"WHERE peer = ? AND {_SHOWN} AND place IS NOT NULL {where}"
            " ORDER BY place DESC, row DESC LIMIT ?",
            *(group, *values, limit),
        )
        return found[::-1]

    def said_before(self, group: str, place: str, limit: int) -> list[tuple[str, Message]]:
        """The last texts that a group has before a place, with their ids, in order."""
        rows = self._db.sql.execute(
            "SELECT row, place FROM messages WHERE peer = ? AND kind = 'text' AND NOT deleted"
            " AND error IS NULL AND place < ? AND length(place) = 16 ORDER BY place DESC LIMIT ?",
            (group, place, limit),
        ).fetchall()
        return [(str(id), self.get(row)) for row, id in reversed(rows)]

    # what disappears

    def take_expired(self, now: float) -> list[Message]:
        """Deletes the messages whose time is over, and returns the texts among them."""
        gone = self._rows("WHERE expires <= ? AND kind = 'text'", now)
        self._db.sql.execute("DELETE FROM messages WHERE expires <= ?", (now,))
        self.gone = self.gone or bool(gone)
        return gone

    def next_expiry(self) -> float | None:
        """When the next message has to disappear, in seconds since 1970; None: none has to."""
        (at,) = self._db.sql.execute("SELECT min(expires) FROM messages WHERE expires IS NOT NULL").fetchone()
        return None if at is None else float(at)

    # pins

    def pinned(self, group: str, now: float, longest: float) -> list[Message]:
        """The messages that are pinned, the last one first. ``longest``: for how many seconds at most."""
        rows = self._db.sql.execute(
            "SELECT extra, time FROM messages WHERE peer = ? AND kind = 'pin' AND state != 'failed'"
            " ORDER BY place, row",
            (group,),
        )
        until: dict[int, float] = {}
        for extra, time in rows.fetchall():
            pin = Extra.parse(extra).pin
            target = self.group_target(group, pin.of, pin.author) if pin is not None else None
            if pin is not None and target is not None and not target.deleted:
                until.pop(target.row, None)
                until[target.row] = min(pin.until / 1000, time + longest)
        return [self.get(row) for row, end in reversed(until.items()) if end > now]

    # polls

    def votes(self, group: str, poll: str) -> list[tuple[str, tuple[str, ...]]]:
        """The votes about a poll, in the order of the group, as (address, ids of options)."""
        rows = self._db.sql.execute(
            "SELECT author, extra FROM messages WHERE peer = ? AND about = ? AND kind = 'vote'"
            " AND state != 'failed' ORDER BY place, row",
            (group, poll),
        )
        votes = [(str(author), Extra.parse(extra).vote) for author, extra in rows]
        return [(author, vote.options) for author, vote in votes if vote is not None]

    def is_closed(self, group: str, poll: str, author: str) -> bool:
        """Whether the author of a poll has closed it."""
        found = self._db.sql.execute(
            "SELECT 1 FROM messages WHERE peer = ? AND about = ? AND kind = 'close' AND author = ?"
            " AND state != 'failed'",
            (group, poll, author),
        )
        return found.fetchone() is not None

    # receipts

    def set_receipts(self, message: Message, receipts: Receipts) -> Message:
        """How many members have a message of ours. The numbers only grow."""
        before = message.receipts or Receipts(0, 0, receipts.of)
        numbers = (
            max(before.delivered, receipts.delivered),
            max(before.read, receipts.read),
            receipts.of,
        )
        self._db.sql.execute(
            "UPDATE messages SET receipts = ? WHERE row = ?", (json.dumps(numbers), message.row)
        )
        return self.get(message.row)

    def places_read(self, group: str) -> tuple[str, str]:
        """The ids of the last message that arrived here, and of the last one that was read here."""
        read = self._db.sql.execute(
            "SELECT max(m.place) FROM messages m JOIN chats c ON c.peer = m.peer WHERE m.peer = ?"
            " AND m.incoming AND m.kind = 'text' AND m.row <= c.read AND m.place < ?",
            (group, PENDING),
        ).fetchone()
        return self.last_place(group), str(read[0] or "") if read else ""
