"""The errors of XEP-0060, each a stanza error with a condition of its own (§12 of its registry)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from kith.wire import ns
from kith.wire.errors import StanzaError


def pubsub_error(condition: str, specific: str, *, type: str | None = None) -> StanzaError:
    """``condition`` is one of RFC 6120 §8.3.3, ``specific`` one of ``pubsub#errors``."""
    return StanzaError(condition, type=type, application=Element(ns.tag(ns.PUBSUB_ERRORS, specific)))


def unsupported(feature: str) -> StanzaError:
    """What XEP-0060 knows and this service does not; ``feature`` is a name of its §10."""
    element = Element(ns.tag(ns.PUBSUB_ERRORS, "unsupported"), {"feature": feature})
    return StanzaError("feature-not-implemented", application=element)
