"""The interfaces between a stream and the connection that carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from kith.wire.errors import StreamError
from kith.wire.parser import StreamOpened
from kith.wire.stanza import Stanza


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

    def close_for_restart(self) -> None:
        """Closes the connection without closing the stream, so that the session can be resumed (XEP-0198
        §5).
        """

    def abort(self) -> None:
        """Drops the connection at once, without closing the stream."""

    def note_sign_of_life(self) -> None:
        """The peer has sent something only to keep the connection alive, as it does at an interval."""

    def pause(self) -> None:
        """Stops reading."""

    def resume(self) -> None:
        """Goes on reading."""

    async def drained(self) -> None:
        """Returns when little is left to be sent, or the connection is closed."""


class Liveness(NamedTuple):
    """What is known of a client that decides how long it may be silent.

    ``resumable``: its session can be resumed (XEP-0198 §5). ``resting``: nobody is looking at the client.
    ``proxied``: a proxy is in between, which closes silent connections. ``interval``: seconds between its own
    signs of life; 0: none are known.
    """

    resumable: bool = False
    resting: bool = False
    proxied: bool = False
    interval: float = 0.0


class Stream(Protocol):
    """What a connection carries: the stream of a client, of a component or of another server."""

    security: Security

    @property
    def authenticated(self) -> bool:
        """Whether the peer has shown who it is."""

    def opened(self, header: StreamOpened) -> None:
        """The peer's stream header. Raises StreamError."""

    def receive(self, element: Stanza) -> None:
        """A complete element. Raises StreamError."""

    def closed(self) -> None:
        """The peer has closed its stream."""

    def lost(self) -> None:
        """The connection is gone."""

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""

    def liveness(self) -> Liveness | None:
        """None if the peer's silence means nothing."""

    def send_ping(self) -> None:
        """Sends what the peer has to answer, if it can be asked."""

    def shut_down(self) -> None:
        """The server stops: ends the stream, or only the connection of a session that can be resumed."""


class ClientStream(Stream, Protocol):
    """The stream of a client, which may come in a WebSocket."""

    def begin(self, attrs: dict[str, str]) -> None:
        """The attributes of the peer's ``<open/>`` (RFC 7395 §3.4). Raises StreamError."""


class MakeClientStream(Protocol):
    """Makes the stream of a client that has just connected. ``starttls``: whether TLS can begin on it."""

    def __call__(self, sink: Sink, security: Security, starttls: bool) -> ClientStream: ...
