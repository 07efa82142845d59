"""The interface for sending text messages to phones."""

from __future__ import annotations

from typing import Protocol


class SMSError(Exception):
    """A text message could not be sent. The text is for the operator.

    ``wait``: seconds after which another attempt may succeed. ``refused``: whether the gateway works, but
    does not accept this message.
    """

    def __init__(self, reason: str, wait: float, refused: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.refused = refused


class SMS(Protocol):
    """Text messages to phones."""

    async def send(self, number: str, text: str) -> None:
        """Sends ``text`` to ``number`` (E.164). Returns when it is on its way. Raises SMSError."""

    async def close(self) -> None:
        """Releases connections. Nothing is sent any more."""
