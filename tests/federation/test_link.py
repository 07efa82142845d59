"""What waits for another server leaves when that has it. The other server is played, in this process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.core.peers.bounces import Bounces
from kith.federation import link, outbox, receipts, stream, unstored, usage, watched
from kith.federation.contacts import Contacts
from kith.federation.failures import Ended, Failure, NotFound, Refused, Unreachable, Untrusted
from kith.federation.federation import return_what_waits
from kith.federation.opening import Opening
from kith.federation.outgoing import Outgoing
from kith.ports.store import LogQuery
from kith.wire import ns
from kith.wire.canonical import parse_children
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza
from tests.parts import Room, room

SM = ns.STREAM_MANAGEMENT


class Stream:
    """A stream to the played server: a `kith.federation.connection.Connection`."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self._events: asyncio.Queue[Stanza | Failure] = asyncio.Queue()

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None: ...

    async def next(self) -> Stanza:
        event = await self._events.get()
        if isinstance(event, Failure):
            raise event
        return event

    def close(self) -> None:
        self.closed = True

    @property
    def elements(self) -> list[Stanza]:
        return [Stanza.from_element(element) for element in parse_children(self.written)]

    @property
    def bodies(self) -> list[str]:
        return re.findall("<body>(.*?)</body>", self.written.decode())

    @property
    def pings(self) -> list[str]:
        return [
            element.id
            for element in self.elements
            if element.kind == "iq" and b"urn:xmpp:ping" in element.inner
        ]

    def acknowledge(self, h: int) -> None:
        self._events.put_nowait(Stanza.from_bytes(f"<a xmlns='{SM}' h='{h}'/>".encode()))

    def end(self, failure: Failure | None = None) -> None:
        self._events.put_nowait(failure or Refused("the connection was closed"))


class Server(Opening):
    """``streams``: all that were opened. ``down``: why there is none now. ``managed``: with XEP-0198."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.down: Failure | None = None
        self.managed = True
        self.attempts = 0
        self.keys = None  # type: ignore[assignment]

    async def open(self, local: str, remote: str, both_ways: bool = False) -> tuple[Stream, bool]:  # type: ignore[override]
        self.attempts += 1
        if self.down is not None:
            raise self.down
        self.streams.append(Stream())
        return self.streams[-1], self.managed

    @property
    def stream(self) -> Stream:
        return self.streams[-1]


class Scene:
    """Ada, who writes to people of the played server two.test."""

    def __init__(self, there: Room, server: Server) -> None:
        self.there = there
        self.server = server
        there.node.parts.add({Opening: server})
        there.node.parts.build((Bounces, Contacts, Outgoing))
        self.outgoing = there.node.get(Outgoing)
        there.node.hosts.remote = self.outgoing
        self.ada: Session

    async def begin(self) -> None:
        self.ada = await self.there.session("ada/phone")
        await self.outgoing.start()

    def write(self, *texts: str, to: str = "ben@two.test", more: str = "") -> None:
        for text in texts:
            self.ada.receive(
                Stanza.from_bytes(
                    f"<message type='chat' to='{to}' id='{text}'><body>{text}</body>{more}</message>".encode()
                )
            )

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():
                await asyncio.sleep(0.005)

    async def outbox(self) -> list[str]:
        """The ids of the stanzas that wait."""
        await self.settle()
        found = await self.there.node.store.outbox(None, 0, 10_000)
        return [Stanza.from_bytes(entry.stanza).id for entry in found]

    async def settle(self) -> None:
        for _ in range(3):
            await self.there.node.store.flush()
            await asyncio.sleep(0.01)

    async def errors(self, count: int = 1) -> list[Stanza]:
        """What came back to ada: so many errors."""
        found: list[Stanza] = []

        def all() -> bool:
            found.extend(stanza for stanza in self.there.heard(self.ada) if stanza.type == "error")
            return len(found) >= count

        await self.until(all)
        return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits long between attempts."""
    monkeypatch.setattr(link, "_RETRY", 0.01)
    monkeypatch.setattr(link, "_RETRY_MOST", 0.02)
    monkeypatch.setattr(link, "_REMEMBERED", 0.05)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with room(tmp_path) as there:
        made = Scene(there, Server())
        await made.begin()
        yield made


