"""The errors of XEP-0060: stanza errors with an additional condition."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from kith.wire import ns
from kith.wire.errors import StanzaError


def pubsub_error(condition: str, specific: str, *, type: str | None = None) -> StanzaError:
    """Makes an error. ``condition``: one of RFC 6120 §8.3.3. ``specific``: one of ``pubsub#errors``."""
    return StanzaError(condition, type=type, application=Element(ns.tag(ns.PUBSUB_ERRORS, specific)))


def unsupported(feature: str) -> StanzaError:
    """Makes the error for an unsupported feature. ``feature``: a name of XEP-0060 §10."""
    element = Element(ns.tag(ns.PUBSUB_ERRORS, "unsupported"), {"feature": feature})
    return StanzaError("feature-not-implemented", application=element)
