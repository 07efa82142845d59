"""The interface of relays: they help the devices of a call to reach each other.

A device learns its public address from them (STUN, RFC 8489), or lets them forward its packets (TURN, RFC
8656).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class RelayService(NamedTuple):
    """A service that a client may use.

    ``type``: stun, stuns, turn or turns. ``transport``: udp or tcp. ``username`` and ``password`` are empty
    for STUN. ``expires``: when the credentials end, in seconds since 1970; 0 if there are none.
    """

    type: str
    host: str
    port: int
    transport: str
    username: str = ""
    password: str = ""
    expires: float = 0.0


class Relays(Protocol):
    """Gives clients what they need for a call."""

    def services(self, local: str) -> Sequence[RelayService]:
        """The services for an account, the best ones first, each with credentials of its own.

        ``local``: the part of the account's address before the @. Relays do not learn it.
        """