def condition(error: Stanza) -> tuple[str, str, str]:
    """The condition, the type and the text of an error."""
    element = error.element.find(f"{{{ns.CLIENT}}}error")
    assert element is not None
    return element[0].tag.partition("}")[2], element.get("type", ""), element.findtext("{*}text") or ""


# -- confirmations ------------------------------------------------------------------------------------


async def test_a_message_is_in_the_outbox_until_the_other_server_has_acknowledged_it(scene: Scene) -> None:
    scene.write("a", "b", "c")
    await scene.until(lambda: scene.server.streams and len(scene.server.stream.bodies) == 3)
    assert scene.server.stream.written.endswith(f"<r xmlns='{SM}'/>".encode())
    assert await scene.outbox() == ["a", "b", "c"]
    scene.server.stream.acknowledge(2)
    await scene.until(lambda: scene.outgoing.waiting == 1)
    assert await scene.outbox() == ["c"]
    scene.server.stream.acknowledge(3)
    await scene.until(lambda: scene.outgoing.waiting == 0)
    assert await scene.outbox() == []
    archive = await scene.there.node.store.page(LogQuery(scene.ada.account.id))
    assert len(archive.entries) == 3


def refusal(scene: Scene, id: str, settled: list[str]) -> None:
    """This server refuses a message of ben@two.test."""
    error = Stanza.from_bytes(
        f"<message type='error' id='{id}' from='nobody@localhost' to='ben@two.test'>"
        "<error type='cancel'><service-unavailable/></error></message>".encode()
    )
    scene.outgoing.refuse(
        error, parse_jid("nobody@localhost"), parse_jid("ben@two.test"), lambda: settled.append(id)
    )


async def test_a_refusal_is_settled_when_the_other_server_has_it_and_sent_again_until_then(
    scene: Scene,
) -> None:
    settled: list[str] = []
    refusal(scene, "one", settled)
    await scene.until(lambda: scene.server.streams and b"one" in scene.server.stream.written)
    assert b"<r " in scene.server.stream.written
    assert settled == []
    scene.server.stream.end()
    await scene.until(lambda: len(scene.server.streams) == 2 and b"'one'" in scene.server.stream.written)
    scene.write("mine")
    refusal(scene, "two", settled)
    await scene.until(lambda: b"'two'" in scene.server.stream.written and scene.server.stream.bodies)
    scene.server.stream.acknowledge(1)
    await scene.until(lambda: settled == ["one"])
    scene.server.stream.acknowledge(3)
    await scene.until(lambda: settled == ["one", "two"])
    assert await scene.outbox() == []


async def test_a_refusal_is_given_up_for_a_server_that_is_not_reached(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unstored, "PATIENCE", 0.1)
    settled: list[str] = []
    scene.server.down = Unreachable("no answer")
    refusal(scene, "one", settled)
    await scene.until(lambda: settled == ["one"])
    scene.server.down = NotFound("no such domain")
    refusal(scene, "two", settled)
    await scene.until(lambda: settled == ["one", "two"])


async def test_a_server_that_confirms_nothing_makes_only_so_many_refusals_wait(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "MAX_STANZAS", 2)
    settled: list[str] = []
    for id in ("one", "two", "three"):
        refusal(scene, id, settled)
    await scene.until(lambda: scene.server.streams and b"'three'" in scene.server.stream.written)
    assert settled == ["three"]
    scene.server.stream.acknowledge(3)
    await scene.until(lambda: settled == ["three", "one", "two"])
    refusal(scene, "four", settled)
    await scene.until(lambda: b"'four'" in scene.server.stream.written)
    assert "four" not in settled


