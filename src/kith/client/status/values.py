"""What a program sees of statuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Literal

from kith.client.media.values import Media, MediaKind

#: For how many seconds there is a status.
DAY = 86_400
#: How many characters the text or the caption of a status has at most.
LONGEST_TEXT = 700


class StatusKind(Enum):
    """What a status is."""

    TEXT = "text"
    PHOTO = "photo"
    VIDEO = "video"
    VOICE = "voice"

    @property
    def media(self) -> MediaKind | None:
        """The kind of its file; None for a text."""
        return _MEDIA.get(self)


_MEDIA = {
    StatusKind.PHOTO: MediaKind.PICTURE,
    StatusKind.VIDEO: MediaKind.VIDEO,
    StatusKind.VOICE: MediaKind.VOICE,
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who has seen a status of ours."""

    jid: str
    time: datetime


@dataclass(frozen=True, slots=True)
class StatusQuote:
    """The status that a message in a chat reacts to or answers. It may have gone.

    ``author``: a bare address. ``text``: the beginning of its text or caption. ``reaction``: the text of the
    message is an emoji with which somebody reacts.
    """

    author: str
    id: str
    kind: StatusKind
    text: str = ""
    color: str = ""
    thumbnail: bytes = b""
    reaction: bool = False


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets our statuses. ``mode``: all contacts, those ``except`` some ``people``, or ``only`` these."""

    mode: Literal["contacts", "except", "only"] = "contacts"
    people: frozenset[str] = frozenset()

    def holds(self, contact: str) -> bool:
        """Whether a contact is in it."""
        return self.mode == "contacts" or (contact in self.people) is (self.mode == "only")


@dataclass(frozen=True, slots=True)
class Status:
    """A status of a contact or of ours.

    ``author``: a bare address. ``text``: the text, or the caption. ``color``: of the ground of a text,
    ``#rrggbb``, or empty. ``forward``: whether it may be forwarded and saved. ``seen``: whether it was shown
    on a device of ours. ``muted``: whether its author is. ``viewers``: who has seen it, if it is ours.
    """

    author: str
    id: str
    kind: StatusKind
    text: str
    time: datetime
    until: datetime
    color: str = ""
    media: Media | None = None
    forward: bool = False
    own: bool = False
    seen: bool = False
    muted: bool = False
    viewers: tuple[Viewer, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether it has not expired."""
        return self.until > datetime.now(UTC)
