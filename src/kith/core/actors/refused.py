"""What is refused, counted: an operator sees how often, and for which reasons."""

from __future__ import annotations

import structlog

from kith.base.figures import Figures
from kith.wire.errors import StanzaError, StreamError, stream_error
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")


def stanza_refused(figures: Figures, stanza: Stanza, error: StanzaError) -> None:
    """A stanza is answered with an error."""
    figures.stanza_errors[error.condition] += 1
    logger.debug(
        "stanza refused",
        kind=stanza.kind,
        condition=error.condition,
        sender=stanza.attrs.get("from", ""),
        to=stanza.attrs.get("to", "") if error.condition != "jid-malformed" else "",
    )


def stream_refused(figures: Figures, error: StreamError, who: str) -> bytes:
    """The element that ends a stream. ``who``: the address of the peer, an account's if it is known."""
    figures.stream_errors[error.condition] += 1
    logger.debug("stream error", condition=error.condition, who=who)
    return stream_error(error)
