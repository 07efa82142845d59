"""A client that logs in to a node of this process: its elements go in, and what it is sent comes out."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kith.accounts.credentials import make_keys
from kith.base.randomness import Randomness
from kith.core.login.stream import Stream
from kith.core.node import Node
from kith.features import ALL
from kith.ports.connection import Security
from kith.records.passwords import Passwords, new_salts
from kith.wire.errors import StreamError
from kith.wire.stanza import Stanza
from tests.clocks import SetClock
from tests.parts import ListSink, Room, room

SASL2 = "{urn:xmpp:sasl:2}"
AGENT = "d4565fa7-4d72-4749-b3d3-740edbf87770"
KEYS = make_keys("pw", new_salts(Randomness()))


class Line:
    """``stream`` is the server's end. ``binding``: the data of its channel, if it is secure."""

    def __init__(self, node: Node, sender: str = "", binding: bytes = b"", trusted: bool = True) -> None:
        self.node = node
        self.sink = ListSink()
        bindings = {"tls-server-end-point": binding} if binding else {}
        security = Security(bool(binding), trusted, bindings, "192.0.2.1")
        self.stream = Stream(node.entrance, self.sink, security, starttls=False)
        self.sender = sender

    async def open(self) -> list[Element]:
        attrs = {"to": "localhost", "version": "1.0"}
        self.stream.begin(attrs | ({"from": self.sender} if self.sender else {}))
        return await self.heard()

    async def says(self, *elements: str) -> list[Element]:
        """What is answered, when nothing is under way any more."""
        for element in elements:
            try:
                self.stream.receive(Stanza.from_bytes(element.encode()))
            except StreamError as error:
                self.stream.fail(error)
        return await self.heard()

    async def heard(self) -> list[Element]:
        """What came since it was asked last."""
        async with asyncio.timeout(20):
            while self.stream._busy:
                await asyncio.sleep(0.001)
        if self.stream.session is not None:
            self.stream.session.flush()
        sent, self.sink.sent = self.sink.sent, []
        wrapped = (
            b"<x xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>%b</x>"
            % b"".join(sent)
        )
        return list(ElementTree.fromstring(wrapped))

    async def logs_in(self, inside: str = "", **given: str) -> Element:
        """``<success/>`` (XEP-0388 §2.5), after a header and a password."""
        await self.open()
        answer = (await self.says(password(inside, **given)))[0]
        assert answer.tag == SASL2 + "success", ElementTree.tostring(answer)
        return answer


def agent(id: str = AGENT, software: str = "Test", device: str = "Ann's phone") -> str:
    return (
        f"<user-agent id='{id}'><software>{software}</software><device>{device}</device></user-agent>"
        if id
        else ""
    )


def password(inside: str = "", user: str = "ann", word: str = "pw", about: str = "") -> str:
    data = b64encode(f"\0{user}\0{word}".encode()).decode()
    return (
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>"
        f"<initial-response>{data}</initial-response>{about}{inside}</authenticate>"
    )


def by_token(
    token: str, inside: str = "", fast: str = "", mechanism: str = "HT-SHA-256-NONE", binding: bytes = b""
) -> str:
    proof = hmac.digest(token.encode(), b"Initiator" + binding, "sha256")
    data = b64encode(b"ann\0" + proof).decode()
    return (
        f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>"
        f"<initial-response>{data}</initial-response>{agent()}{inside}"
        f"<fast xmlns='urn:xmpp:fast:0' {fast}/></authenticate>"
    )


class There:
    """``ann`` and ``ben`` have the password ``pw``. ``clock`` is what time it is."""

    def __init__(self, made: Room, clock: SetClock) -> None:
        self.room, self.node, self.clock = made, made.node, clock

    async def line(self, sender: str = "", binding: bytes = b"", trusted: bool = True) -> Line:
        """A new one whose header was answered."""
        line = Line(self.node, sender, binding, trusted)
        await line.open()
        return line

    def results(self) -> dict[tuple[str, str], int]:
        """How many logins there were since it was asked last, by mechanism and result."""
        figures = self.node.entrance.figures.logins
        found = dict(figures)
        figures.clear()
        return found


@asynccontextmanager
async def house(folder: Path, **settings: object) -> AsyncIterator[There]:
    """A node with all features, whose passwords are checked without the price of that."""
    clock = SetClock(1_800_000_000.0)
    async with room(folder, *ALL, clock=clock, **settings) as made:
        made.rest()
        made.node.get(Passwords)._check = lambda keys, word: word == "pw"
        await made.node.store.create_accounts([(f"{name}@localhost", KEYS) for name in ("ann", "ben")])
        yield There(made, clock)


def names(elements: list[Element] | Element) -> list[str]:
    return [element.tag.partition("}")[2] for element in elements]


def why(answer: Element) -> tuple[str, str]:
    """The condition and the text of a failure or a stream error."""
    text = next((child.text for child in answer if child.tag.endswith("}text")), "")
    return answer[0].tag.partition("}")[2], text or ""
