"""What only a server, an archive or a room may say reaches nobody from others."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kith.base.domain import Domain
from kith.core.routing.asserted import Assertions
from kith.core.routing.hosts import Hosts
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza
from tests.conftest import RunningServer, free_ports, running
from tests.raw import CLIENT, RawClient, body, condition, online
from tests.wire.work import Work

SID = "urn:xmpp:sid:0"
STANZA_ID = f"{{{SID}}}stanza-id"
ROOM = "room@rooms.localhost"
ALICE, MALLORY = "alice@localhost/phone", "mallory@elsewhere.example/x"


def _left(inner: str, sender: str) -> str:
    hosts = Hosts()
    for name in ("rooms.localhost", "pubsub.localhost"):
        hosts.add(name, object())  # type: ignore[arg-type]
    assertions = Assertions(Domain("localhost"), hosts)
    stanza = Stanza.from_bytes(f"<message from='{sender}' to='vic@localhost'>{inner}</message>".encode())
    if assertions.concerns(stanza):
        assertions.check(stanza, parse_jid(sender))
    assert stanza.children == [child.tag for child in stanza.element]
    return stanza.inner.decode()


def _id(by: str) -> str:
    return f"<stanza-id xmlns='{SID}' id='ffffffffffffffff' by='{by}'/>"


@pytest.mark.parametrize(
    "by",
    [
        "vic@localhost",
        "vic@localhost.",
        "VIC@LocalHost",
        "\uff56ic@localhost",
        "vic@localhost/phone",
        "alice@localhost",
        "localhost",
        "pubsub.localhost",
        ROOM,
        "room@elsewhere.example",
        "mallory@elsewhere.exampl",
        "",
        "@",
    ],
)
@pytest.mark.parametrize("sender", [ALICE, MALLORY, "room@rooms.localhost.example/nick"])
@pytest.mark.parametrize("shape", ["{}", "<body>x</body>{}", "{}<composing xmlns='urn:x'/>{}"])
def test_ids_of_archives_are_taken_from_nobody_else(by: str, sender: str, shape: str) -> None:
    assert _left(shape.format(_id(by), _id(by)), sender) == shape.format("", "")
    archived = f"<archived xmlns='urn:xmpp:mam:tmp' by='{by}' id='1'/>"
    assert _left(archived, sender) == ""


@pytest.mark.parametrize("sender", [ROOM, f"{ROOM}/nick", "Room@elsewhere.example/nick"])
def test_a_room_gives_its_own_messages_ids(sender: str) -> None:
    by = parse_jid(sender).bare
    assert _left(_id(by), sender) == _id(by)
    assert _left(_id(by.upper()), sender) == _id(by.upper())
    assert _left(_id(by) + _id("vic@localhost"), sender) == _id(by)


@pytest.mark.parametrize("sender", [ALICE, MALLORY, ROOM, "elsewhere.example"])
@pytest.mark.parametrize("name", ["sent", "received"])
def test_copies_of_what_devices_sent_come_from_nobody_else(sender: str, name: str) -> None:
    copy = (
        f"<{name} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<message xmlns='jabber:client'><body>x</body></message></forwarded></{name}>"
    )
    assert _left(f"<body>y</body>{copy}", sender) == "<body>y</body>"


@pytest.mark.parametrize("name", ["result", "fin"])
def test_pages_of_archives_come_from_archives(name: str) -> None:
    page = f"<{name} xmlns='urn:xmpp:mam:2' id='1'/>"
    assert _left(page, ALICE) == _left(page, MALLORY) == ""
    assert _left(page, ROOM) == page


@pytest.mark.parametrize("element", ["<delay xmlns='urn:xmpp:delay'", "<x xmlns='jabber:x:delay'"])
def test_that_this_server_held_something_back_only_it_says(element: str) -> None:
    def delay(origin: str) -> str:
        return f"{element} from='{origin}' stamp='2001-01-01T00:00:00Z'/>"

    for origin in ("localhost", "LOCALHOST.", "vic@localhost", "pubsub.localhost", ROOM, "@"):
        assert _left(delay(origin), MALLORY) == "", origin
    assert _left(delay("localhost"), ALICE) == _left(delay("localhost"), ROOM) == ""
    assert _left(delay("alice@localhost"), ALICE) == delay("alice@localhost")
    assert _left(delay(ROOM), f"{ROOM}/nick") == delay(ROOM)
    assert _left(delay("elsewhere.example"), MALLORY) == delay("elsewhere.example")
    assert _left(f"{element} stamp='x'/>", ALICE) == f"{element} stamp='x'/>"


@pytest.mark.parametrize(
    "element",
    [
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='1'/>",
        "<retracted xmlns='urn:xmpp:message-retract:1' stamp='x'/>",
        "<moderated xmlns='urn:xmpp:message-moderate:1' by='x'/>",
        "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'/></event>",
    ],
)
def test_what_rooms_and_services_say_no_client_here_says(element: str) -> None:
    assert _left(element, ALICE) == ""
    assert _left(element, ROOM) == element


def test_who_sent_a_message_first_is_said_by_services_of_the_same_domain() -> None:
    def addresses(jid: str) -> str:
        return f"<addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='{jid}'/>"

    empty = "<addresses xmlns='http://jabber.org/protocol/address'/>"
    assert _left(addresses("vic@localhost") + "</addresses>", ALICE) == empty
    assert _left(addresses("vic@localhost") + "</addresses>", MALLORY) == empty
    kept = addresses("other@elsewhere.example") + "</addresses>"
    assert _left(kept, "multicast@elsewhere.example") == kept


def test_a_message_that_is_passed_on_has_no_id_of_an_archive_here_inside() -> None:
    def forwarded(inner: str) -> str:
        message = f"<message xmlns='jabber:client'>{inner}</message>"
        return f"<forwarded xmlns='urn:xmpp:forward:0'>{message}</forwarded>"

    inside = "<body>x</body>"
    assert _left(forwarded(inside + _id("vic@localhost.")), ALICE) == forwarded(inside)
    assert _left(forwarded(forwarded(inside + _id("VIC@localhost"))), MALLORY) == forwarded(forwarded(inside))
    assert _left(forwarded(inside + _id("room@elsewhere.example")), ALICE).count("stanza-id") == 1


@pytest.mark.parametrize("sender", [ALICE, MALLORY])
@pytest.mark.parametrize(
    "around",
    [
        "<x xmlns='urn:x'>{}</x>",
        "<x xmlns='urn:x'><y><forwarded xmlns='urn:xmpp:forward:0'>{}</forwarded></y></x>",
        "<forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client'>{}</iq></forwarded>",
        "<received xmlns='urn:xmpp:carbons:1'><message xmlns='jabber:client'>{}</message></received>",
    ],
)
def test_however_deep_it_lies_an_id_of_an_archive_here_goes_nowhere(sender: str, around: str) -> None:
    left = _left("<body>x</body>" + around.format(_id("VIC@localhost./phone")), sender)
    assert "<body>x</body>" in left
    assert "stanza-id" not in left


@pytest.mark.parametrize(
    "around",
    [
        "<result xmlns='urn:xmpp:mam:2' id='1'>{}</result>",
        "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'>{}</items></event>",
    ],
)
def test_pages_and_events_from_elsewhere_have_no_id_of_an_archive_here_inside(around: str) -> None:
    left = _left(around.format(_id("vic@localhost") + _id(ROOM)), ROOM)
    assert left == _left(around.format(_id(ROOM)), ROOM)
    assert left.count("stanza-id") == 1


def test_a_report_names_messages_by_the_ids_of_ones_own_archive() -> None:
    report = f"<report xmlns='urn:xmpp:reporting:1'>{_id('alice@localhost')}</report>"
    block = f"<block xmlns='urn:xmpp:blocking'><item jid='x@y'>{report}</item></block>"
    stanza = Stanza.from_bytes(f"<iq type='set' id='1'>{block}</iq>".encode())
    assert not Assertions(Domain("localhost"), Hosts()).concerns(stanza)


@pytest.mark.parametrize(
    "one",
    [
        "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='{}'/>",
        "<delay xmlns='urn:xmpp:delay' from='{}'/>",
        "<forwarded xmlns='urn:xmpp:forward:0'><stanza-id xmlns='urn:xmpp:sid:0' by='{}'/></forwarded>",
        "<x xmlns='urn:x'><stanza-id xmlns='urn:xmpp:sid:0' by='{}'/></x>",
        "<addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='{}'/></addresses>",
    ],
)
@pytest.mark.parametrize("sender", [ALICE, MALLORY])
def test_many_addresses_in_one_stanza_are_little_work(one: str, sender: str) -> None:
    address = "\u30fb\u30a2" * 100 + "@elsewhere.example"
    with Work() as few:
        _left(one.format(address) * 32, sender)
    with Work() as many:
        left = _left(one.format(address) * 200, sender)
    assert many.calls < few.calls * 1.1 + 100
    assert left.count("elsewhere.example") <= 32


def test_what_an_older_version_stored_is_healed_when_it_is_read() -> None:
    assertions = Assertions(Domain("localhost"), Hosts())
    stored = f"<message from='{ALICE}' to='vic@localhost'><body>%s</body>%s</message>"
    usual = (stored % ("x", "")).encode()
    assert assertions.renewed(usual) is usual
    assert assertions.renewed((stored % ("x", _id("vic@localhost."))).encode()) == usual
    assert assertions.renewed((stored % ("<![CDATA[x]]>", "")).encode()) == usual


# -- over the wire ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[RunningServer]:
    data: Path = tmp_path_factory.mktemp("kith") / "data"
    with running(data, component_port=str(port), components="rooms.localhost=s3cret") as it:
        for name in ("alice", "bob"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


@contextlib.asynccontextmanager
async def rooms(port: int) -> AsyncIterator[RawClient]:
    async with RawClient(port) as component:
        await component.open_component("rooms.localhost", "s3cret")
        yield component


@pytest.mark.parametrize(
    "inside",
    ["<body>x</body>", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", "<x xmlns='urn:x'/>"],
    ids=["logged", "typing", "unknown"],
)
async def test_no_message_that_arrives_has_an_id_but_the_archives_own(
    server: RunningServer, port: int, inside: str
) -> None:
    alice, bob = await online(server.port, "alice", "a"), await online(server.port, "bob", "b")
    other = await online(server.port, "bob", "c")
    await other.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    forged = "".join(map(_id, ("bob@localhost", "BOB@localhost.", "bob@localhost/b", ROOM, "localhost")))
    alice.send(f"<message to='bob@localhost/b' type='chat' id='m1'>{inside}{forged}</message>")
    async with rooms(port) as component:
        component.send(
            f"<message from='{ROOM}/n' to='bob@localhost/b' type='chat' id='m2'>{inside}{forged}</message>"
        )
        for id, kept in (("m1", set()), ("m2", {ROOM})):
            for client in (bob, other):
                got = await client.message()
                message = next(e for e in got.iter(f"{CLIENT}message") if e.get("id") == id)
                found = [(e.get("by"), e.get("id")) for e in message.iter(STANZA_ID)]
                given = [id_ for by, id_ in found if by == "bob@localhost"]
                assert given != ["ffffffffffffffff"]
                assert len(given) == ("composing" not in inside)
                assert {by for by, _ in found} - {"bob@localhost"} == kept
    for client in (alice, bob, other):
        client.abort()


async def test_presence_and_requests_are_cleaned_too(server: RunningServer) -> None:
    alice, bob = await online(server.port, "alice", "a"), await online(server.port, "bob", "b")
    alice.send(f"<presence to='{bob.jid}'>{_id('bob@localhost.')}<status>x</status></presence>")
    presence = await bob.take(lambda e: e.tag == f"{CLIENT}presence" and e.get("from") == alice.jid)
    assert [child.tag for child in presence] == [f"{CLIENT}status"]
    alice.send(f"<iq type='get' id='q' to='{bob.jid}'>{_id('bob@localhost.')}</iq>")
    await alice.ping()
    assert not [e for e in bob.inbox if e.get("id") == "q" and len(e)]
    alice.abort()
    bob.abort()


@pytest.mark.parametrize(
    "push",
    [
        "<query xmlns='jabber:iq:roster'><item jid='x@y' subscription='both'/></query>",
        "<block xmlns='urn:xmpp:blocking'><item jid='x@y'/></block>",
        "<unblock xmlns='urn:xmpp:blocking'/>",
    ],
)
async def test_pushes_of_a_server_are_not_taken_from_others(server: RunningServer, push: str) -> None:
    """RFC 6121 §2.1.6: a client that does not look at the sender would change its lists."""
    alice, bob = await online(server.port, "alice", "a"), await online(server.port, "bob", "b")
    assert condition(await alice.iq("set", push, bob.jid)) == "service-unavailable"
    await bob.expect_nothing("iq")
    alice.abort()
    bob.abort()


async def test_what_has_cdata_is_handed_on_without(server: RunningServer, port: int) -> None:
    seen: list[bytes] = []
    alice, bob = await online(server.port, "alice", "a"), await online(server.port, "bob", "b")
    feed = bob._parser.feed
    bob._parser.feed = lambda data: (seen.append(data), feed(data))[1]  # type: ignore[method-assign]
    odd = "<![CDATA[a]]]><received xmlns='urn:xmpp:carbons:2'/><x>&#65;</x>]]>"
    odd = (
        f"<body><![CDATA[{odd.replace(']]>', ']]]]><![CDATA[>')}]]></body><p:x xmlns:p='urn:x' p:y='&#66;'/>"
    )
    alice.send(f"<message to='bob@localhost' type='chat' id='c1'>{odd}</message>")
    async with rooms(port) as component:
        component.send(f"<message from='{ROOM}' to='bob@localhost' type='chat' id='c2'>{odd}</message>")
        texts = [body(await bob.message()) for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0].startswith("<![CDATA[a]]]>")
    assert b"<![CDATA[" not in b"".join(seen)
    assert b"xmlns:p" not in b"".join(seen)
    alice.abort()
    bob.abort()
