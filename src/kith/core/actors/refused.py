"""Counts and logs refused stanzas and streams, by reason."""

from __future__ import annotations

import structlog

from kith.base.figures import Figures
from kith.wire.errors import StanzaError, StreamError, stream_error
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")


def stanza_refused(figures: Figures, stanza: Stanza, error: StanzaError) -> None:
    """A stanza was answered with an error."""
    figures.stanza_errors[error.condition] += 1
    logger.debug(
        "stanza refused",
        kind=stanza.kind,
        condition=error.condition,
        sender=stanza.attrs.get("from", ""),
        to=stanza.attrs.get("to", "") if error.condition != "jid-malformed" else "",
    )


def stream_refused(figures: Figures, error: StreamError, who: str) -> bytes:
    """Returns the element that ends a stream with an error.

    ``who``: the account if it is known, or an IP address.
    """
    figures.stream_errors[error.condition] += 1
    logger.debug("stream error", condition=error.condition, who=who)
    return stream_error(error)
