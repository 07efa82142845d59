"""What is kept of a stanza that was sent and is not acknowledged yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import Element, fromstring, tostring

from kith.client.database import Database


class Flights:
    """By the stanza's id: its content, so that a retry is the same stanza, and its strikes.

    A strike is a connection that ended while the stanza was in flight; a stream error that may be about a
    stanza counts as several. Commits are the caller's.
    """

    SUSPICIOUS: Final = 3
    """From so many strikes on, what is queued goes out one by one."""
    GUILTY: Final = 6
    """So many, the last of them alone in flight, and the stanza has failed."""

    __slots__ = ("_db",)

    def __init__(self, database: Database) -> None:
        self._db = database

    def keep(self, id: str, content: Iterable[Element]) -> None:
        """These children go out under this id, now and whenever it is tried again."""
        stanza = Element("stanza")
        stanza.extend(content)
        self._db.sql.execute(
            "INSERT INTO flights (id, content) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET content = ?2",
            (id, tostring(stanza, encoding="unicode")),
        )

    def content(self, id: str) -> list[Element] | None:
        """What `keep` was given."""
        row = self._db.sql.execute("SELECT content FROM flights WHERE id = ?", (id,)).fetchone()
        return None if row is None or row[0] is None else list(fromstring(row[0]))

    def strike(self, id: str, count: int) -> int:
        """Adds strikes. Returns how many there are now."""
        (strikes,) = self._db.sql.execute(
            "INSERT INTO flights (id, strikes) VALUES (?1, ?2)"
            " ON CONFLICT (id) DO UPDATE SET strikes = strikes + ?2 RETURNING strikes",
            (id, count),
        ).fetchone()
        return int(strikes)

    def forget(self, id: str) -> None:
        """It was acknowledged, or has failed."""
        self._db.sql.execute("DELETE FROM flights WHERE id = ?", (id,))

    @property
    def suspicious(self) -> bool:
        """Whether something waits that may end connections."""
        found = self._db.sql.execute("SELECT 1 FROM flights WHERE strikes >= ? LIMIT 1", (self.SUSPICIOUS,))
        return found.fetchone() is not None