async def test_without_stream_management_a_refusal_is_settled_by_a_ping(scene: Scene) -> None:
    scene.server.managed = False
    settled: list[str] = []
    refusal(scene, "one", settled)
    await scene.until(lambda: scene.server.streams and scene.server.stream.pings)
    scene.outgoing.answered("localhost", "two.test", scene.server.stream.pings[-1])
    await scene.until(lambda: settled == ["one"])


async def test_without_stream_management_the_answer_to_a_later_ping_confirms(scene: Scene) -> None:
    scene.server.managed = False
    scene.write("a", "b")
    await scene.until(lambda: scene.server.streams and scene.server.stream.pings)
    assert await scene.outbox() == ["a", "b"]
    scene.write("c")  # after the ping: its answer says nothing of it
    await scene.until(lambda: len(scene.server.stream.bodies) == 3)
    scene.outgoing.answered("localhost", "two.test", "made up")
    scene.outgoing.answered("localhost", "three.test", scene.server.stream.pings[0])
    assert await scene.outbox() == ["a", "b", "c"]
    scene.outgoing.answered("localhost", "two.test", scene.server.stream.pings[0])
    assert await scene.outbox() == ["c"]
    await scene.until(lambda: len(scene.server.stream.pings) == 2)
    scene.outgoing.answered("localhost", "two.test", scene.server.stream.pings[1])
    assert await scene.outbox() == []


@pytest.mark.parametrize("managed", [True, False])
async def test_what_was_not_confirmed_is_sent_again_in_order_under_the_same_ids(
    scene: Scene, managed: bool
) -> None:
    scene.server.managed = managed
    scene.write("a", "b", "c")
    await scene.until(lambda: scene.server.streams and len(scene.server.stream.bodies) == 3)
    if managed:
        scene.server.stream.acknowledge(1)
        await scene.until(lambda: scene.outgoing.waiting == 2)
    scene.server.stream.end()
    scene.write("d")
    expected = ["b", "c", "d"] if managed else ["a", "b", "c", "d"]
    await scene.until(lambda: len(scene.server.streams) == 2 and scene.server.stream.bodies == expected)
    assert [one.id for one in scene.server.stream.elements if one.kind == "message"] == expected
    assert scene.there.heard(scene.ada) == []


async def test_a_server_that_hangs_with_an_open_stream_has_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "PATIENCE", 0.05)
    scene.write("a")
    await scene.until(lambda: len(scene.server.streams) == 2 and scene.server.stream.bodies == ["a"])
    assert scene.server.streams[0].closed
    scene.server.stream.acknowledge(1)
    await scene.until(lambda: scene.outgoing.waiting == 0)


async def test_what_was_acknowledged_to_its_sender_survives_the_end_of_this_server(tmp_path: Path) -> None:
    async with room(tmp_path) as there:
        before = Scene(there, Server())
        await before.begin()
        before.server.down = Unreachable("connection refused")
        before.write("a", "b")
        await before.until(lambda: before.outgoing.waiting == 2)
        await before.settle()
        assert before.there.heard(before.ada) == []
    async with room(tmp_path) as there:
        after = Scene(there, Server())
        await after.outgoing.start()
        await after.until(lambda: after.server.streams and after.server.stream.bodies == ["a", "b"])
        after.server.stream.acknowledge(2)
        await after.until(lambda: after.outgoing.waiting == 0)
    async with room(tmp_path) as there:
        last = Scene(there, Server())
        await last.outgoing.start()
        await asyncio.sleep(0.05)
        assert last.server.attempts == 0


