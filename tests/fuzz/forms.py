"""Data forms, from a client that is logged in: each is answered, none is an error of the server's own.

The first line of a file of the corpus says what is asked for (one of `REQUESTS`, or any text for any of
them), the others are the fields: ``var=value``; ``var+=value`` adds another; ``var`` alone has no value;
``:type`` is the form's type; a line that begins with ``<`` goes in as it is if it is well-formed.
"""

from __future__ import annotations

import zlib
from functools import cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from kith.core.actors.account import Session
from kith.wire import ns
from kith.wire.jid import parse_jid
from kith.wire.parser import ParserPool, StreamParser
from kith.wire.stanza import Stanza
from tests.fuzz.world import HEADER, World

_PUBSUB = "http://jabber.org/protocol/pubsub"
_OWNER = f"{_PUBSUB}#owner"
_COMMANDS = "http://jabber.org/protocol/commands"
_MAM = "urn:xmpp:mam:2"
_RSM = "http://jabber.org/protocol/rsm"
_CREATE = f"<pubsub xmlns='{_PUBSUB}'><create node='n'/><configure>{{}}</configure></pubsub>"
_SUBSCRIBE = "<subscribe node='n' jid='ada@localhost'/><options>{}</options>"
_PUBLISH = "<publish node='p'><item id='i'><a xmlns='urn:a'/></item></publish>"
#: Type, address and content of a request; the form goes into the braces.
REQUESTS = {
    "archive": ("set", "", f"<query xmlns='{_MAM}'>{{}}<set xmlns='{_RSM}'><max>5</max></set></query>"),
    "archive-form": ("get", "", f"<query xmlns='{_MAM}'>{{}}</query>"),
    "create": ("set", "", _CREATE),
    "create-service": ("set", "pubsub.localhost", _CREATE),
    "configure": (
        "set",
        "",
        f"<pubsub xmlns='{_OWNER}'><configure node='n'>{{}}</configure></pubsub>",
    ),
    "configure-service": (
        "set",
        "pubsub.localhost",
        f"<pubsub xmlns='{_OWNER}'><configure node='n'>{{}}</configure></pubsub>",
    ),
    "publish": (
        "set",
        "",
        f"<pubsub xmlns='{_PUBSUB}'>{_PUBLISH}<publish-options>{{}}</publish-options></pubsub>",
    ),
    "subscribe": ("set", "pubsub.localhost", f"<pubsub xmlns='{_PUBSUB}'>{_SUBSCRIBE}</pubsub>"),
    "command": (
        "set",
        "localhost",
        f"<command xmlns='{_COMMANDS}' node='http://jabber.org/protocol/admin#add-user'>{{}}</command>",
    ),
    "register": ("set", "localhost", f"<query xmlns='{ns.REGISTER}'>{{}}</query>"),
    "private": ("set", "", "<query xmlns='jabber:iq:private'><s xmlns='urn:s'>{}</s></query>"),
    "report": ("set", "localhost", "<block xmlns='urn:xmpp:blocking'>{}</block>"),
}
_NAMES = sorted(REQUESTS)


@cache
def world() -> World:
    return World()


def run(data: bytes) -> None:
    world().do(_run(world(), data))


async def _run(world: World, data: bytes) -> None:
    lines = _clean(data.decode(errors="replace")).split("\n")
    kind, to, inside = REQUESTS[_name(lines[0])]
    _, transport = world.tcp()
    account = await world.domain.accounts.load("ada@localhost")
    assert account is not None
    sink = _Sink()
    session = Session(world.domain.sessions, account, parse_jid("ada@localhost/fuzz"), sink)  # type: ignore[arg-type]
    world.domain.sessions.open(session)
    content = inside.replace("{}", ElementTree.tostring(_form(lines[1:]), encoding="unicode"))
    address = f" to='{to}'" if to else ""
    iq = f"<iq type='{kind}' id='q'{address}>{content}</iq>"
    for event in StreamParser(ParserPool()).feed(HEADER + iq.encode()):
        if isinstance(event, Stanza):
            session.receive(event)
    await world.settle()
    answers = [stanza for stanza in sink.stanzas() if stanza.get("id") == "q"]
    assert len(answers) == 1, answers
    assert answers[0].get("type") in ("result", "error")
    for error in answers[0].iter(f"{{{ns.STANZA_ERRORS}}}internal-server-error"):
        raise AssertionError(ElementTree.tostring(error))
    world.domain.sessions.close(session)
    await world.hang_up(transport)


class _Sink:
    """Keeps what the session says."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, elements: list[bytes]) -> None:
        self.sent += elements

    def close(self, error: bytes = b"") -> None:
        assert not error, error

    async def drained(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...

    def stanzas(self) -> list[Element]:
        return list(ElementTree.fromstring(HEADER + b"".join(self.sent) + b"</stream:stream>"))


def _name(line: str) -> str:
    return line if line in REQUESTS else _NAMES[zlib.crc32(line.encode()) % len(_NAMES)]


def _clean(text: str) -> str:
    """What XML can carry."""
    return "".join(
        c for c in text if c in "\n\t" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )


def _form(lines: list[str]) -> Element:
    form = Element(ns.tag(ns.DATA_FORM, "x"), {"type": "submit"})
    fields: dict[str, Element] = {}
    for line in lines[:60]:
        if line.startswith("<"):
            try:
                form.append(ElementTree.fromstring(line))
            except ElementTree.ParseError:
                continue
        elif line.startswith(":"):
            form.set("type", line[1:])
        else:
            var, separator, value = line.partition("=")
            more, var = var.endswith("+"), var.removesuffix("+")
            if not (more and var in fields):
                fields[var] = SubElement(form, ns.tag(ns.DATA_FORM, "field"), {"var": var})
            if separator:
                SubElement(fields[var], ns.tag(ns.DATA_FORM, "value")).text = value
    return form
