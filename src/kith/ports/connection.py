"""What a stream asks of its connection, and is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Security:
    """What the connection offers.

    ``bindings``: channel-binding data by type, as announced (XEP-0440).
    ``tolerated``: more of it, for clients that do not wait for an announcement.
    ``classic_plus``: whether the SASL of RFC 6120 has mechanisms with channel binding. In TLS 1.3 it has
    none without tls-exporter, which is what clients use there.
    """

    encrypted: bool = False
    trusted: bool = False
    """A loopback connection on which PLAIN without TLS was allowed."""
    bindings: dict[str, bytes] = field(default_factory=dict)
    address: str = ""
    """The peer's IP address, as text."""
    tolerated: dict[str, bytes] = field(default_factory=dict)
    classic_plus: bool = True


class Sink(Protocol):
    """Where a stream's bytes go: a TCP, TLS or WebSocket connection (RFC 6120 §4, RFC 7395 §3)."""

    def open(self, attrs: Mapping[str, str]) -> None:
        """Sends the stream header with these attributes."""

    def restart(self) -> None:
        """A new stream header is expected (RFC 6120 §4.3.3)."""

    def start_tls(self) -> None:
        """Starts the handshake, then expects a new stream header."""

    def send(self, elements: Sequence[bytes]) -> None:
        """Sends complete elements, in a ``jabber:client`` context, with one write."""

    def close(self, error: bytes = b"") -> None:
        """Ends the stream, after ``error`` if there is one, and the connection."""

    def part(self) -> None:
        """Ends the connection and not the stream, which can be resumed (XEP-0198 §5)."""

    def abort(self) -> None:
        """Drops the connection without a word."""

    def beat(self) -> None:
        """The peer keeps the connection alive by itself."""

    def pause(self) -> None:
        """Stops reading."""

    def resume(self) -> None:
        """Reads on."""

    async def drained(self) -> None:
        """Returns when little waits to be sent, or the connection is gone."""
