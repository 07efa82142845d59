"""Announcements of the operators to everybody, which are stored until they have expired."""

from __future__ import annotations

import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.ports.store import DocumentStore
from kith.records.readable import readable

SPACE = "announcements"
#: The space in which an account has the ids of announcements that it got. See `kith.features.announcements`.
RECEIVED = "announced"
#: The maximum length of a text, in characters, and the number of announcements that are stored at once.
MAX_TEXT = 10_000
MAX_STORED = 50
#: How long an announcement is given to those who come online, unless the operator says otherwise, in seconds.
LIFETIME = 14 * 86400.0
#: How long a cancelled announcement is withdrawn from those who have got it before, when they come online.
WITHDRAWN_FOR = 60 * 86400.0


class TooMany(ValueError):
    """There are too many announcements."""


class Announcement(msgspec.Struct):
    """An announcement. All times are in seconds since 1970. ``cancelled``: when it was cancelled, or 0."""

    id: str
    at: float
    expires: float
    text: str
    cancelled: float = 0.0

    def is_due(self, now: float) -> bool:
        """Whether those who have not got it should get it."""
        return not self.cancelled and now < self.expires

    def is_over(self, now: float) -> bool:
        """Whether nothing has to be done for it any more."""
        return now >= (self.cancelled + WITHDRAWN_FOR if self.cancelled else self.expires)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Announcement).decode


class Announcements:
    """The stored announcements."""

    def __init__(self, store: DocumentStore, clock: Clock, randomness: Randomness) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness

    async def all(self) -> list[Announcement]:
        """All that are not over yet, the oldest first. Others are deleted."""
        now, found = self._clock.now(), []
        for document, announcement in readable(
            await self._store.documents(0, SPACE), _decode, "announcement"
        ):
            if announcement.is_over(now):
                await self._store.remove(0, SPACE, document.key)
            else:
                found.append(announcement)
        return sorted(found, key=lambda announcement: announcement.at)

    async def add(self, text: str, lifetime: float = LIFETIME) -> Announcement:
        """Stores an announcement, which expires after ``lifetime`` seconds. Raises ValueError."""
        text = text.strip()
        if not text:
            raise ValueError("an announcement needs a text")
        if len(text) > MAX_TEXT:
            raise ValueError(f"an announcement has at most {MAX_TEXT} characters, not {len(text)}")
        if any(ord(c) < 32 and c not in "\n\t" for c in text):
            raise ValueError("an announcement can't contain control characters")
        if len(await self.all()) >= MAX_STORED:
            raise TooMany(f"there are {MAX_STORED} announcements already; cancel some")
        now = self._clock.now()
        made = Announcement(self._randomness.hex(5), now, now + lifetime, text)
        await self._store.put(0, SPACE, made.id, _encode(made))
        return made

    async def cancel(self, id: str) -> bool:
        """Cancels an announcement. Returns False if there is none with this id."""
        found = next((one for one in await self.all() if one.id == id), None)
        if found is None:
            return False
        if not found.cancelled:
            found.cancelled = self._clock.now()
            await self._store.put(0, SPACE, id, _encode(found))
        return True