async def test_what_waits_comes_back_when_federation_is_switched_off(tmp_path: Path) -> None:
    async with room(tmp_path) as there:
        before = Scene(there, Server())
        await before.begin()
        before.server.down = Unreachable("connection refused")
        before.write("a", "b")
        await before.until(lambda: before.outgoing.waiting == 2)
        await before.settle()
    async with room(tmp_path) as there:
        after = Scene(there, Server())
        node = there.node
        after.ada = await there.session("ada/phone")
        await return_what_waits(node.domain, node.store, node.get(Bounces), node.tasks, node.clock)
        assert {error.id for error in await after.errors(2)} == {"a", "b"}
        assert await after.outbox() == []


@pytest.mark.parametrize("h", ["4", "-1", "x", ""])
async def test_an_acknowledgement_of_what_was_not_sent_confirms_nothing(scene: Scene, h: str) -> None:
    scene.write("a", "b", "c")
    await scene.until(lambda: scene.server.streams and len(scene.server.stream.bodies) == 3)
    scene.server.stream._events.put_nowait(Stanza.from_bytes(f"<a xmlns='{SM}' h='{h}'/>".encode()))
    await scene.until(lambda: len(scene.server.streams) == 2 and len(scene.server.stream.bodies) == 3)
    assert await scene.outbox() == ["a", "b", "c"]


async def test_a_room_of_another_server_gets_what_was_said_after_an_outage(scene: Scene) -> None:
    scene.server.down = Unreachable("connection refused")
    scene.ada.receive(
        Stanza.from_bytes(b"<message type='groupchat' to='room@two.test' id='g'><body>hi</body></message>")
    )
    await scene.until(lambda: scene.server.attempts)
    assert await scene.outbox() == ["g"]
    scene.server.down = None
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies == ["hi"])
    scene.server.stream.acknowledge(1)
    await scene.until(lambda: scene.outgoing.waiting == 0)
    archive = await scene.there.node.store.page(LogQuery(scene.ada.account.id))
    assert archive.entries == []


async def test_a_message_without_an_id_gets_one_by_which_a_repetition_is_recognised(scene: Scene) -> None:
    scene.ada.receive(Stanza.from_bytes(b"<message to='ben@two.test'><body>hi</body></message>"))
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies)
    scene.server.stream.end()
    await scene.until(lambda: len(scene.server.streams) == 2 and scene.server.stream.bodies)
    ids = [stream.elements[0].id for stream in scene.server.streams]
    assert ids[0] == ids[1] != ""


async def test_a_message_that_was_late_says_when_it_was_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.server.down = Unreachable("connection refused")
    scene.write("a")
    await scene.until(lambda: scene.server.attempts)
    monkeypatch.setattr(stream, "_DELAYED", 0.0)
    scene.server.down = None
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies)
    delay = scene.server.stream.elements[0].child(ns.tag(ns.DELAY, "delay"))
    assert delay is not None
    assert delay.get("from") == "localhost"


# -- returned -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        NotFound("DNS knows no address of two.test"),
        Untrusted("its certificate does not fit: certificate has expired"),
        Untrusted("it offers no TLS"),
    ],
)
async def test_what_no_attempt_can_deliver_comes_back_at_once_with_the_reason(
    scene: Scene, failure: Failure
) -> None:
    scene.server.down = failure
    scene.write("a", "b")
    errors = await scene.errors(2)
    assert [error.id for error in errors] == ["a", "b"]
    assert condition(errors[0]) == (
        "remote-server-not-found",
        "cancel",
        f"two.test can't be reached: {failure}",
    )
    assert await scene.outbox() == []
    scene.server.down = None
    scene.write("a")  # its sender tries again
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies == ["a"])


async def test_a_server_that_is_down_is_waited_for_and_then_the_sender_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.server.down = Unreachable("connection refused")
    scene.write("a")
    await scene.until(lambda: scene.server.attempts > 3)
    assert await scene.outbox() == ["a"]
    scene.outgoing.patience = 0.0
    (error,) = await scene.errors()
    found, type, text = condition(error)
    assert (error.id, found, type) == ("a", "remote-server-timeout", "wait")
    assert text.endswith(": connection refused")
    assert await scene.outbox() == []


