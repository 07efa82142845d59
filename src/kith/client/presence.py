"""Presence (RFC 6121 §4): whether somebody is there, and what they say about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Availability(Enum):
    """How available somebody is. The values are those of ``<show/>``, where there is one."""

    CHAT = "chat"
    """Online, and glad to chat."""
    ONLINE = "online"
    AWAY = "away"
    EXTENDED_AWAY = "xa"
    """Away for longer."""
    DO_NOT_DISTURB = "dnd"
    OFFLINE = "offline"


_ORDER = list(Availability)
_LONGEST_STATUS = 1000


@dataclass(frozen=True, slots=True)
class Presence:
    """``status`` is a text of their own, which may be empty. True if they are online."""

    availability: Availability
    status: str = ""

    def __bool__(self) -> bool:
        return self.availability is not Availability.OFFLINE

    @classmethod
    def of(cls, show: str, status: str) -> Presence:
        """The presence with these texts of ``<show/>`` and ``<status/>``. Others count as online."""
        known = {one.value: one for one in Availability if one is not Availability.OFFLINE}
        return cls(known.get(show, Availability.ONLINE), status[:_LONGEST_STATUS])


def best(of: Iterable[Presence]) -> Presence:
    """The most available presence of several devices."""
    found = min(of, key=lambda one: _ORDER.index(one.availability), default=None)
    return found or Presence(Availability.OFFLINE)
