"""What decrypting a message gives, or the error that says why it failed."""

from __future__ import annotations

from dataclasses import dataclass

from kith.client.message import Trust


class Undecryptable(Exception):
    """A message can't be decrypted. The text says why, for people.

    ``silent``: not worth an entry in the history, because the message had no text. ``device``: the id of
    the sender's device, if asking it to send the message again can help. ``renew``: a new session with that
    device is needed first.
    """

    def __init__(
        self, text: str, silent: bool = False, device: int | None = None, renew: bool = False
    ) -> None:
        super().__init__(text)
        self.silent = silent
        self.device = device
        self.renew = renew


@dataclass(frozen=True, slots=True)
class Decrypted:
    """A decrypted message.

    ``body`` is None if the message had only keys. ``trust`` and ``device`` are of the sender's device.
    ``new_session``: the message started a new session with it. ``key``: that of the text, with which other
    parts of the message may be encrypted as well.
    """

    body: str | None
    trust: Trust
    device: int
    new_session: bool
    key: bytes = b""