async def test_whoever_is_offline_when_a_message_comes_back_is_told_later(scene: Scene) -> None:
    scene.server.down = Unreachable("connection refused")
    scene.write("a")
    await scene.settle()
    scene.there.node.sessions.close(scene.ada)
    scene.outgoing.patience = 0.0
    await scene.until(lambda: scene.outgoing.waiting == 0)
    scene.outgoing.patience = 3600.0
    again = Session(scene.there.node.sessions, scene.ada.account, scene.ada.jid, scene.ada.sink)
    scene.there.node.sessions.open(again)
    again.receive(Stanza.from_bytes(b"<presence/>"))
    scene.ada = again
    (error,) = await scene.errors()
    assert error.id == "a"


async def test_another_device_is_told_if_the_one_that_has_sent_is_gone(scene: Scene) -> None:
    scene.server.down = Unreachable("connection refused")
    scene.write("a")
    await scene.settle()
    scene.there.node.sessions.close(scene.ada)
    scene.there.rest()
    scene.ada = await scene.there.session("ada/laptop")
    scene.outgoing.patience = 0.0
    (error,) = await scene.errors()
    assert error.id == "a"


async def test_a_domain_without_a_sign_of_a_server_is_not_waited_for_so_long(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "DOUBTFUL_PATIENCE", 0.1)
    scene.server.down = Unreachable("connection refused", doubtful=True)
    scene.write("a")
    (error,) = await scene.errors()
    assert condition(error)[:2] == ("remote-server-not-found", "cancel")
    assert scene.server.attempts > 1


async def test_a_message_that_the_other_server_ends_each_stream_for_holds_up_no_other(scene: Scene) -> None:
    scene.write("a", "bad", "c")

    def play() -> bool:
        stream = scene.server.streams[-1] if scene.server.streams else None
        if stream is not None and "bad" in stream.bodies:
            stream.end(Refused("stream error policy-violation", "policy-violation"))
            scene.server.streams.append(Stream())  # so that it ends once
        elif stream is not None:
            stream.acknowledge(len(stream.bodies))
        return scene.outgoing.waiting == 0

    await scene.until(play)
    (error,) = await scene.errors()
    assert error.id == "bad"
    assert "policy-violation" in condition(error)[2]


async def test_a_server_that_restarts_often_gets_everything_in_the_end(scene: Scene) -> None:
    """Streams that are lost, or closed because a server stops, are nobody's fault."""
    scene.write("a", "b")
    for end in (None, Refused("x", "system-shutdown"), Ended("x"), None, None, Refused("x", "reset")):
        count = len(scene.server.streams)
        await scene.until(lambda: scene.server.streams and scene.server.stream.bodies == ["a", "b"])
        scene.server.stream.end(end)
        await scene.until(lambda count=count: len(scene.server.streams) > max(count, 1))
    await scene.until(lambda: scene.server.stream.bodies == ["a", "b"])
    scene.server.stream.acknowledge(2)
    await scene.until(lambda: scene.outgoing.waiting == 0)
    assert scene.there.heard(scene.ada) == []


