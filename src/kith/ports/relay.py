"""The interface of relays: they help the devices of a call to reach each other.

A device learns its public address from them (STUN, RFC 8489), or lets them forward its packets (TURN, RFC
8656).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

Scheme = Literal["stun", "stuns", "turn", "turns"]
Transport = Literal["udp", "tcp"]


class RelayURL(NamedTuple):
    """Where a relay is reached. ``scheme`` with an s: over TLS, or DTLS if ``transport`` is udp."""

    scheme: Scheme
    host: str
    port: int
    transport: Transport

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        end = f"?transport={self.transport}" if self.scheme.startswith("turn") else ""
        return f"{self.scheme}:{host}:{self.port}{end}"


class RelayService(NamedTuple):
    """A service that a client may use.

    ``username`` and ``password`` are empty for STUN. ``expires``: when they end, in seconds since 1970; 0 if
    there are none.
    """

    url: RelayURL
    username: str = ""
    password: str = ""
    expires: float = 0.0


class Relays(Protocol):
    """Gives clients what they need for a call."""

    def services(self, local: str) -> Sequence[RelayService]:
        """The services for an account, the best ones first, each with credentials of its own.

        ``local``: the part of the account's address before the @. Relays do not learn it.
        """
