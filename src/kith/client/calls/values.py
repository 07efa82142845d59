"""What a call is like at a moment, and how it is set up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from kith.client.errors import ClientError

#: For how many seconds a call rings. An older proposal, found in the archive, does not ring.
RING_SECONDS: Final = 60.0


class CallState(Enum):
    """How far a call has come. ``PROPOSED``: the peer's devices were told. ``RINGING``: one rings, or this.

    ``ACCEPTED``: somebody has answered, and the devices look for a way to each other. ``CONNECTED``: sound
    and pictures can be sent.
    """

    PROPOSED = "proposed"
    RINGING = "ringing"
    ACCEPTED = "accepted"
    CONNECTED = "connected"
    ENDED = "ended"


class CallEnded(ClientError):
    """A call has ended before it was connected, or is over. ``reason``: as in XEP-0166 §7.4.

    ``timeout``: nobody answered. ``decline``, ``busy``: somebody did not want to. ``cancel``: the caller gave
    up. ``elsewhere``: another device of the account has answered or rejected it. ``connectivity-error``: the
    devices found no way to each other, or lost it. ``security-error``: a key was not the one that it has to
    be.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"The call has ended: {reason}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How the calls of a client are connected; for all calls that begin from now on.

    ``relay_only``: packets go through the server's relay alone, so the peer does not learn our network
    address. ``relay``: how the relay is reached. The library uses one relay for each call.
    """

    relay_only: bool = False
    relay: Literal["udp", "tcp", "tls"] = "udp"
