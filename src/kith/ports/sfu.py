"""The interface of SFUs (selective forwarding units): they forward the media of group calls, encrypted.

An SFU learns random names of rooms and participants, their network addresses, and how much they send.
"""

from __future__ import annotations

from typing import Protocol


class SFUFailed(Exception):
    """An SFU does not answer, or refuses. The text says why, for the operator."""


class SFU(Protocol):
    """One server of group calls. ``url``: where apps reach it."""

    url: str

    def token(self, room: str, identity: str, seconds: int) -> str:
        """What lets an app join a room under an identity, for so many seconds."""

    async def make(self, room: str, most: int) -> None:
        """Makes a room for ``most`` participants. It ends by itself when it is empty. Raises SFUFailed."""

    async def participants(self, room: str) -> list[str] | None:
        """The identities in a room; None if there is no such room. Raises SFUFailed."""

    async def remove(self, room: str, identity: str) -> None:
        """Removes a participant. Raises SFUFailed."""

    async def end(self, room: str) -> None:
        """Ends a room, for all. Raises SFUFailed."""

    async def close(self) -> None:
        """Closes the connections to the SFU."""
