"""A client that says exactly what a test wants, and shows exactly what it gets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import os
import ssl
from collections.abc import Callable
from types import TracebackType
from xml.etree.ElementTree import Element, XMLPullParser, tostring

CLIENT = "{jabber:client}"
SASL2 = "urn:xmpp:sasl:2"
#: How long a client waits for what has to come, in seconds: only a test that fails waits so long. Less than
#: the 30 seconds after which the server ends what has not logged in, or that could pass for an answer.
PATIENCE = float(os.environ.get("TEST_PATIENCE", "25"))
_numbers = itertools.count()


class Gone(Exception):
    """The connection ended while something was awaited."""


class RawClient:
    """One TCP connection. Received elements wait in ``inbox`` until a test takes them.

    ``flights``: how often something was sent. ``tls``: for a port with TLS from the first byte.
    ``success``: SASL2's.
    """

    def __init__(self, port: int, domain: str = "localhost") -> None:
        self.port = port
        self.domain = domain
        self.jid = ""
        self.bare = ""
        self.inbox: list[Element] = []
        self.header: Element | None = None
        self.closed = False
        self.flights = 0
        self.tls: ssl.SSLContext | None = None
        self.success = Element("success")
        self._news = asyncio.Event()

    async def __aenter__(self) -> RawClient:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
        self._task = asyncio.create_task(self._read())
        self._restart()

    def _restart(self) -> None:
        self._parser = XMLPullParser(("start", "end"))
        self._depth = 0

    def abort(self) -> None:
        """Drops the connection without a word."""
        self._task.cancel()
        self._writer.transport.abort()

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(65536):
                self.received(data)
        except OSError:
            pass  # a reset ends it as well
        self.ended()

    def received(self, data: bytes) -> None:
        """Bytes came."""
        self._parser.feed(data)
        if hasattr(self._parser, "flush"):  # or the end of what came may wait for more, since expat 2.6.0
            self._parser.flush()
        for event, element in self._parser.read_events():
            if event == "start":
                self._depth += 1
                if self._depth == 1:
                    self.header = element
            else:
                self._depth -= 1
                if self._depth == 1:
                    if self.header is not None:
                        self.header.remove(element)  # or all that ever came would stay in memory
                    self.arrived(element)
        self._news.set()

    def ended(self) -> None:
        """The connection is over."""
        self.closed = True
        self._news.set()

    def arrived(self, element: Element) -> None:
        """A complete element came."""
        self.inbox.append(element)

    def send(self, text: str) -> None:
        self.flights += 1
        self._writer.write(text.encode())

    async def take(
        self, matches: Callable[[Element], object] = lambda _: True, timeout: float = PATIENCE
    ) -> Element:
        """The first element that matches, taken out of the inbox; waits for it."""
        async with asyncio.timeout(timeout):
            while True:
                for element in self.inbox:
                    if matches(element):
                        self.inbox.remove(element)
                        return element
                if self.closed:
                    raise Gone([tostring(element) for element in self.inbox])
                self._news.clear()
                await self._news.wait()

    async def tag(self, name: str, timeout: float = PATIENCE) -> Element:
        """The first element whose name, without the namespace, is ``name``."""
        return await self.take(lambda element: element.tag.partition("}")[2] == name, timeout)

    async def end(self, timeout: float = PATIENCE) -> None:
        """Waits until the server has closed the connection."""
        async with asyncio.timeout(timeout):
            while not self.closed:
                self._news.clear()
                await self._news.wait()

    # -- what clients do ------------------------------------------------------------------------------

    def open(self, to: str | None = None, sender: str = "", then: str = "") -> None:
        """``then`` goes with the header, in one flight."""
        self._restart()
        head = f"from='{sender}' " if sender else ""
        self.send(
            f"<?xml version='1.0'?><stream:stream {head}to='{to or self.domain}' version='1.0' "
            f"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>{then}"
        )

    async def open_component(self, name: str, secret: str) -> None:
        """Connects as a component (XEP-0114 §3), until it is let in."""
        self._restart()
        self.send(
            "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
            f"to='{name}'>"
        )
        while self.header is None:
            self._news.clear()
            await self._news.wait()
        key = hashlib.sha1(f"{self.header.get('id')}{secret}".encode()).hexdigest()
        self.send(f"<handshake>{key}</handshake>")
        await self.tag("handshake")

    async def login2(self, user: str, inline: str = "", **other: str) -> Element:
        """SASL2 in one flight (`authenticate`). Returns ``<success/>``."""
        self.open(sender=f"{user}@{self.domain}", then=authenticate(user, inline=inline, **other))
        return await self.succeeded()

    async def succeeded(self) -> Element:
        """``<success/>`` of SASL2; afterwards the client knows its address."""
        success = await self.take(lambda e: e.tag in (f"{{{SASL2}}}success", f"{{{SASL2}}}failure"))
        assert success.tag.endswith("success"), tostring(success)
        self.jid = success.findtext(f"{{{SASL2}}}authorization-identifier") or ""
        self.bare = self.jid.partition("/")[0]
        self.success = success
        return success

    async def login(self, user: str, password: str = "pw") -> None:
        """Until the features after authentication."""
        self.open()
        await self.tag("features")
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        answer = await self.take(lambda e: e.tag.partition("}")[2] in ("success", "failure"))
        if answer.tag.endswith("failure"):
            raise Gone([tostring(answer)])
        self.open()
        await self.tag("features")

    async def bind(self, resource: str = "") -> str:
        wanted = f"<resource>{resource}</resource>" if resource else ""
        self.send(
            f"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wanted}</bind></iq>"
        )
        answer = await self.take(lambda element: element.get("id") == "bind")
        self.jid = answer.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid") or ""
        self.bare = self.jid.partition("/")[0]
        return self.jid

    async def iq(self, type: str, child: str, to: str | None = None, timeout: float = PATIENCE) -> Element:
        """Asks and returns the answer."""
        id = f"iq{next(_numbers)}"
        address = f" to='{to}'" if to else ""
        self.send(f"<iq type='{type}' id='{id}'{address}>{child}</iq>")
        return await self.take(
            lambda element: element.tag == CLIENT + "iq" and element.get("id") == id, timeout
        )

    async def result(self, type: str, child: str, to: str | None = None) -> Element:
        """Asks and returns the answer, which has to be a result: what follows in a test depends on it."""
        answer = await self.iq(type, child, to)
        assert answer.get("type") == "result", tostring(answer)
        return answer

    async def ping(self) -> None:
        """Returns when all that was sent before has been handled."""
        await self.iq("get", "<ping xmlns='urn:xmpp:ping'/>")

    async def available(self, inside: str = "") -> None:
        self.send(f"<presence>{inside}</presence>")
        await self.take(lambda e: e.tag == CLIENT + "presence" and e.get("from") == self.jid)
        await self.ping()

    async def message(self, timeout: float = PATIENCE) -> Element:
        """The next message."""
        return await self.take(lambda element: element.tag == CLIENT + "message", timeout)

    async def expect_nothing(self, name: str = "message") -> None:
        """Nothing of that name has come and, after a ping, still has not."""
        await self.ping()
        there = [tostring(e) for e in self.inbox if e.tag == CLIENT + name]
        assert not there, there


def plain(user: str, password: str, authzid: str = "") -> str:
    """The one message of SASL PLAIN (RFC 4616)."""
    return base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()


def authenticate(
    user: str,
    password: str = "pw",
    inline: str = "",
    agent: str = "",
    mechanism: str = "PLAIN",
    data: str = "",
) -> str:
    """SASL2's request, with what is asked for inline; ``agent`` is the id of the client."""
    about = f"<user-agent id='{agent}'><software>Raw</software><device>Test</device></user-agent>"
    return (
        f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>"
        f"<initial-response>{data or plain(user, password)}</initial-response>"
        f"{about if agent else ''}{inline}</authenticate>"
    )


async def online(port: int, user: str, resource: str = "", presence: str | None = "") -> RawClient:
    """A client that has logged in and, unless ``presence`` is None, is available."""
    client = RawClient(port)
    await client.connect()
    await client.login(user)
    await client.bind(resource)
    if presence is not None:
        await client.available(presence)
    return client


def body(element: Element) -> str:
    """The text of a message."""
    return element.findtext(f"{CLIENT}body") or ""


def condition(element: Element) -> str:
    """The name of the condition in a stanza's or a stream's error."""
    error = element if element.tag.endswith("}error") else element.find(f"{CLIENT}error")
    assert error is not None, tostring(element)
    return error[0].tag.partition("}")[2]
