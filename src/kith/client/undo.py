"""Takes changes back that the server or this device refused: edits, deletions and reactions.

A change shows at once, long before it is known whether it can be sent. So what it replaces is stored with it
until then, in the column ``undo`` of its row.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from kith.client.database import Database
from kith.client.events import ChangeRefused, Event, MessageChanged, MessageEdited, ReactionsChanged
from kith.client.history import History
from kith.client.message import Kind, Message, Reactions, State

#: What each kind of change replaces.
_REPLACED: Final = {
    Kind.EDIT: ("body", "edited"),
    Kind.DELETION: ("body", "edited", "deleted", "ours", "theirs", "people"),
    Kind.REACTION: ("ours",),
}
#: Seconds after which nothing comes back any more, since servers return what they can't deliver within days.
_KEPT = 7 * 86400.0


class Undo:
    """Stores what changes replace, and restores it. Callers commit."""

    __slots__ = ("_db", "_history")

    def __init__(self, database: Database, history: History) -> None:
        self._db = database
        self._history = history
        database.sql.execute(
            "UPDATE messages SET undo = NULL WHERE undo IS NOT NULL AND state != 'queued' AND time < ?",
            (time.time() - _KEPT,),
        )

    def keep(self, change: Message, before: Message) -> None:
        """Stores what a change, which is in the history, replaces. ``before``: the message as it was."""
        every = {
            "body": before.body,
            "edited": before.edited,
            "deleted": before.deleted,
            "ours": before.reactions.ours,
            "theirs": before.reactions.theirs,
            "people": before.reactions.people,
        }
        self._store(change.row, {"row": before.row, **{name: every[name] for name in _REPLACED[change.kind]}})

    def failed(self, message: Message, told: bool = False) -> list[Event]:
        """Handles the failure of a message or change. Returns the events to publish.

        ``told``: whoever made a change learns of the failure in another way.
        """
        if message.kind is Kind.TEXT:
            self._cancel(message)
            return [MessageChanged(message)]
        undone = self._take_back(message)
        if undone is None:
            return []
        return [undone] if told else [undone, ChangeRefused(undone.message, message.error or "")]

    def _take_back(self, change: Message) -> MessageEdited | ReactionsChanged | None:
        """Takes back a change. Returns the event, unless the message stays as it is.

        A later change of the same thing stays. If that is refused as well, the message becomes what it was
        before both.
        """
        saved = self._saved(change.row)
        if saved is None:
            return None
        self._db.sql.execute("UPDATE messages SET undo = NULL WHERE row = ?", (change.row,))
        target = self._history.get(saved.pop("row"))
        later = self._later(change)
        restored: dict[str, Any] = {}
        for name, value in saved.items():
            following = next((one for one in later if name in _REPLACED[one.kind]), None)
            if following is None:
                restored[name] = value
            elif (waiting := self._saved(following.row)) is not None:
                self._store(following.row, {**waiting, name: value})
        return self._restore(target, restored) if restored else None

    def settled(self, change: Message) -> None:
        """A change has arrived at the server, or at the peer. What was deleted is then no longer kept."""
        if change.kind is Kind.DELETION:
            self._db.sql.execute(
                "UPDATE messages SET undo = NULL WHERE peer = ? AND about = ? AND NOT incoming",
                (change.peer, change.about),
            )
        elif change.state in (State.DELIVERED, State.READ):
            self._db.sql.execute("UPDATE messages SET undo = NULL WHERE row = ?", (change.row,))

    def _cancel(self, message: Message) -> None:
        """Lets the changes of a failed message fail: recipients would show an edit as a message."""
        self._db.sql.execute(
            "UPDATE messages SET state = 'failed', error = 'The message was never sent.', undo = NULL"
            " WHERE peer = ? AND about IN (?, ?) AND NOT incoming AND state = 'queued' AND kind != 'text'",
            (message.peer, message.id, message.origin or message.id),
        )

    def _restore(self, target: Message, values: dict[str, Any]) -> MessageEdited | ReactionsChanged:
        body = values.get("body", target.body)
        flags = values.get("edited", target.edited), values.get("deleted", target.deleted)
        self._db.sql.execute(
            "UPDATE messages SET body = ?, edited = ?, deleted = ? WHERE row = ?", (body, *flags, target.row)
        )
        found = target.reactions
        reactions = Reactions(
            tuple(values.get("ours", found.ours)),
            tuple(values.get("theirs", found.theirs)),
            tuple((who, tuple(emojis)) for who, emojis in values.get("people", found.people)),
        )
        undone = self._history.set_reactions(target, reactions)
        if "body" in values:
            return MessageEdited(undone, target)
        return ReactionsChanged(undone, by_peer=False)

    def _later(self, change: Message) -> list[Message]:
        """Our later changes of the same message that have not failed, in order."""
        return self._history.changes(change.peer, change.about or "", change.row)

    def _saved(self, row: int) -> dict[str, Any] | None:
        (text,) = self._db.sql.execute("SELECT undo FROM messages WHERE row = ?", (row,)).fetchone()
        return None if text is None else dict(json.loads(text))

    def _store(self, row: int, saved: dict[str, Any]) -> None:
        self._db.sql.execute("UPDATE messages SET undo = ? WHERE row = ?", (json.dumps(saved), row))
