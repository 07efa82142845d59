"""Which messages a bot has handled, in the account's database, so that it goes on where it was."""

from __future__ import annotations

from kith.client.database import Database
from kith.client.history import History
from kith.client.message import Message

_PLACE = "iterated"  # that of `Client.messages`, so that a program may change over


class Handled:
    """All messages up to a place were handled, and some after it: people are answered beside each other.

    The table ``bot_messages`` has those after the place that were begun (``attempts``) or ``done``.
    """

    __slots__ = ("_db", "_done", "_history", "_open", "_read", "place")

    def __init__(self, database: Database, history: History) -> None:
        self._db = database
        self._history = history
        self.place = int(database.get(_PLACE) or 0)
        database.sql.execute("DELETE FROM bot_messages WHERE row <= ?", (self.place,))
        found = database.sql.execute("SELECT row FROM bot_messages WHERE done")
        self._done = {int(row) for (row,) in found}
        self._read = self.place
        self._open: dict[int, None] = {}
        """The rows that were given out and are not done, in order."""

    def next_messages(self, limit: int) -> list[Message]:
        """The next messages that nobody has handled, in order."""
        fresh: list[Message] = []
        while not fresh and (found := self._history.since(self._read, limit)):
            for message in found:
                self._read = message.row
                if message.row in self._done:
                    self._done.discard(message.row)
                elif message.incoming:
                    self._open[message.row] = None
                    fresh.append(message)
        return fresh

    def attempt(self, message: Message) -> int:
        """Counts an attempt to handle a message, for one that ends the program each time."""
        (attempts,) = self._db.sql.execute(
            "INSERT INTO bot_messages (row, attempts, done) VALUES (?, 1, 0)"
            " ON CONFLICT (row) DO UPDATE SET attempts = attempts + 1 RETURNING attempts",
            (message.row,),
        ).fetchone()
        self._db.commit()
        return int(attempts)

    def unattempt(self, message: Message) -> None:
        """The bot stopped while the message was handled: that says nothing against the message."""
        self._db.sql.execute("UPDATE bot_messages SET attempts = attempts - 1 WHERE row = ?", (message.row,))
        self._db.commit()

    def done(self, rows: list[int]) -> None:
        """The messages of these rows were handled, or are left out. The caller commits."""
        for row in rows:
            self._open.pop(row, None)
            self._db.sql.execute(
                "INSERT INTO bot_messages (row, attempts, done) VALUES (?, 1, 1)"
                " ON CONFLICT (row) DO UPDATE SET done = 1",
                (row,),
            )
        place = next(iter(self._open), self._read + 1) - 1
        if place > self.place:
            self.place = place
            self._db.set(_PLACE, str(place))
            self._db.sql.execute("DELETE FROM bot_messages WHERE row <= ?", (place,))