async def test_a_refusal_of_the_other_server_is_kept_for_a_sender_who_is_offline(scene: Scene) -> None:
    scene.write("a", "b")
    await scene.until(lambda: scene.server.streams and len(scene.server.stream.bodies) == 2)
    scene.server.stream.acknowledge(2)
    scene.there.node.sessions.close(scene.ada)
    refusals = scene.outgoing.refusals
    error = (
        "<message type='error' id='{}' from='{}' to='ada@localhost/phone'><body>x</body><error type='cancel'>"
        f"<service-unavailable xmlns='{ns.STANZA_ERRORS}'/></error></message>"
    )
    assert not refusals.take(Stanza.from_bytes(error.format("a", "eve@two.test").encode()))
    assert not refusals.take(Stanza.from_bytes(error.format("c", "ben@two.test").encode()))
    assert refusals.take(Stanza.from_bytes(error.format("a", "ben@two.test/x").encode()))
    assert not refusals.take(Stanza.from_bytes(error.format("a", "ben@two.test/x").encode()))
    await scene.settle()
    scene.there.rest()
    scene.ada = Session(scene.there.node.sessions, scene.ada.account, scene.ada.jid, scene.ada.sink)
    scene.there.node.sessions.open(scene.ada)
    scene.ada.receive(Stanza.from_bytes(b"<presence/>"))
    (told,) = await scene.errors()
    assert (told.id, condition(told)[0], told.child(ns.tag(ns.CLIENT, "body"))) == (
        "a",
        "service-unavailable",
        None,
    )


# -- what is not stored -------------------------------------------------------------------------------


async def test_a_request_gets_an_error_after_a_while_and_is_not_sent_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unstored, "PATIENCE", 0.05)
    scene.server.down = Unreachable("connection refused")
    ping = f"<iq type='get' id='q' to='two.test'><ping xmlns='{ns.PING}'/></iq>"
    scene.ada.receive(Stanza.from_bytes(ping.encode()))
    (error,) = await scene.errors()
    assert condition(error)[:2] == ("remote-server-timeout", "wait")
    scene.server.down = None
    scene.write("a")
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies)
    assert scene.server.stream.pings == []


async def test_a_request_is_answered_after_a_short_outage(scene: Scene) -> None:
    scene.server.down = Unreachable("connection refused")
    ping = f"<iq type='get' id='q' to='two.test'><ping xmlns='{ns.PING}'/></iq>"
    scene.ada.receive(Stanza.from_bytes(ping.encode()))
    await scene.until(lambda: scene.server.attempts > 1)
    scene.server.down = None
    await scene.until(lambda: scene.server.streams and scene.server.stream.pings == ["q"])


async def test_presence_does_not_overtake_the_subscription_that_allows_it(scene: Scene) -> None:
    for xml in (
        b"<presence type='subscribe' to='ben@two.test'/>",
        b"<presence to='ben@two.test'/>",
        b"<message to='ben@two.test' id='m'><body>hi</body></message>",
    ):
        scene.ada.receive(Stanza.from_bytes(xml))
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies)
    sent = [(one.kind, one.type) for one in scene.server.stream.elements if one.kind]
    assert sent == [("presence", "subscribe"), ("presence", ""), ("message", "")]


async def test_a_subscription_request_survives_an_outage(scene: Scene) -> None:
    scene.server.down = Unreachable("connection refused")
    scene.ada.receive(Stanza.from_bytes(b"<presence type='subscribe' to='ben@two.test' id='s'/>"))
    await scene.until(lambda: scene.server.attempts > 1)
    assert await scene.outbox() == ["s"]
    scene.server.down = None
    await scene.until(lambda: scene.server.streams and scene.server.stream.elements)
    assert scene.server.stream.elements[0].type == "subscribe"


async def test_contacts_are_probed_again_when_the_stream_to_them_was_lost(scene: Scene) -> None:
    roster = await scene.there.node.accounts.roster(scene.ada.account.jid)
    item = roster["ben@two.test"]
    item.to = item.from_ = item.listed = True
    await roster.save(scene.there.node.store, item)
    scene.write("a")
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies)
    scene.server.stream.acknowledge(1)
    await scene.until(lambda: scene.outgoing.waiting == 0)
    scene.there.heard(scene.ada)
    scene.server.stream.end()
    await scene.until(lambda: len(scene.server.streams) == 2 and len(scene.server.stream.elements) == 2)
    assert {one.type for one in scene.server.stream.elements if one.kind == "presence"} == {"", "probe"}
    assert [(one.type, one.attrs["from"]) for one in scene.there.heard(scene.ada)] == [
        ("unavailable", "ben@two.test")
    ]


