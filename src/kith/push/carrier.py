"""The interface of what carries a push to a device: an app server of XEP-0357, or a push service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kith.push.registration import Registration


@dataclass(frozen=True, slots=True)
class Wake:
    """What is waiting for a device. ``count``: messages that were not woken for before. ``call``: a call is
    among them. ``topic``: the same for pushes that replace each other.
    """

    count: int
    call: bool
    topic: str


class Gone(Exception):
    """The service does not know the registration any more, so it ends."""


class Later(Exception):
    """The push was not accepted, and may be later.

    ``seconds``: after how long, if the service says so, or 0. ``mistake``: the service considers the push
    wrong, which will hardly change.
    """

    def __init__(self, reason: str, seconds: float = 0.0, mistake: bool = False) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.mistake = mistake


class Carrier(Protocol):
    """``name``: that of the registrations that it serves."""

    name: str

    async def push(self, owner: str, registration: Registration, wake: Wake) -> None:
        """Hands a push to the service. ``owner``: the account's bare address. Raises Gone, Later."""

    def place(self, registration: Registration) -> str:
        """The host that the push goes to; pushes to one host do not delay those to others."""
