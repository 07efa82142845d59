"""Streams that carry stanzas of many senders: of a component, or of another server."""

from __future__ import annotations

from kith.ports.connection import Liveness
from kith.wire.errors import StreamError


class LinkStream:
    """The parts of `kith.ports.connection.Stream` that these streams share.

    They are not pinged, since the kernel probes the peer, and can't be resumed.
    """

    __slots__ = ()

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""
        raise NotImplementedError

    def liveness(self) -> Liveness | None:
        """None: the peer's silence means nothing."""
        return None

    def send_ping(self) -> None:
        """Does nothing: the peer is never pinged."""

    def say_goodbye(self) -> bool:
        """Does nothing: from now on, what the peer sends is not read."""
        return False

    def shut_down(self) -> None:
        """Ends the stream, because the server stops (RFC 6120 §4.9.3.21)."""
        self.fail(StreamError("system-shutdown"))
