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
    """What is known about the security of a connection, and about its peer.

    ``bindings``: channel-binding data by type, as announced (XEP-0440). ``tolerated``: data of further
    types, which are accepted though not announced, since some clients ignore the announcement.
    ``classic_plus``: whether SASL as in RFC 6120 (without SASL2) offers the -PLUS mechanisms, which use
    channel binding. With TLS 1.3 it does so only if the type tls-exporter is available, since clients use
    that type there.
    """

    encrypted: bool = False
    trusted: bool = False
    """Whether the peer connects over loopback, and the settings allow passwords without TLS there."""
    bindings: dict[str, bytes] = field(default_factory=dict)
    address: str = ""
    """The peer's IP address, as text."""
    tolerated: dict[str, bytes] = field(default_factory=dict)
    classic_plus: bool = True
    certificate: bytes = b""
    """The certificate of a peer that is a server, in DER; empty if it has shown none."""
    certificate_problem: str = ""
    """Why the certificate is invalid for every domain, such as that it has expired; empty if there is no such
    reason, or no certificate."""


class Sink(Protocol):
    """The output of a stream: a TCP, TLS or WebSocket connection (RFC 6120 §4, RFC 7395 §3)."""

    def open(self, attrs: Mapping[str, str]) -> None:
        """Sends the stream header with these attributes."""

    def restart(self) -> None:
        """Prepares for a new stream header from the peer (RFC 6120 §4.3.3)."""

    def start_tls(self) -> None:
        """Starts the TLS handshake; afterwards the peer sends a new stream header."""

    def send(self, elements: Sequence[bytes]) -> None:
        """Sends complete elements, in a ``jabber:client`` context, with one write."""

    def close(self, error: bytes = b"") -> None:
        """Sends ``error``, unless it is empty, then ends the stream and closes the connection."""

    def close_for_restart(self) -> None:
        """Closes the connection without ending the stream, so that the client can resume (XEP-0198 §5)."""

    def abort(self) -> None:
        """Drops the connection at once, without ending the stream."""

    def note_sign_of_life(self) -> None:
        """Notes that the peer has sent something whose only purpose is to keep the connection alive."""

    def pause(self) -> None:
        """Stops reading."""

    def resume(self) -> None:
        """Continues reading."""

    async def drained(self) -> None:
        """Waits until most of what was sent has been passed to the kernel, or the connection is closed."""


class Liveness(NamedTuple):
    """What decides how long a client may be silent before it is pinged.

    ``resumable``: its session can be resumed (XEP-0198 §5). ``resting``: a ping would probably wake a device
    that nobody is using. ``proxied``: the connection passes a proxy, which closes silent connections.
    ``interval``: the seconds between the pings or other signs of life that the client sends by itself; 0 if
    that is not known.
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
        """Whether the peer has proved who it is."""

    def opened(self, header: StreamOpened) -> None:
        """Handles the stream header of the peer. Raises StreamError."""

    def receive(self, element: Stanza) -> None:
        """Handles a complete element. Raises StreamError."""

    def closed(self) -> None:
        """Handles the end of the peer's stream."""

    def lost(self) -> None:
        """Handles the loss of the connection."""

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""

    def liveness(self) -> Liveness | None:
        """What decides how long the peer may be silent; None if it may be silent for ever."""

    def send_ping(self) -> None:
        """Sends a ping that the peer has to answer, if the stream allows one now."""

    def say_goodbye(self) -> bool:
        """Closes this server's side of the stream (RFC 6120 §4.4), because the server is about to stop.

        Returns False, and does nothing, if the peer repeats later what was not acknowledged. Otherwise the
        peer's stanzas are still handled until it closes its side.
        """

    def shut_down(self) -> None:
        """Ends the stream because the server stops; if the session can be resumed, only the connection."""


class ClientStream(Stream, Protocol):
    """The stream of a client, which may use a WebSocket."""

    def begin(self, attrs: dict[str, str]) -> None:
        """Handles the attributes of the peer's ``<open/>`` (RFC 7395 §3.4). Raises StreamError."""


class MakeClientStream(Protocol):
    """Makes the stream for a client that has just connected. ``starttls``: whether it can use STARTTLS."""

    def __call__(self, sink: Sink, security: Security, starttls: bool) -> ClientStream: ...
