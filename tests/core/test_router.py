"""Where a stanza goes (RFC 6120 §8 and §10, RFC 6121 §8), in a node of this process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any
from unittest.mock import PropertyMock, patch

import pytest

from kith.base.figures import Figures
from kith.bus.local import LocalPlacement
from kith.core.actors.account import Session
from kith.core.log.log import MAX_WAITING
from kith.core.routing.foreign import Foreign
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.features import ALL
from kith.ports.store import LogQuery
from kith.store.sqlite import SQLiteStore
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza
from tests.parts import ListSink, Room, room

TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
PING = "<ping xmlns='urn:xmpp:ping'/>"
ROSTER = "<query xmlns='jabber:iq:roster'/>"
TIME = "<time xmlns='urn:xmpp:time'/>"
FULL = PropertyMock(return_value=MAX_WAITING + 1)


class Gate:
    """The host of another domain, and a link from there."""

    committing = 0

    def __init__(self) -> None:
        self.got: list[Stanza] = []
        self.pipelines = 0

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        assert (stanza.attrs["from"], stanza.attrs["to"]) == (str(sender), str(to))
        self.got.append(stanza)

    def pipelined(self) -> None:
        self.pipelines += 1

    def committed(self) -> None: ...


class There:
    """ada (two devices) and ben are online, cyd has an account; ``gate`` is another server."""

    def __init__(self, room: Room, ada: Session, desk: Session, ben: Session) -> None:
        self.room, self.node = room, room.node
        self.ada, self.desk, self.ben = ada, desk, ben
        self.gate = Gate()
        self.node.hosts.add("gate.test", self.gate)

    async def says(self, xml: str, sender: Session | None = None) -> list[str]:
        """What ada (or another) is answered: kind, type and what is in it."""
        sender = sender or self.ada
        await self.room.says(sender, xml)
        return [told(stanza) for stanza in self.room.heard(sender)]

    async def admits(self, xml: str, to: str) -> list[str]:
        """What another server is answered to a stanza from there."""
        text = re.sub(r"^<\w+", rf"\g<0> from='eve@gate.test/x' to='{to}'", xml)
        stanza = Stanza.from_bytes(text.encode())
        sender = Foreign(parse_jid("eve@gate.test/x"), self.gate, self.node.get(Post))
        try:
            work = self.node.get(Router).admit(sender, stanza, parse_jid(to))
            if isinstance(work, Awaitable):
                await work
        except StanzaError as error:
            return [error.condition]
        await self.room.settle()
        got, self.gate.got = self.gate.got, []
        return [told(stanza) for stanza in got]

    def heard(self, session: Session) -> list[str]:
        return [told(stanza) for stanza in self.room.heard(session)]

    async def kept(self, session: Session) -> int:
        """How many messages are in the archive of somebody."""
        page = await self.node.store.page(LogQuery(session.account.id))
        return len(page.entries)


def told(stanza: Stanza) -> str:
    error = stanza.element.find("{jabber:client}error")
    what = [child.tag.partition("}")[2] for child in (stanza.element if error is None else error)]
    return " ".join((stanza.kind, stanza.type or "-", what[0] if what else "nothing"))


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with room(tmp_path, *ALL, strangers_per_hour=0) as made:
        made.rest()
        ada, desk = await made.session("ada/phone"), await made.session("ada/desk")
        ben = await made.session("ben/phone")
        await made.node.store.create_accounts([("cyd@localhost", {})])
        for session in (ada, desk, ben):
            made.heard(session)
        yield There(made, ada, desk, ben)


def refused(kind: str, condition: str) -> list[str]:
    return [f"{kind} error {condition}"]


# -- from and to ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sender", ["ben@localhost", "ben@localhost/phone", "ada@gate.test", "localhost", "@", ""]
)
async def test_nobody_writes_in_the_name_of_another(there: There, sender: str) -> None:
    sink = there.ada.sink
    assert isinstance(sink, ListSink)
    await there.room.says(there.ada, f"<message from='{sender}' to='ben@localhost'><body>x</body></message>")
    assert b"<invalid-from" in b"".join(sink.sent)
    assert there.heard(there.ben) == []


@pytest.mark.parametrize("sender", ["", "ada@localhost", "ada@localhost/other", "ADA@localhost/phone"])
async def test_ones_own_address_is_filled_in(there: There, sender: str) -> None:
    given = f"from='{sender}'" if sender else ""
    await there.says(f"<message {given} to='ben@localhost'><body>x</body></message>")
    (got,) = there.room.heard(there.ben)
    assert got.attrs["from"] == "ada@localhost/phone"


@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
async def test_an_address_that_is_none_is_said_to_be_malformed(there: There, kind: str) -> None:
    stanza = f"<{kind} to='a@b@c' id='1'>{PING if kind == 'iq' else ''}</{kind}>"
    assert await there.says(stanza.replace("<iq", "<iq type='get'")) == refused(kind, "jid-malformed")


async def test_the_language_of_the_stream_goes_along_unless_another_is_said(there: There) -> None:
    there.ada.lang = "de"
    await there.says("<message to='ben@localhost'><body>x</body></message>")
    await there.says("<message to='ben@localhost' xml:lang='fr'><body>x</body></message>")
    await there.says("<presence to='ben@localhost/phone'/>")
    await there.says(f"<iq to='gate.test' type='get' id='1'>{PING}</iq>")
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    found = [stanza.element.get(lang) for stanza in there.room.heard(there.ben)]
    assert found == ["de", "fr", "de"]
    (iq,) = there.gate.got
    assert iq.element.get(lang) is None


async def test_stanzas_are_counted_by_their_kind(there: There) -> None:
    figures = there.node.get(Figures)
    before = (figures.messages, figures.iqs, figures.presences, figures.foreign)
    await there.says("<message to='ben@localhost'><body>x</body></message>")
    for _ in range(2):
        await there.says(f"<iq type='get' id='1' to='localhost'>{PING}</iq>")
    for _ in range(3):
        await there.says("<presence/>")
    for _ in range(4):
        await there.admits("<message ><body>x</body></message>", "ben@localhost")
    after = (figures.messages, figures.iqs, figures.presences, figures.foreign)
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 2, 3, 4]


# -- messages ---------------------------------------------------------------------------------------------


async def test_a_message_reaches_its_account_and_is_kept_for_both(there: There) -> None:
    assert await there.says("<message to='ben@localhost' type='chat'><body>x</body></message>") == []
    assert there.heard(there.ben) == ["message chat body"]
    assert (await there.kept(there.ada), await there.kept(there.ben)) == (1, 1)


async def test_a_message_without_an_address_is_for_ones_own_account(there: There) -> None:
    await there.says("<message type='chat'><body>x</body></message>")
    assert there.heard(there.desk) == ["message chat body"]
    assert await there.kept(there.ada) == 1


@pytest.mark.parametrize("type", ["headline", "groupchat", "error"])
async def test_what_is_not_kept_is_delivered_at_once(there: There, type: str) -> None:
    await there.says(f"<message to='ben@localhost/phone' type='{type}'><body>x</body></message>")
    assert there.heard(there.ben) == [f"message {type} body"]
    assert (await there.kept(there.ada), await there.kept(there.ben)) == (0, 0)


@pytest.mark.parametrize("type", ["chat", "normal", "", "made-up"])
async def test_a_message_of_any_other_type_is_kept(there: There, type: str) -> None:
    await there.says(f"<message to='ben@localhost' type='{type}'><body>x</body></message>")
    assert len(there.heard(there.ben)) == 1
    assert await there.kept(there.ben) == 1


async def test_typing_is_delivered_and_not_kept(there: There) -> None:
    await there.says(f"<message to='ben@localhost' type='chat'>{TYPING}</message>")
    assert there.heard(there.ben) == ["message chat composing"]
    assert await there.kept(there.ben) == 0


@pytest.mark.parametrize("name", ["nobody@localhost", "localhost", "localhost/x"])
async def test_a_message_to_nobody_is_refused_each_time_and_an_error_is_not(there: There, name: str) -> None:
    for _ in range(2):
        for type in ("chat", "normal", "groupchat"):
            assert await there.says(
                f"<message to='{name}' type='{type}'><body>x</body></message>"
            ) == refused("message", "service-unavailable")
        assert await there.says(f"<message to='{name}' type='error'><body>x</body></message>") == []


async def test_a_headline_to_nobody_is_dropped(there: There) -> None:
    for _ in range(2):
        assert await there.says("<message to='no@localhost' type='headline'><body>x</body></message>") == []


async def test_somebody_who_is_away_gets_it_later(there: There) -> None:
    assert await there.says("<message to='cyd@localhost' type='chat'><body>x</body></message>") == []
    assert await there.says(f"<message to='cyd@localhost' type='chat'>{TYPING}</message>") == []
    cyd = await there.room.session("cyd/phone", presence=False)
    await there.says("<presence/>", cyd)
    assert await there.kept(cyd) == 1


@pytest.mark.parametrize(
    ("to", "delivered"), [("ben@localhost", 0), ("ben@localhost/x", 0), ("ben@localhost/phone", 1)]
)
async def test_a_room_reaches_one_client_or_none(there: There, to: str, delivered: int) -> None:
    answers = await there.says(f"<message to='{to}' type='groupchat'><body>x</body></message>")
    assert answers == ([] if delivered else refused("message", "service-unavailable"))
    assert len(there.heard(there.ben)) == delivered


async def test_whom_one_has_blocked_is_refused_and_a_room_or_headline_is_dropped(there: There) -> None:
    block = "<block xmlns='urn:xmpp:blocking'><item jid='ada@localhost'/></block>"
    await there.says(f"<iq type='set' id='b'>{block}</iq>", there.ben)
    for type in ("chat", "normal"):
        answer = await there.says(f"<message to='ben@localhost' type='{type}'><body>x</body></message>")
        assert answer == refused("message", "service-unavailable")
    for type in ("headline", "groupchat", "error"):
        assert (
            await there.says(f"<message to='ben@localhost/phone' type='{type}'><body>x</body></message>")
            == []
        )
    assert there.heard(there.ben) == []
    assert await there.kept(there.ben) == 0


@pytest.mark.parametrize("to", ["ben@localhost", "eve@gate.test"])
async def test_while_the_disk_does_not_keep_up_nothing_more_is_kept(there: There, to: str) -> None:
    with patch.object(SQLiteStore, "waiting_bytes", FULL):
        answer = await there.says(f"<message to='{to}' type='chat'><body>x</body></message>")
        assert answer == refused("message", "resource-constraint")
        assert await there.says(f"<message to='{to}' type='chat'>{TYPING}</message>") == []
    with patch.object(SQLiteStore, "waiting_bytes", PropertyMock(return_value=MAX_WAITING)):
        assert await there.says(f"<message to='{to}' type='chat'><body>x</body></message>") == []
    assert len(there.heard(there.ben)) + len(there.gate.got) == 2


async def test_a_message_abroad_is_kept_first_and_typing_is_not(there: There) -> None:
    assert await there.says("<message to='eve@gate.test' type='chat'><body>x</body></message>") == []
    assert await there.says(f"<message to='eve@gate.test' type='chat'>{TYPING}</message>") == []
    assert await there.says("<message to='eve@gate.test' type='headline'><body>x</body></message>") == []
    assert [told(stanza) for stanza in there.gate.got] == [
        "message chat body",
        "message chat composing",
        "message headline body",
    ]
    assert await there.kept(there.ada) == 1


async def test_what_one_does_not_want_in_the_archive_goes_abroad_all_the_same(there: There) -> None:
    prefs = "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>"
    await there.says(f"<iq type='set' id='p'>{prefs}</iq>")
    assert await there.says("<message to='eve@gate.test' type='chat'><body>x</body></message>") == []
    assert len(there.gate.got) == 1
    assert await there.kept(there.ada) == 0


async def test_a_server_that_is_not_to_be_found_is_said_so(there: There) -> None:
    for stanza in (
        "<message to='a@nowhere.test' type='chat'><body>x</body></message>",
        f"<message to='a@nowhere.test' type='chat'>{TYPING}</message>",
        f"<iq to='a@nowhere.test' type='get' id='1'>{PING}</iq>",
    ):
        assert await there.says(stanza) == refused(stanza[1:].split()[0], "remote-server-not-found")
    assert await there.says("<iq to='a@nowhere.test' type='result' id='1'/>") == []
    assert await there.kept(there.ada) == 0


async def test_messages_keep_their_order_whatever_has_to_be_stored(there: There) -> None:
    """Typing waits for the message before it, which waits for the disk."""
    for number in range(20):
        for to in ("ben@localhost", "eve@gate.test"):
            text = f"<body>{number}</body>" if number % 2 else TYPING
            there.ada.receive(
                Stanza.from_bytes(f"<message to='{to}' type='chat' id='{number}'>{text}</message>".encode())
            )
    await there.room.settle()
    wanted = [str(number) for number in range(20)]
    assert [stanza.id for stanza in there.room.heard(there.ben)] == wanted
    assert [stanza.id for stanza in there.gate.got] == wanted


# -- iq ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "iq",
    [
        f"<iq type='get' to='localhost'>{PING}</iq>",
        f"<iq id='1' to='localhost'>{PING}</iq>",
        f"<iq type='made-up' id='1' to='localhost'>{PING}</iq>",
        "<iq type='get' id='1' to='localhost'/>",
        f"<iq type='set' id='1' to='localhost'>{PING}{PING}</iq>",
        f"<iq type='get' id='1'>{PING}{PING}</iq>",
        f"<iq type='get' id='1' to='ben@localhost/phone'>{PING}{PING}</iq>",
    ],
)
async def test_a_request_has_a_type_an_id_and_one_child(there: There, iq: str) -> None:
    assert await there.says(iq) == refused("iq", "bad-request")
    assert there.heard(there.ben) == []


@pytest.mark.parametrize(
    ("to", "child", "answer"),
    [
        ("", PING, "iq result nothing"),
        ("", ROSTER, "iq result query"),
        ("ada@localhost", ROSTER, "iq result query"),
        ("localhost", PING, "iq result nothing"),
        ("localhost", TIME, "iq result time"),
        ("localhost", ROSTER, "iq error service-unavailable"),
        ("", "<x xmlns='urn:x'/>", "iq error service-unavailable"),
        ("localhost", "<x xmlns='urn:x'/>", "iq error service-unavailable"),
        ("nobody@localhost/x", PING, "iq error service-unavailable"),
        ("ada@localhost/nothing", PING, "iq error service-unavailable"),
        ("pubsub.localhost", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "iq result query"),
        ("pubsub.localhost", "<x xmlns='urn:x'/>", "iq error service-unavailable"),
        ("a@pubsub.localhost", PING, "iq error item-not-found"),
    ],
)
async def test_a_request_is_answered_by_who_it_is_for(there: There, to: str, child: str, answer: str) -> None:
    address = f"to='{to}'" if to else ""
    await there.room.says(there.ada, f"<iq type='get' id='q' {address}>{child}</iq>")
    (got,) = there.room.heard(there.ada)
    assert told(got) == answer
    assert got.id == "q"
    assert got.attrs.get("from", "ada@localhost") == (to or "ada@localhost")
    assert there.heard(there.ben) == []


async def test_what_is_an_accounts_own_is_for_its_owner_alone(there: There) -> None:
    assert await there.says(f"<iq type='get' id='1' to='ben@localhost'>{ROSTER}</iq>") == refused(
        "iq", "forbidden"
    )
    assert await there.admits(f"<iq type='get' id='1'>{ROSTER}</iq>", "ben@localhost") == ["forbidden"]


async def test_a_request_to_ones_own_other_device_and_its_answer_get_there(there: There) -> None:
    await there.says(f"<iq type='get' id='1' to='ada@localhost/desk'>{PING}</iq>")
    assert there.heard(there.desk) == ["iq get ping"]
    await there.says("<iq type='result' id='1' to='ada@localhost/phone'/>", there.desk)
    assert there.heard(there.ada) == ["iq result nothing"]
    await there.says("<iq type='error' id='1' to='ada@localhost/phone'/>", there.desk)
    assert there.heard(there.ada) == ["iq error nothing"]


async def test_a_request_reaches_the_client_whose_address_one_has_been_given(there: There) -> None:
    await there.says(f"<iq type='get' id='1' to='ben@localhost/phone'>{PING}</iq>")
    assert there.heard(there.ben) == ["iq get ping"]


@pytest.mark.parametrize(
    "to", ["", "localhost", "ben@localhost", "nobody@localhost/x", "pubsub.localhost", "ben@localhost/none"]
)
@pytest.mark.parametrize("type", ["result", "error"])
async def test_an_answer_is_never_answered(there: There, to: str, type: str) -> None:
    address = f"to='{to}'" if to else ""
    assert await there.says(f"<iq type='{type}' id='1' {address}/>") == []
    assert there.heard(there.ben) == []


async def test_requests_and_answers_go_abroad(there: There) -> None:
    for type in ("get", "set", "result", "error"):
        await there.says(f"<iq type='{type}' id='1' to='eve@gate.test/x'>{PING}</iq>")
    assert [told(stanza) for stanza in there.gate.got] == [
        f"iq {type} ping" for type in ("get", "set", "result")
    ] + ["iq error ping"]


# -- presence ---------------------------------------------------------------------------------------------


async def test_a_subscription_needs_an_address_and_goes_to_the_account(there: There) -> None:
    assert await there.says("<presence type='subscribe'/>") == refused("presence", "bad-request")
    await there.says("<presence type='subscribe' to='ben@localhost/phone'/>")
    (asked,) = there.room.heard(there.ben)
    assert (asked.type, asked.attrs["from"], asked.attrs["to"]) == (
        "subscribe",
        "ada@localhost",
        "ben@localhost",
    )


async def test_presence_to_somebody_reaches_them_alone(there: There) -> None:
    await there.says("<presence to='ben@localhost'><show>away</show></presence>")
    assert there.heard(there.ben) == ["presence - show"]
    assert there.heard(there.desk) == []


# -- from elsewhere ---------------------------------------------------------------------------------------


async def test_a_stanza_from_elsewhere_gets_to_whom_it_is_for(there: There) -> None:
    assert await there.admits("<message type='chat'><body>x</body></message>", "ben@localhost") == []
    assert await there.admits("<presence type='subscribe'/>", "ben@localhost") == []
    assert await there.admits("<presence/>", "ben@localhost") == []
    heard = there.heard(there.ben)
    assert "message chat body" in heard
    assert "presence subscribe nothing" in heard
    assert await there.kept(there.ben) == 1


async def test_a_request_from_elsewhere_is_answered_there(there: There) -> None:
    assert await there.admits(f"<iq type='get' id='1'>{PING}</iq>", "localhost") == ["iq result nothing"]
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    assert await there.admits(f"<iq type='get' id='1'>{info}</iq>", "pubsub.localhost") == ["iq result query"]
    assert await there.admits(f"<iq type='get' id='1'>{PING}</iq>", "ben@localhost/none") == [
        "service-unavailable"
    ]
    assert await there.admits(f"<iq type='get' id='1'>{PING}</iq>", "ben@localhost/phone") == []
    assert there.heard(there.ben) == ["iq get ping"]


async def test_what_comes_for_another_domain_is_for_its_host_or_for_nobody(there: There) -> None:
    other = Gate()
    there.node.hosts.add("other.test", other)
    assert await there.admits("<message type='chat'><body>x</body></message>", "a@other.test") == []
    assert await there.admits(f"<iq type='get' id='1'>{PING}</iq>", "a@other.test") == []
    assert [told(stanza) for stanza in other.got] == ["message chat body", "iq get ping"]
    assert await there.admits("<message type='chat'><body>x</body></message>", "a@unknown.test") == [
        "item-not-found"
    ]


async def test_a_message_from_elsewhere_to_nobody_is_refused(there: There) -> None:
    body = "<body>x</body>"
    for _ in range(2):
        assert await there.admits(f"<message type='chat'>{body}</message>", "no@localhost") == [
            "service-unavailable"
        ]
        assert await there.admits(f"<message type='error'>{body}</message>", "no@localhost") == []
        assert await there.admits(f"<message type='headline'>{body}</message>", "no@localhost") == []


async def test_a_message_that_had_to_wait_for_its_account_commits_for_its_sender(there: There) -> None:
    """The link has to know that one more is under way, or it acknowledges too early."""
    assert await there.admits("<message type='chat'><body>x</body></message>", "cyd@localhost") == []
    assert there.gate.pipelines == 1


# -- words, hooks, other nodes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stanza", "text"),
    [
        ("<presence type='subscribe'/>", "a subscription needs an address"),
        ("<iq type='get' id='1'/>", "a request has one child"),
        (f"<iq type='get' to='localhost'>{PING}</iq>", "an iq has a type and an id"),
        (f"<iq type='get' id='1' to='ben@localhost'>{ROSTER}</iq>", "only for the owner of the account"),
        ("<message to='ben@localhost' type='chat'><body>x</body></message>", "the disk does not keep up"),
        ("<message to='eve@gate.test' type='chat'><body>x</body></message>", "the disk does not keep up"),
    ],
)
async def test_a_refusal_says_why(there: There, stanza: str, text: str) -> None:
    with patch.object(SQLiteStore, "waiting_bytes", FULL):
        await there.room.says(there.ada, stanza)
    (answer,) = there.room.heard(there.ada)
    assert answer.element.findtext(".//{urn:ietf:params:xml:ns:xmpp-stanzas}text") == text


@pytest.mark.parametrize("inside", ["<body>x</body>", TYPING])
async def test_features_are_told_of_each_message_and_whom_it_is_for(there: There, inside: str) -> None:
    seen: list[tuple[str, str]] = []
    there.node.hooks.message_sent.append(lambda sender, stanza, to: seen.append((sender.full, str(to))))
    for to in ("ben@localhost", "cyd@localhost", "eve@gate.test/x", "no@localhost", "no@localhost"):
        await there.says(f"<message to='{to}' type='chat'>{inside}</message>")
        assert seen == [("ada@localhost/phone", to)], to
        seen.clear()


class Elsewhere(LocalPlacement):
    """Another node owns dan."""

    def owns(self, key: str) -> bool:
        return key != "dan@localhost"


class Peers(Gate):
    """That other node: what it is to keep, and what not."""

    def __init__(self) -> None:
        super().__init__()
        self.admitted: list[tuple[Any, str, str]] = []

    def admit(self, sender: Any, stanza: Stanza, to: JID) -> None:
        self.admitted.append((sender, told(stanza), str(to)))


async def test_what_comes_for_an_account_of_another_node_is_handed_on(tmp_path: Path) -> None:
    async with room(tmp_path, *ALL, strangers_per_hour=0, placement=Elsewhere()) as made:
        made.rest()
        ada = await made.session("ada/phone")
        there = There(made, ada, ada, ada)
        there.node.hosts.peers = peers = Peers()
        assert await there.admits("<presence type='subscribe'/>", "dan@localhost") == []
        ((sender, what, to),) = peers.admitted
        assert (sender.full, what, to) == ("eve@gate.test/x", "presence subscribe nothing", "dan@localhost")
        assert await there.admits("<presence/>", "dan@localhost/x") == []
        assert await there.admits("<message type='chat'>" + TYPING + "</message>", "dan@localhost") == []
        assert await there.admits(f"<iq type='get' id='1'>{PING}</iq>", "dan@localhost/x") == []
        assert [told(stanza) for stanza in peers.got] == [
            "presence - nothing",
            "message chat composing",
            "iq get ping",
        ]
        assert await there.admits("<message type='chat'><body>x</body></message>", "dan@localhost") == []
        assert peers.admitted[1][1:] == ("message chat body", "dan@localhost")
