"""A stream of the fake server: login by SCRAM (RFC 5802), binding, and then stanzas."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import Element, SubElement, XMLPullParser, tostring

from kith.client.testing.accounts import CLIENT, Account
from kith.client.testing.requests import Requests

if TYPE_CHECKING:
    from kith.client.testing.server import FakeServer

_STREAMS = "http://etherx.jabber.org/streams"
_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
_MECHANISM = "SCRAM-SHA-256"
_ITERATIONS = 4096


class Session(asyncio.Protocol):
    """``presence``: the last one that was sent; None before, and while unavailable."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._exchange: Any = None
        self._account: Account | None = None
        self.jid = ""
        self.presence: Element | None = None
        self.carbons = False
        self.groupchat = False

    @property
    def account(self) -> Account:
        """Whose stream it is. Only after the login."""
        assert self._account is not None
        return self._account

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._begin()

    def connection_lost(self, _: Exception | None) -> None:
        if self._account is not None and self in self._account.sessions:
            self._account.sessions.remove(self)
            if self.presence is not None:
                gone = Element(f"{{{CLIENT}}}presence", {"type": "unavailable", "from": self.jid})
                self._server.broadcast(self, gone)

    def abort(self) -> None:
        """Cuts the connection, without a word."""
        self._transport.abort()

    def write(self, stanza: Element | None) -> None:
        """Sends a stanza."""
        if stanza is None or self._transport.is_closing():
            return
        copy = deepcopy(stanza)
        if not copy.get("to"):
            copy.set("to", self.jid)
        self._transport.write(tostring(copy))

    def _begin(self) -> None:
        self._parser: Any = XMLPullParser(("start", "end"))
        self._depth = 0

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        parser = self._parser
        for event, element in parser.read_events():
            if event == "start":
                self._depth += 1
                if self._depth == 1:
                    self._root = element
                    self._greet()
                continue
            self._depth -= 1
            if self._depth == 0:
                self._transport.write(b"</stream:stream>")
                self._transport.close()
            elif self._depth == 1:
                self._root.clear()
                self._take(element)
            if self._parser is not parser:
                return  # the stream begins anew, after the login

    def _greet(self) -> None:
        self._transport.write(
            f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{_STREAMS}'"
            f" from='{self._server.domain}' id='fake' version='1.0'>".encode()
        )
        features = Element(f"{{{_STREAMS}}}features")
        if self._account is None:
            mechanisms = SubElement(features, f"{{{_SASL}}}mechanisms")
            SubElement(mechanisms, f"{{{_SASL}}}mechanism").text = _MECHANISM
        else:
            SubElement(features, f"{{{_BIND}}}bind")
        self._transport.write(tostring(features))

    def _take(self, element: Element) -> None:
        namespace, _, name = element.tag[1:].partition("}")
        if namespace == _SASL:
            self._log_in(name, element)
        elif self._account is None:
            self.abort()
        elif name == "iq":
            self._iq(element)
        elif not self.jid:
            self.abort()
        else:
            element.set("from", self.jid)
            (self._server.message if name == "message" else self._server.presence)(self, element)

    def _log_in(self, name: str, element: Element) -> None:
        from scramp import ScramException, ScramMechanism

        if name == "auth":
            self._exchange = ScramMechanism(_MECHANISM).make_server(self._credentials)
        sent = b64decode(element.text or "").decode()
        try:
            if name == "auth":
                self._exchange.set_client_first(sent)
                self._say("challenge", self._exchange.get_server_first())
                return
            self._exchange.set_client_final(sent)
        except (ScramException, KeyError):
            failure = Element(f"{{{_SASL}}}failure")
            SubElement(failure, f"{{{_SASL}}}not-authorized")
            self._transport.write(tostring(failure))
            return
        self._account = self._server.account(self._user)
        self._say("success", self._exchange.get_server_final())
        self._begin()

    def _say(self, name: str, text: str) -> None:
        element = Element(f"{{{_SASL}}}{name}")
        element.text = b64encode(text.encode()).decode()
        self._transport.write(tostring(element))

    def _credentials(self, user: str) -> Any:
        from scramp import ScramMechanism

        self._user = user
        account = self._server.accounts[f"{user}@{self._server.domain}"]
        return ScramMechanism(_MECHANISM).make_auth_info(account.password, iteration_count=_ITERATIONS)

    def _iq(self, iq: Element) -> None:
        bind = iq.find(f"{{{_BIND}}}bind")
        if bind is not None:
            resource = bind.findtext(f"{{{_BIND}}}resource") or "fake"
            self.jid = f"{self.account.jid}/{resource}"
            for other in self.account.sessions:
                if other.jid == self.jid:
                    other.abort()
            self.account.sessions.append(self)
            answer = Element(f"{{{CLIENT}}}iq", type="result", id=iq.get("id", ""))
            SubElement(SubElement(answer, f"{{{_BIND}}}bind"), f"{{{_BIND}}}jid").text = self.jid
            self.write(answer)
        elif iq.get("type") in ("get", "set"):
            Requests(self._server, self).answer(iq)
