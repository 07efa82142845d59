"""The statuses on this device, in its database, until they expire."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from kith.client.database import Database
from kith.client.media.descriptor import describe, parse_stored
from kith.client.status.content import Content
from kith.client.status.values import Audience, Status, StatusKind, Viewer

_PLACE, _MUTED, _AUDIENCE = "status-place", "status-muted", "status-audience"
_COLUMNS = "author, id, kind, text, time, until, extra, seen"


class StatusRecords:
    """Statuses, what was seen, who is muted, and our audience. Callers commit."""

    __slots__ = ("_db", "_own")

    def __init__(self, database: Database, own: str) -> None:
        """``own``: our bare address."""
        self._db = database
        self._own = own

    # statuses

    def add(self, author: str, id: str, content: Content, time: float, until: float) -> Status | None:
        """Adds a status, unless it is here or was deleted before it came. Times: seconds since 1970."""
        until = min(until, time + content.seconds)
        extra: dict[str, Any] = {"color": content.color, "forward": content.forward}
        if content.media is not None:
            extra["media"] = [describe(content.media)]
        row = author, id, content.kind.value, content.text, time, until, json.dumps(extra)
        added = self._db.sql.execute(
            "INSERT OR IGNORE INTO statuses (author, id, kind, text, time, until, extra) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        ).rowcount
        return self.find(author, id) if added else None

    def find(self, author: str, id: str) -> Status | None:
        """A status that has neither expired nor was deleted."""
        found = self._select("author = ? AND id = ?", author, id)
        return found[0] if found else None

    def all(self, author: str | None = None) -> list[Status]:
        """The fresh statuses, of one author or of all, oldest first."""
        return self._select("author = ?", author) if author is not None else self._select("1")

    def _select(self, where: str, *values: str) -> list[Status]:
        now = datetime.now(UTC).timestamp()
        rows = self._db.sql.execute(
            f"SELECT {_COLUMNS} FROM statuses WHERE {where} AND until > ? AND kind != '' ORDER BY time, id",
            (*values, now),
        ).fetchall()
        muted = self.muted()
        return [self._status(row, muted) for row in rows]

    def _status(self, row: Any, muted: frozenset[str]) -> Status:
        author, id, kind, text, time, until, extra, seen = row
        more = json.loads(extra)
        own = author == self._own
        return Status(
            author,
            id,
            StatusKind(kind),
            text,
            datetime.fromtimestamp(time, UTC),
            datetime.fromtimestamp(until, UTC),
            more.get("color", ""),
            parse_stored(more.get("media")),
            more.get("forward", False),
            own,
            own or bool(seen),
            author in muted,
            self._viewers(id) if own else (),
        )

    def _viewers(self, id: str) -> tuple[Viewer, ...]:
        rows = self._db.sql.execute("SELECT jid, time FROM status_viewers WHERE id = ? ORDER BY time", (id,))
        return tuple(Viewer(jid, datetime.fromtimestamp(time, UTC)) for jid, time in rows)

    def delete(self, author: str, id: str) -> Status | None:
        """Deletes a status, and remembers that for a day, so that it does not come again."""
        found = self.find(author, id)
        now = datetime.now(UTC).timestamp()
        self._db.sql.execute(
            "INSERT INTO statuses (author, id, kind, text, time, until, extra) "
            "VALUES (?, ?, '', '', ?, ?, '{}') "
            "ON CONFLICT DO UPDATE SET kind = '', text = '', extra = '{}'",
            (author, id, now, now + 86_400),
        )
        if author == self._own:
            self._db.sql.execute("DELETE FROM status_viewers WHERE id = ?", (id,))
        return found

    def expire(self) -> float | None:
        """Deletes what has expired. Returns when the next one does, in seconds since 1970."""
        now = datetime.now(UTC).timestamp()
        self._db.sql.execute("DELETE FROM statuses WHERE until <= ?", (now,))
        self._db.sql.execute(
            "DELETE FROM status_viewers WHERE id NOT IN (SELECT id FROM statuses WHERE author = ?)",
            (self._own,),
        )
        (first,) = self._db.sql.execute("SELECT min(until) FROM statuses").fetchone()
        return None if first is None else float(first)

    # what was seen

    def set_seen(self, author: str, id: str, told: bool) -> bool:
        """Notes that a device of ours has shown a status. Returns whether it is news.

        ``told``: the server knows it.
        """
        return bool(
            self._db.sql.execute(
                "UPDATE statuses SET seen = ? WHERE author = ? AND id = ? AND seen < ?",
                (2 if told else 1, author, id, 2 if told else 1),
            ).rowcount
        )

    def untold(self) -> list[tuple[str, str]]:
        """Authors and ids of fresh statuses that were shown here, and the server does not know it."""
        now = datetime.now(UTC).timestamp()
        return self._db.sql.execute(
            "SELECT author, id FROM statuses WHERE seen = 1 AND until > ? AND kind != ''", (now,)
        ).fetchall()

    def add_viewer(self, id: str, jid: str, time: float) -> bool:
        """Somebody has seen a status of ours. Returns whether that is news."""
        if self.find(self._own, id) is None:
            return False
        row = id, jid, time
        return bool(
            self._db.sql.execute("INSERT OR IGNORE INTO status_viewers VALUES (?, ?, ?)", row).rowcount
        )

    # our place, and our settings

    @property
    def place(self) -> str:
        """The id of the last entry of the status log that was read; empty before the first."""
        return self._db.get(_PLACE) or ""

    def note_place(self, id: str) -> None:
        """Moves the place on, never back."""
        if id > self.place:
            self._db.set(_PLACE, id)

    def muted(self) -> frozenset[str]:
        """Whose statuses are muted."""
        return frozenset(json.loads(self._db.get(_MUTED) or "[]"))

    def set_muted(self, people: Iterable[str]) -> None:
        self._db.set(_MUTED, json.dumps(sorted(people)))

    def audience(self) -> tuple[Audience, int]:
        """Our audience, and when it was set, in milliseconds since 1970."""
        stored = json.loads(self._db.get(_AUDIENCE) or "{}")
        found = Audience(stored.get("mode", "contacts"), frozenset(stored.get("people", ())))
        return found, stored.get("set", 0)

    def set_audience(self, audience: Audience, at: int) -> None:
        stored = {"mode": audience.mode, "people": sorted(audience.people), "set": at}
        self._db.set(_AUDIENCE, json.dumps(stored))
