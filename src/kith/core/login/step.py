"""What every step of a negotiation is: features that it offers, elements that it takes (RFC 6120 §4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.stream import Stream


class Step:
    """One step of one stream. It is gone when the stream has a session."""

    __slots__ = ("domain", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.domain = stream.domain

    def features(self) -> Sequence[Element]:
        """What it adds to ``<stream:features/>`` now."""
        return ()

    def take(self, element: Stanza) -> bool:
        """Handles an element; False if it is another step's. Raises StreamError."""
        return False
