"""STARTTLS (RFC 6120 §5)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.core.login.step import Step
from kith.core.sasl import mechanisms
from kith.wire import ns
from kith.wire.stanza import Stanza

_STARTTLS = ns.tag(ns.TLS, "starttls")


class StartTLS(Step):
    """Required where nobody may log in without it."""

    __slots__ = ()

    @property
    def _possible(self) -> bool:
        return self.stream.starttls and not self.stream.security.encrypted

    def features(self) -> Sequence[Element]:
        if not self._possible:
            return ()
        feature = Element(_STARTTLS)
        if not mechanisms(self.stream.security):
            SubElement(feature, ns.tag(ns.TLS, "required"))
        return (feature,)

    def take(self, element: Stanza) -> bool:
        if element.tag != _STARTTLS:
            return False
        if self._possible:
            self.stream.send(f"<proceed xmlns='{ns.TLS}'/>".encode())
            self.stream.restart()
            self.stream.sink.start_tls()
        else:
            self.stream.send(f"<failure xmlns='{ns.TLS}'/>".encode())
            self.stream.end()
        return True
