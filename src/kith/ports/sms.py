"""What is asked of who sends text messages to phones."""

from __future__ import annotations

from typing import Protocol


class SMSError(Exception):
    """A text message could not be sent; the text is for the operator. ``wait``: seconds until it may work."""

    def __init__(self, reason: str, wait: float) -> None:
        super().__init__(reason)
        self.wait = wait


class SMS(Protocol):
    """Text messages to phones."""

    async def send(self, number: str, text: str) -> None:
        """Returns when it is on its way to ``number`` (E.164). Raises SMSError."""

    async def close(self) -> None:
        """No more is sent."""