async def test_a_stream_that_is_not_used_is_closed_and_opened_again_when_it_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "IDLE", 0.05)
    scene.write("a")
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies)
    await asyncio.sleep(0.1)
    assert not scene.server.stream.closed  # something is to be confirmed
    scene.server.stream.acknowledge(1)
    await scene.until(lambda: scene.server.stream.closed)
    scene.write("b")
    await scene.until(lambda: len(scene.server.streams) == 2 and scene.server.stream.bodies == ["b"])


# -- bounds -------------------------------------------------------------------------------------------


async def test_nothing_is_in_memory_for_a_server_that_is_down_and_pages_afterwards(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_HELD", 20)
    monkeypatch.setattr(outbox, "_PAGE", 7)
    scene.server.down = Unreachable("connection refused")
    texts = [f"m{number}" for number in range(300)]
    scene.write(*texts)
    await scene.until(lambda: scene.outgoing.waiting == 300)
    waiting = scene.outgoing._links["localhost", "two.test"].outbox
    assert not waiting._queue
    assert not waiting._sent
    scene.server.down = None
    most = 0

    def play() -> bool:
        nonlocal most
        if scene.server.streams:
            most = max(most, len(waiting._queue) + len(waiting._sent))
            scene.server.stream.acknowledge(len(scene.server.stream.bodies))
        return scene.outgoing.waiting == 0

    await scene.until(play)
    assert scene.server.stream.bodies == texts
    assert most <= 20 + 7
    assert await scene.outbox() == []


async def test_what_is_written_meanwhile_comes_after_the_backlog(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_HELD", 6)
    monkeypatch.setattr(outbox, "_PAGE", 3)
    texts = [f"m{number}" for number in range(60)]
    scene.write(*texts[:20])
    rest = iter(texts[20:])

    def play() -> bool:
        if scene.server.streams:
            scene.server.stream.acknowledge(len(scene.server.stream.bodies))
        if text := next(rest, ""):
            scene.write(text)
        return scene.outgoing.waiting == 0 and not text

    await scene.until(play)
    assert scene.server.stream.bodies == texts


async def test_an_account_has_a_limited_number_of_messages_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "MAX_MESSAGES", 3)
    scene.server.down = Unreachable("connection refused")
    scene.write("a", "b", "c", "d")
    (error,) = await scene.errors()
    assert (error.id, condition(error)[:2]) == ("d", ("resource-constraint", "wait"))
    await scene.until(lambda: scene.server.attempts)
    scene.there.rest()
    other = await scene.there.session("eve/phone")
    scene.ada, ada = other, scene.ada
    scene.write("e")
    assert await scene.outbox() == ["a", "b", "c", "e"]
    scene.ada = ada
    scene.server.down = None
    await scene.until(lambda: scene.server.streams and len(scene.server.stream.bodies) == 4)
    scene.server.stream.acknowledge(4)
    await scene.until(lambda: scene.outgoing.waiting == 0)
    scene.write("d")
    assert await scene.outbox() == ["d"]


async def test_a_server_that_is_down_slows_no_other(scene: Scene) -> None:
    """Each has a link of its own, and messages for others are passed over without being read."""
    scene.server.down = Unreachable("connection refused")
    scene.write(*(f"m{number}" for number in range(50)))
    await scene.until(lambda: scene.server.attempts)

    async def open(local: str, remote: str, both_ways: bool = False) -> tuple[Stream, bool]:
        if remote == "two.test":
            raise Unreachable("connection refused")
        scene.server.streams.append(Stream())
        return scene.server.stream, True

    scene.server.open = open  # type: ignore[method-assign,assignment]
    scene.write("x", to="carl@three.test")
    await scene.until(lambda: scene.server.streams and scene.server.stream.bodies == ["x"])
