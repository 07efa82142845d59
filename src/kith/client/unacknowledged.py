"""What is stored of stanzas that were sent and are not acknowledged yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import Element, fromstring, tostring

from kith.client.database import Database


class Unacknowledged:
    """For each stanza id: the content, so that a retry is the same stanza, and the number of strikes.

    A strike is a connection that ended while the stanza was in flight. A stream error that may be about a
    stanza counts as several. Callers commit.
    """

    SUSPICIOUS: Final = 3
    """From this number of strikes on, queued stanzas are sent one at a time."""
    GUILTY: Final = 6
    """With this number of strikes, the last one while it was alone in flight, a stanza has failed."""

    __slots__ = ("_db",)

    def __init__(self, database: Database) -> None:
        self._db = database

    def keep(self, id: str, content: Iterable[Element]) -> None:
        """Stores the child elements of a stanza for all attempts to send it."""
        stanza = Element("stanza")
        stanza.extend(content)
        self._db.sql.execute(
            "INSERT INTO flights (id, content) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET content = excluded.content",
            (id, tostring(stanza, encoding="unicode")),
        )

    def content(self, id: str) -> list[Element] | None:
        """The child elements that `keep` stored."""
        row = self._db.sql.execute("SELECT content FROM flights WHERE id = ?", (id,)).fetchone()
        return None if row is None or row[0] is None else list(fromstring(row[0]))

    def strike(self, id: str, count: int) -> int:
        """Adds strikes. Returns how many the stanza has now."""
        (strikes,) = self._db.sql.execute(
            "INSERT INTO flights (id, strikes) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET strikes = strikes + excluded.strikes RETURNING strikes",
            (id, count),
        ).fetchone()
        return int(strikes)

    def forget(self, id: str) -> None:
        """Removes a stanza that was acknowledged, or has failed."""
        self._db.sql.execute("DELETE FROM flights WHERE id = ?", (id,))

    @property
    def suspicious(self) -> bool:
        """Whether any stanza is suspected of ending connections."""
        found = self._db.sql.execute("SELECT 1 FROM flights WHERE strikes >= ? LIMIT 1", (self.SUSPICIOUS,))
        return found.fetchone() is not None
