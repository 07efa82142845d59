"""What one account alone gets of a message that a group shares: such as the keys that are encrypted for it.

It is stored as the place where it belongs in the message (counted from the end, 4 bytes), and the bytes that
are put there.
"""

from __future__ import annotations

from collections.abc import Iterable

_PLACE = 4


def own_part(place: int, data: bytes) -> bytes:
    """What an account gets, as it is stored. ``place``: how many bytes of the message come after it."""
    return place.to_bytes(_PLACE, "big") + data


def with_own(stanza: bytes, own: bytes) -> bytes:
    """A stored message with the part that one account gets of it; empty: without one."""
    if not own:
        return stanza
    place = len(stanza) - int.from_bytes(own[:_PLACE], "big")
    return stanza[:place] + own[_PLACE:] + stanza[place:]


def bytes_after(own: bytes) -> int:
    """How many bytes of the message come after a part."""
    return int.from_bytes(own[:_PLACE], "big")


def content(own: bytes) -> bytes:
    """The bytes of a part, which are put into the message."""
    return own[_PLACE:]


def with_all(stanza: bytes, owned: Iterable[bytes]) -> bytes:
    """A stored message with the parts of all accounts, which belong at the same place."""
    for own in owned:
        stanza = with_own(stanza, own)
    return stanza
