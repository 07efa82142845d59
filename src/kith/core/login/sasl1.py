"""SASL as RFC 6120 §6 has it: the stream begins anew afterwards."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.core.login.authentication import SASLStep, decode
from kith.core.sasl import Authentication, SASLError, mechanisms
from kith.wire import ns
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

_AUTH = ns.tag(ns.SASL, "auth")
_RESPONSE = ns.tag(ns.SASL, "response")
_ABORT = ns.tag(ns.SASL, "abort")


class SASL1(SASLStep):
    """One message of the client at a time; the stream waits while it is checked."""

    __slots__ = ()

    def features(self) -> Sequence[Element]:
        names = mechanisms(self.stream.security)
        if not names:
            return ()
        offer = Element(ns.tag(ns.SASL, "mechanisms"))
        for name in names:
            SubElement(offer, ns.tag(ns.SASL, "mechanism")).text = name
        return (offer,)

    def take(self, element: Stanza) -> bool:
        if element.tag not in (_AUTH, _RESPONSE, _ABORT):
            return False
        try:
            self._take(element)
        except SASLError as error:
            self.fail(error)
        return True

    def _take(self, element: Stanza) -> None:
        if element.tag == _ABORT:
            raise SASLError("aborted")
        if element.tag == _AUTH:
            authentication = self.begin(element.attrs.get("mechanism", ""))
            if not element.inner:  # no initial response: it is asked for
                self._challenge(b"")
                return
        elif self.authentication is not None:
            authentication = self.authentication
        else:
            raise SASLError("malformed-request")
        text = (element.element.text or "").strip()
        data = b"" if text == "=" else decode(text)
        self.work(self._step(authentication, data))

    async def _step(self, authentication: Authentication, data: bytes) -> None:
        challenge = await authentication.step(data)
        if challenge is not None:
            self._challenge(challenge)
            return
        account = await self.account(authentication.account)
        text = b64encode(authentication.final).decode()
        self.stream.sink.restart()
        self.stream.send(f"<success xmlns='{ns.SASL}'>{text}</success>".encode())
        self.stream.authenticated_as(account)
        self.stream.restart()

    def _challenge(self, data: bytes) -> None:
        text = b64encode(data).decode()
        self.stream.send(f"<challenge xmlns='{ns.SASL}'>{text}</challenge>".encode())

    def send_failure(self, error: SASLError) -> None:
        text = f"<text xml:lang='en'>{escape_attribute(error.text)}</text>" if error.text else ""
        self.stream.send(f"<failure xmlns='{ns.SASL}'><{error.condition}/>{text}</failure>".encode())
