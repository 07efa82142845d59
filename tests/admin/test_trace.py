"""Why a message did not arrive: what `kith trace` and the admin API say about it, and what they never say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from kith.admin.trace import LiveTraces, TracedMessage, Traces
from kith.core.actors.account import Session
from kith.core.log.marks import Marks
from kith.core.peers.bounces import Bounces
from kith.core.sessions.tracing import MAX_EVENTS, MAX_TRACED, TracedSession, Tracing
from kith.ports.store import OUTGOING, UNARCHIVED, Append
from kith.records.bounced import KEPT
from kith.records.devices import Devices
from kith.wire.errors import StanzaError
from kith.wire.stanza import Stanza
from tests.admin.operator import Operator, kith
from tests.api.person import until
from tests.clocks import SetClock
from tests.conftest import RunningServer, running
from tests.groups.there import GROUP, groups
from tests.parts import Room, room
from tests.raw import RawClient, online

_SECRET = "the treasure is below the oak"
_ENABLE = "<enable xmlns='urn:xmpp:sm:3'/>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data") as server:
        yield server


def chat(to: str, id: str, text: str = _SECRET) -> str:
    return f"<message to='{to}' type='chat' id='{id}'><body>{text}</body></message>"


async def traced(server: RunningServer, *arguments: str) -> list[dict[str, Any]]:
    shown = (await asyncio.to_thread(kith, server, "trace", *arguments, "--json")).stdout
    assert _SECRET not in shown
    assert "oak" not in shown
    return [json.loads(line) for line in shown.splitlines()]


async def states(server: RunningServer, who: str, id: str) -> list[str]:
    return [one["state"] for one in await traced(server, who, "--id", id)]


async def test_a_message_waits_is_handed_over_and_acknowledged(server: RunningServer) -> None:
    for name in ("ada", "ben"):
        server.add_user(name)
    ada = await online(server.port, "ada")
    ada.send(chat("ben@localhost", "m1"))
    await ada.ping()
    assert await states(server, "ada", "m1") == ["waiting"]
    assert await states(server, "ben", "m1") == ["waiting"]
    agent = "2e1c5c43-2fbb-4a2c-b5a0-f2f2a7c3a1aa"
    async with RawClient(server.port) as ben:
        await ben.login2("ben", agent=agent)
        await ben.tag("features")
        await ben.bind()
        ben.send(f"{_ENABLE}<presence/>")
        await ben.message()
        (shown,) = await traced(server, "ada", "--with", "ben", "--id", "m1")
        assert shown["state"] == "handed"
        (device,) = shown["devices"]
        assert (device["account"], device["name"], device["state"]) == ("ben@localhost", "Test", "handed")
        ben.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")
        ben.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")  # its own presence, and the message

        async def delivered() -> bool:
            return await states(server, "ada", "m1") == ["delivered"]

        await until(delivered)
    ada.abort()


async def test_a_watched_account_tells_which_device_has_acknowledged_and_what_was_refused(
    server: RunningServer,
) -> None:
    for name in ("cat", "dan"):
        server.add_user(name)
    cat = await online(server.port, "cat", "laptop")
    for name in ("cat", "dan"):
        done = await asyncio.to_thread(kith, server, "trace", name, "--watch", "1")
        assert f"{name}@localhost is traced for 1 hours" in done.stdout
    cat.send(chat("nobody@localhost", "r1"))
    await cat.take(lambda e: e.get("type") == "error" and e.get("id") == "r1")
    async with RawClient(server.port) as dan:
        inline = f"<bind xmlns='urn:xmpp:bind:0'>{_ENABLE}</bind>"
        await dan.login2("dan", inline, agent="2e1c5c43-2fbb-4a2c-b5a0-f2f2a7c3a1ab")
        dan.send("<presence/>")
        await dan.tag("presence")
        cat.send(chat("dan@localhost", "a1"))
        await dan.message()
        dan.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
        await dan.ping()
        lines = await traced(server, "dan", "--id", "a1")
        (message,) = [line for line in lines if "state" in line]
        assert message["devices"][0]["name"] == "Test"
        assert message["devices"][0]["state"] == "acknowledged"
        shown = (await asyncio.to_thread(kith, server, "trace", "dan", "--id", "a1")).stdout
        assert "\n    delivered: a device has acknowledged it\n    acknowledged: Test (" in shown
        events = [(line["what"], line["id"]) for line in lines if "what" in line and "state" not in line]
        assert events == [("handed", message["id"]), ("acknowledged", message["id"])]
    events = [line for line in await traced(server, "cat") if "state" not in line]
    assert [(one["what"], one["message"], one["resource"]) for one in events] == [
        ("received", "r1", "laptop"),
        ("refused", "r1", "laptop"),
        ("received", "a1", "laptop"),
    ]
    assert events[1]["error"].startswith("service-unavailable")
    table = (await asyncio.to_thread(kith, server, "trace", "cat")).stdout
    assert "refused" in table
    assert _SECRET not in table
    assert "is not traced" in (await asyncio.to_thread(kith, server, "trace", "cat", "--stop")).stdout
    assert not [line for line in await traced(server, "cat") if "state" not in line]
    cat.abort()


async def test_the_api_says_the_same_and_notes_who_has_looked(server: RunningServer) -> None:
    operator = Operator(server)
    for name in ("eve", "fay"):
        server.add_user(name)
    eve = await online(server.port, "eve")
    await operator.done("PUT", "/people/eve/tracing", {"hours": 2})
    eve.send(chat("fay@localhost", "m2"))
    await eve.ping()
    for _ in range(3):
        trace = await operator.done("GET", "/people/eve/messages?peer=fay&limit=5")
    assert _SECRET not in json.dumps(trace)
    (message,) = trace["messages"]
    assert (message["direction"], message["what"], message["state"]) == ("out", "text", "waiting")
    assert [event["what"] for event in trace["events"]] == ["received"]
    assert trace["tracing_until"]
    await operator.done("DELETE", "/people/eve/tracing")
    assert (await operator.ask("DELETE", "/people/eve/tracing")).status == 404
    assert (await operator.done("GET", "/people/eve/messages"))["tracing_until"] == ""
    log = [entry["action"] for entry in (await operator.done("GET", "/log?limit=3"))["entries"]]
    assert log == ["trace.stop", "trace", "trace.start"]  # looks are noted once an hour
    for query in ("peer=a%20b", "limit=0", "limit=9999"):
        assert (await operator.ask("GET", f"/people/eve/messages?{query}")).status == 400
    reader = Operator(server, kith(server, "admin", "token", "create", "r", "--read-only").stdout.strip())
    assert (await reader.ask("PUT", "/people/eve/tracing", {})).status == 403
    eve.abort()


def test_without_a_server_the_log_alone_is_asked(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.add_user("ada")
        assert "No log has such a message" in kith(server, "trace", "ada").stdout
        server.stop()
        assert "No server is running" in kith(server, "trace", "ada").stderr
        for arguments, text in (
            (("trace", "nobody"), "There is no account nobody@localhost"),
            (("trace", "ada", "--with", "a b"), "a b is not an address"),
            (("trace", "ada", "--watch", "1"), "no server is running here"),
        ):
            done = kith(server, *arguments, check=False)
            assert done.returncode == 2
            assert text in done.stderr


# -- in one process ----------------------------------------------------------------------------------


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path, clock=SetClock()) as there:
        yield there


async def look(there: Room, who: str, **wanted: Any) -> list[TracedMessage]:
    node = there.node
    traces = Traces(node.store, node.get(Devices))
    live = LiveTraces(node.store, node.get(Marks), node.get(Tracing))
    record = await node.store.account(f"{who}@localhost")
    assert record is not None
    return (await traces.of(record, live.ask, **wanted)).messages


async def test_what_waits_for_another_server_and_what_it_has_are_told_apart(there: Room) -> None:
    ada = (await there.session("ada/phone")).account
    for id, flags in ((10, OUTGOING), (11, 0), (12, OUTGOING | UNARCHIVED)):
        data = f"<message id='x{id}' type='chat'><body>{_SECRET}</body></message>".encode()
        done = Append(id, data, [(ada.id, "zoe@other.example", flags)], lambda *_: None)
        there.node.store.append(done)
    await there.node.store.flush()
    found = await look(there, "ada")
    assert [(one.message, one.state) for one in found] == [
        ("x12", "outgoing"),
        ("x11", "sent"),
        ("x10", "outgoing"),
    ]
    assert [one.message for one in await look(there, "ada", id="x11")] == ["x11"]
    assert [one.message for one in await look(there, "ada", id=found[2].id)] == ["x10"]
    assert await look(there, "ada", peer="somebody@other.example") == []


async def test_a_message_that_came_back_is_known_although_no_log_has_it(there: Room) -> None:
    ada = await there.session("ada/phone")
    there.node.parts.build((Bounces,))
    bounces = there.node.get(Bounces)
    for number in range(KEPT + 3):
        text = f"<message from='ada@localhost/phone' to='zoe@other.example' type='chat' id='b{number}'/>"
        error = Stanza.from_bytes(text.encode()).error(
            StanzaError("remote-server-not-found", "the certificate has expired")
        )
        assert error is not None
        bounces.tell(error, ada.account.id, lambda: None)
        await there.settle()
    there.heard(ada)
    found = [one for one in await look(there, "ada", limit=1000) if one.state == "bounced"]
    assert len(found) == KEPT
    newest = await look(there, "ada", id=f"b{KEPT + 2}")
    assert [one.state for one in newest if not one.incoming] == ["bounced"]
    assert newest[0].peer == "zoe@other.example"
    errors = {one.error for one in newest}
    assert "remote-server-not-found: the certificate has expired" in errors


async def test_a_message_of_a_group_is_traced_to_its_members(tmp_path: Path) -> None:
    async with groups(tmp_path) as there:
        ada = await there.person("ada/phone")
        ben = await there.person("ben/phone", receives=True)
        await there.make(ada)
        await there.affiliate(ada, {"ben": "member"})
        there.heard(ben)
        text = f"<message to='{GROUP}' type='groupchat' id='g1'><body>{_SECRET}</body></message>"
        await there.says(ada, text)
        assert len(there.heard(ben)) == 1
        for wanted in ({}, {"peer": GROUP}, {"peer": GROUP, "limit": 1}, {"id": "g1"}):
            found = (await look(there.room, "ben", **wanted))[0]
            assert (found.peer, found.state, found.what, found.type) == (GROUP, "group", "text", "groupchat")
            assert found.message == "g1"
            assert [one.message for one in await look(there.room, "ben", id=found.id)] == ["g1"]
        assert await look(there.room, "ben", peer="ada@localhost") == []
        assert _SECRET not in str(found)


async def test_tracing_is_bounded_ends_by_itself_and_leaves_others_alone(there: Room) -> None:
    ada, ben = await there.session("ada/phone"), await there.session("ben/phone")
    tracing, clock = there.node.get(Tracing), there.node.clock
    assert isinstance(clock, SetClock)
    tracing.start("ada@localhost", 1)
    assert type(ada) is TracedSession
    assert type(ben) is Session
    later = await there.session("ada/laptop")
    assert type(later) is TracedSession
    for number in range(MAX_EVENTS + 10):
        await there.says(ada, f"<message to='not an address' type='chat' id='{number}'/>")
    assert len(tracing.events("ada@localhost")) == MAX_EVENTS
    await there.says(ben, chat("ada@localhost", "x"))
    assert tracing.events("ben@localhost") == ()
    for number in range(MAX_TRACED - 1):
        tracing.start(f"u{number}@localhost", 72)
    with pytest.raises(OverflowError):
        tracing.start("ben@localhost", 1)
    clock.forward(3601)
    assert tracing.until("ada@localhost") == 0
    assert type(ada) is Session
    tracing.start("ben@localhost", 1)
    clock.forward(3601)
    await there.says(ben, chat("ada@localhost", "y"))  # the end is noticed by a message as well
    assert type(ben) is Session


async def test_a_message_of_a_full_queue_is_counted_once(there: Room) -> None:
    """What waits and is taken up again by the intake is not received twice."""
    ada, ben = await there.session("ada/phone"), await there.session("ben/phone")
    there.node.get(Tracing).start("ada@localhost", 1)
    for number in range(5):
        ada.receive(Stanza.from_bytes(chat("ben@localhost", str(number)).encode()))
    await there.settle()
    events = there.node.get(Tracing).events("ada@localhost")
    assert [event.message for event in events] == ["0", "1", "2", "3", "4"]
    assert len(there.heard(ben)) == 5
    found = await look(there, "ada", limit=10)
    assert {one.state for one in found} == {"delivered"}
