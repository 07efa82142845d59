"""XEP-0478: Stream Limits Advertisement. Announces the maximum size of stanzas."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.config import Config
from kith.core.hooks.feature import Feature
from kith.wire import ns


class StreamLimits(Feature):
    """Announces the setting ``stanza_bytes``.

    Idle streams are not ended, so there is no time limit to announce.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    def stream_features(self) -> Sequence[Element]:
        limits = Element(ns.tag(ns.LIMITS, "limits"))
        SubElement(limits, ns.tag(ns.LIMITS, "max-bytes")).text = str(self._config.stanza_bytes)
        return (limits,)
