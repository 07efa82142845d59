"""The interface for preparing pictures that everybody may see: avatars, pictures of rooms."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

#: Why a picture could not be prepared: it is none (or of a kind that is not read), it is too large, preparing
#: it took too long or failed, or too many others wait.
Reason = Literal["unreadable", "too-large", "failed", "busy"]


class Wanted(NamedTuple):
    """What a picture should be: at most ``edge`` pixels wide and high, and ``size`` bytes long.

    ``keep``: leave a picture as it is if it is small enough and contains nothing but the picture, so that its
    hash stays the same. Else it is encoded anew.
    """

    edge: int
    size: int
    keep: bool = False


class Picture(NamedTuple):
    """An upright picture without metadata. ``type``: its media type, like ``image/jpeg``."""

    type: str
    data: bytes


class PictureError(Exception):
    """A picture could not be prepared."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Pictures(Protocol):
    """Prepares pictures."""

    async def prepare(self, data: bytes, wanted: Wanted, owner: str) -> Picture:
        """An upright copy of a picture without metadata. Raises PictureError.

        ``owner``: on whose behalf, such as an address. One owner can't occupy the places of all others.
        """
        ...
