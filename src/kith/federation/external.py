"""SASL EXTERNAL for servers that connect (XEP-0178 §3, RFC 6120 §6, RFC 4422 appendix A)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable

from kith.federation.names import is_for
from kith.ports.connection import Security
from kith.wire import ns
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

AUTH, RESPONSE, ABORT = (ns.tag(ns.SASL, name) for name in ("auth", "response", "abort"))
OFFER = f"<mechanisms xmlns='{ns.SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>".encode()
_SUCCESS = f"<success xmlns='{ns.SASL}'/>".encode()
_CHALLENGE = f"<challenge xmlns='{ns.SASL}'/>".encode()
#: How often a stream may try (RFC 6120 §6.4.5).
_ATTEMPTS = 5


class Failed(Exception):
    """The server was not authenticated. ``condition`` is one of RFC 6120 §6.5."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.condition = condition


class External:
    """The exchange on one stream. ``domain``: the ``from`` of the stream header; empty if there was none.

    ``send`` sends an element to the other server, which stays unauthenticated if that is a failure, and may
    try dialback.
    """

    def __init__(self, security: Security, domain: str, send: Callable[[bytes], None]) -> None:
        self._security = security
        self._domain = domain
        self._send = send
        self._asked = False
        self._attempts = 0

    @property
    def problem(self) -> str:
        """Why the certificate does not prove that the other server is the domain's; empty if it does."""
        if not self._domain:
            return "the stream header does not say whose server it is"
        if not self._security.certificate:
            return "it has shown no certificate"
        if self._security.certificate_problem:
            return self._security.certificate_problem
        return "" if is_for(self._security.certificate, self._domain) else "it is for another domain"

    def receive(self, element: Stanza) -> str:
        """Handles an element of the exchange. Returns the domain once it is authenticated, else ""."""
        try:
            return self._receive(element)
        except Failed as failure:
            self._asked = False
            self._send(f"<failure xmlns='{ns.SASL}'><{failure.condition}/></failure>".encode())
            return ""

    @property
    def exhausted(self) -> bool:
        """Whether the stream has tried too often."""
        return self._attempts >= _ATTEMPTS

    def _receive(self, element: Stanza) -> str:
        text = (element.element.text or "").strip()
        if element.tag == ABORT:
            raise Failed("aborted")
        if element.tag == AUTH:
            self._attempts += 1
            if element.attrs.get("mechanism") != "EXTERNAL":
                raise Failed("invalid-mechanism")
            if not text:  # no initial response: the identity follows
                self._asked = True
                self._send(_CHALLENGE)
                return ""
        elif not self._asked:
            raise Failed("malformed-request")
        self._asked = False
        self._check(_identity(text))
        self._send(_SUCCESS)
        return self._domain

    def _check(self, identity: str) -> None:
        """Raises Failed if the other server may not have this identity. Empty: that of the stream."""
        if self.problem:
            raise Failed("not-authorized")
        if not identity:
            return
        try:
            jid = parse_jid(identity)
        except ValueError:
            raise Failed("invalid-authzid") from None
        if jid != JID("", self._domain):
            raise Failed("invalid-authzid")


def _identity(text: str) -> str:
    """The authorization identity in an initial or later response. Raises Failed."""
    if text in ("", "="):
        return ""
    try:
        return b64decode(text, validate=True).decode()
    except ValueError:  # of base64 or UTF-8
        raise Failed("incorrect-encoding") from None
