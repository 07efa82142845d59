"""Streams that carry the stanzas of many: of a component, or of another server."""

from __future__ import annotations

from kith.ports.connection import Liveness
from kith.wire.errors import StreamError


class LinkStream:
    """What a connection asks of such a stream (`kith.ports.connection.Stream`), and a client's answers else.

    Nobody asks whether its peer is alive, since the kernel does, and it can't be resumed.
    """

    __slots__ = ()

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""
        raise NotImplementedError

    def liveness(self) -> Liveness | None:
        """The peer's silence means nothing."""
        return None

    def send_ping(self) -> None:
        """It is never asked."""

    def shut_down(self) -> None:
        """The server stops (RFC 6120 §4.9.3.21)."""
        self.fail(StreamError("system-shutdown"))
