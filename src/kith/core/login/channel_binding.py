"""XEP-0440: SASL Channel-Binding Type Capability. It stands beside the mechanisms of both SASL profiles."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.core.login.step import Step
from kith.wire import ns


class ChannelBinding(Step):
    """The types for which the connection has data."""

    __slots__ = ()

    def features(self) -> Sequence[Element]:
        bindings = self.stream.security.bindings
        if not bindings:
            return ()
        feature = Element(ns.tag(ns.SASL_CHANNEL_BINDING, "sasl-channel-binding"))
        for kind in bindings:
            SubElement(feature, ns.tag(ns.SASL_CHANNEL_BINDING, "channel-binding"), {"type": kind})
        return (feature,)
