"""A restart is a lost connection to clients that can resume (XEP-0198 §5): nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import RunningServer, running
from tests.core.test_stream_management import enabled, resume, text
from tests.core.test_websocket import WebClient, plain
from tests.raw import CLIENT, Gone, RawClient, body, condition, online

SM = "{urn:xmpp:sm:3}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running(tmp_path / "data") as server:
        for name in ("ada", "ben"):
            server.add_user(name)
        yield server
        assert "level=error" not in server.log.read_text()


async def restart(server: RunningServer) -> None:
    assert await asyncio.to_thread(server.stop) == 0
    await asyncio.to_thread(server.start)


async def resumed(server: RunningServer, user: str, token: str, h: int) -> tuple[RawClient, Element]:
    client = await resume(server, user, token, h)
    client.bare = f"{user}@localhost"
    return client, await client.tag("resumed")


async def test_a_session_goes_on_after_a_restart_with_what_was_not_acknowledged(
    server: RunningServer,
) -> None:
    ada, ben = await online(server.port, "ada", "phone"), await online(server.port, "ben", "phone")
    token = (await enabled(ada)).get("id") or ""
    other = (await enabled(ben)).get("id") or ""
    ada.send(text("ben@localhost", "before"))
    assert body(await ben.message()) == "before"
    assert await asyncio.to_thread(server.stop) == 0
    assert int((await ada.take(lambda e: e.tag == f"{SM}a")).get("h") or "") == 1  # unasked
    for client in (ada, ben):
        await client.end()
        assert not [e for e in client.inbox if e.tag.endswith("error")]
    server.start()
    ben, answer = await resumed(server, "ben", other, 0)  # has got it, and did not say so
    assert answer.get("h") == "0"
    assert body(await ben.message()) == "before"
    ada, answer = await resumed(server, "ada", token, 0)
    assert answer.get("h") == "1"
    ada.send(text("ben@localhost", "after"))
    assert body(await ben.message()) == "after"
    ben.send(f"<a xmlns='urn:xmpp:sm:3' h='2'/>{text('ada@localhost', 'yes')}")
    assert body(await ada.message()) == "yes"
    await ben.expect_nothing()


async def test_nobody_sees_a_kept_session_go(server: RunningServer) -> None:
    one, two = await online(server.port, "ada", "one"), await online(server.port, "ada", "two")
    await one.available()
    await two.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    first, second = (await enabled(one)).get("id") or "", (await enabled(two)).get("id") or ""
    await restart(server)
    one, _ = await resumed(server, "ada", first, 0)
    two, _ = await resumed(server, "ada", second, 0)
    one.send(text("ben@localhost", "a copy for two"))
    copy = await two.message()  # carbons are on as they were
    inner = copy.find(f".//{CLIENT}body")
    assert inner is not None
    assert inner.text == "a copy for two"
    for client in (one, two):
        await client.ping()
        assert not [e for e in client.inbox if e.get("type") == "unavailable"]


async def test_a_session_can_be_resumed_once_after_a_stop_and_never_after_a_crash(
    server: RunningServer,
) -> None:
    ada, ben = await online(server.port, "ada", "phone"), await online(server.port, "ben")
    token = (await enabled(ada)).get("id") or ""
    ben.send(text(ada.bare, "hello"))
    assert body(await ada.message()) == "hello"
    await restart(server)
    server.kill()  # before anybody came back: what it has kept is from an older state now
    server.start()
    ada = await resume(server, "ada", token, 0)
    assert (await ada.tag("failed"))[0].tag.endswith("item-not-found")
    await ada.bind("phone")
    await ada.available()
    assert body(await ada.message()) == "hello"  # it was never acknowledged
    await ada.expect_nothing()


async def test_what_another_device_has_got_is_not_sent_again_after_a_restart(server: RunningServer) -> None:
    sleeper, ben = await online(server.port, "ada", "sleeper"), await online(server.port, "ben")
    await enabled(sleeper)
    sleeper.abort()
    awake = await online(server.port, "ada", "awake")
    ben.send(text("ada@localhost", "one"))
    assert body(await awake.message()) == "one"
    await restart(server)
    fresh = await online(server.port, "ada", "fresh")
    await fresh.expect_nothing()


async def test_a_session_is_not_kept_longer_than_it_would_have_waited(tmp_path: Path) -> None:
    with running(tmp_path / "data", resume_timeout="1") as server:
        server.add_user("ada")
        ada = await online(server.port, "ada", "phone")
        token = (await enabled(ada)).get("id") or ""
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.sleep(1.2)
        server.start()
        ada = await resume(server, "ada", token, 0)
        await ada.tag("failed")


async def test_who_can_not_resume_is_told_that_the_server_stops(server: RunningServer) -> None:
    plain, managed = await online(server.port, "ada", "plain"), await online(server.port, "ada", "managed")
    managed.send("<enable xmlns='urn:xmpp:sm:3'/>")
    await managed.tag("enabled")
    assert await asyncio.to_thread(server.stop) == 0
    for client in (plain, managed):
        assert condition(await client.tag("error")) == "system-shutdown"
        await client.end()


async def test_a_browser_is_told_that_the_service_restarts_and_goes_on(server: RunningServer) -> None:
    ben = await online(server.port, "ben")
    async with plain(server) as connection:
        client = WebClient(connection)
        await client.login("ada")
        await client.send("<presence xmlns='jabber:client'/>")
        await client.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        token = (await client.take("enabled")).get("id")
        ben.send(text("ada@localhost", "one"))
        assert body(await client.take("message")) == "one"
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        with pytest.raises(ConnectionClosed) as closed:
            await client.take("error")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert await stopping == 0
    await asyncio.to_thread(server.start)
    async with plain(server) as connection:
        client = WebClient(connection)
        await client.authenticate("ada")
        await client.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='0'/>")
        await client.take("resumed")
        assert body(await client.take("message")) == "one"


async def test_messages_on_their_way_when_it_stops_arrive_once(server: RunningServer) -> None:
    """A sender that writes on and on sends again what the last count does not cover."""
    ada, ben = await online(server.port, "ada", "phone"), await online(server.port, "ben", "phone")
    token = (await enabled(ada)).get("id") or ""
    other = (await enabled(ben)).get("id") or ""
    stopping = asyncio.create_task(asyncio.to_thread(server.stop))
    sent = 0
    while not ada.closed and sent < 900:  # ben may leave a thousand unacknowledged
        ada.send(text("ben@localhost", f"n{sent}"))
        sent += 1
        await asyncio.sleep(0.001)
    assert await stopping == 0
    got = [body(e) for e in ben.inbox if e.tag == f"{CLIENT}message"]
    server.start()
    ada, answer = await resumed(server, "ada", token, 0)
    handled = int(answer.get("h") or "")
    assert 0 < handled <= sent
    for number in range(handled, sent):
        ada.send(text("ben@localhost", f"n{number}"))
    await ada.ping()
    ben, _ = await resumed(server, "ben", other, len(got))
    while len(got) < sent:
        got.append(body(await ben.message()))
    assert got == [f"n{number}" for number in range(sent)]
    with pytest.raises((Gone, TimeoutError)):
        await ben.message(0.3)


async def test_a_restart_in_the_middle_of_a_call_is_not_noticed(server: RunningServer) -> None:
    def signal(name: str, to: str) -> str:
        return f"<message to='{to}' type='chat'><{name} xmlns='urn:xmpp:jingle-message:0' id='c'/></message>"

    def candidate(id: str, to: str) -> str:
        action = "action='transport-info' sid='c'"
        return f"<iq type='set' id='{id}' to='{to}'><jingle xmlns='urn:xmpp:jingle:1' {action}/></iq>"

    ada, ben = await online(server.port, "ada", "phone"), await online(server.port, "ben", "phone")
    token = (await enabled(ada)).get("id") or ""
    other = (await enabled(ben)).get("id") or ""
    ada.send(signal("propose", "ben@localhost"))
    await ben.message()
    ben.send(signal("proceed", ada.jid))
    await ada.message()
    ada.send(candidate("lost", "ben@localhost/phone"))
    await ben.take(lambda e: e.get("id") == "lost")  # it comes, and is not acknowledged, as in a bad moment
    await restart(server)
    ben, _ = await resumed(server, "ben", other, 1)
    assert (await ben.take(lambda e: e.get("id") == "lost")).get("from") == "ada@localhost/phone"
    ben.send("<iq type='result' id='lost' to='ada@localhost/phone'/>")
    ada, _ = await resumed(server, "ada", token, 1)
    assert (await ada.take(lambda e: e.get("id") == "lost")).get("type") == "result"
    ben.send(signal("finish", "ada@localhost/phone"))
    assert (await ada.message())[0].tag.endswith("finish")
