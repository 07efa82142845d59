"""What another server sends here is handled or refused, and known again: XEP-0198 and repetitions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kith.core.log.retries import key_of
from kith.wire.stanza import Stanza
from tests.conftest import RunningServer
from tests.federation.caller import SM, Caller
from tests.federation.test_kith_to_kith import online
from tests.federation.world import World, world
from tests.raw import RawClient, body, condition

UUID = "0b1f3c52-7a4e-4a8e-9b63-2f6d8f0c1a77"


@pytest.fixture(scope="module")
def one(here: World) -> Iterator[RunningServer]:
    with here.kith("one.test", strangers_per_hour="0") as server:
        yield server


@pytest.fixture(scope="module")
def certificate(here: World) -> tuple[Path, Path]:
    return here.authority.certificate("caller", names="two.test")


async def connected(server: RunningServer, certificate: tuple[Path, Path], managed: bool = True) -> Caller:
    caller = Caller(int(server.environ["KITH_FEDERATION_PORT"]))
    await caller.connect()
    await caller.encrypt(certificate)
    assert await caller.external() == ""
    await caller.begin()
    if managed:
        caller.send(f"<enable xmlns='{SM}'/>")
        answer = await caller.tag("enabled")
        assert answer.get("resume") is None
    return caller


@pytest.fixture
async def caller(one: RunningServer, certificate: tuple[Path, Path]) -> AsyncIterator[Caller]:
    made = await connected(one, certificate)
    yield made
    made.abort()


def message(text: str, id: str = "", more: str = "", sender: str = "ben@two.test/x") -> str:
    return (
        f"<message from='{sender}' to='ann@one.test' type='chat' id='{id or text}'><body>{text}</body>"
        f"{more}</message>"
    )


async def handled(caller: Caller) -> int:
    caller.send(f"<r xmlns='{SM}'/>")
    return int((await caller.tag("a")).get("h") or -1)


async def test_what_is_acknowledged_is_in_the_archive_after_a_kill(tmp_path: Path) -> None:
    with world(tmp_path) as here, here.kith("one.test", strangers_per_hour="0") as server:
        caller = await connected(server, here.authority.certificate("caller", names="two.test"))
        caller.send("".join(message(f"{number}") for number in range(20)))
        caller.send("<presence from='ben@two.test' to='ann@one.test'/>")
        count = 0
        while count < 21:
            count = await handled(caller)
        server.kill()
        server.start()
        ann = await online(server, "ann")
        assert [body(await ann.message()) for _ in range(20)] == [str(number) for number in range(20)]
        ann.abort()
        caller.abort()


async def test_a_message_is_not_acknowledged_before_the_other_server_has_its_refusal(
    here: World, one: RunningServer, caller: Caller
) -> None:
    """Else it would be lost if this server was killed then, and its sender would never learn of it."""
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    here.names.add("two.test", silent.sockets[0].getsockname()[1])
    try:
        assert await handled(caller) == 0
        caller.send(message("first") + message("x").replace("ann@", "nobody@") + message("last"))
        caller.send(f"<r xmlns='{SM}'/>")
        with pytest.raises(TimeoutError):
            await caller.tag("a", timeout=1)
        assert writers  # it has tried to send the refusal
    finally:
        for known in [known for known in here.names.zone if "two.test" in known[0]]:
            del here.names.zone[known]
        silent.close()
        for writer in writers:
            writer.close()
    # the other server does not exist any more: that is as good as if it had the refusal
    count = int((await caller.tag("a")).get("h") or -1)
    while count < 3:
        count = await handled(caller)
    assert count == 3


async def test_refused_stanzas_count_as_handled(one: RunningServer, caller: Caller) -> None:
    caller.send("<iq from='ben@two.test' to='one.test' type='get' id='q'><x xmlns='urn:unknown'/></iq>")
    caller.send(message("x").replace("ann@", "nobody@"))
    count = 0
    while count < 2:
        count = await handled(caller)
    assert count == 2


async def test_stream_management_is_for_servers_that_have_proved_themselves(
    one: RunningServer, certificate: tuple[Path, Path]
) -> None:
    async with Caller(int(one.environ["KITH_FEDERATION_PORT"])) as caller:
        await caller.encrypt(certificate)
        caller.send(f"<enable xmlns='{SM}'/>")
        assert (await caller.tag("failed"))[0].tag.endswith("unexpected-request")


async def test_nothing_is_resumed_or_enabled_twice(caller: Caller) -> None:
    caller.send(f"<resume xmlns='{SM}' previd='x' h='0'/>")
    assert (await caller.tag("failed"))[0].tag.endswith("item-not-found")
    caller.send(f"<enable xmlns='{SM}'/>")
    assert (await caller.tag("failed"))[0].tag.endswith("unexpected-request")
    caller.send(f"<a xmlns='{SM}' h='0'/>")
    assert await handled(caller) == 0


async def test_stanzas_before_stream_management_do_not_count(
    one: RunningServer, certificate: tuple[Path, Path]
) -> None:
    caller = await connected(one, certificate, managed=False)
    caller.send(message("before") + f"<enable xmlns='{SM}'/>" + message("after"))
    await caller.tag("enabled")
    count = 0
    while count < 1:
        count = await handled(caller)
    assert count == 1
    caller.abort()


async def test_a_server_that_stops_says_first_what_it_has(tmp_path: Path) -> None:
    with world(tmp_path) as here, here.kith("one.test", strangers_per_hour="0") as server:
        caller = await connected(server, here.authority.certificate("caller", names="two.test"))
        caller.send(message("hi"))
        count = 0
        while count < 1:
            count = await handled(caller)
        server.stop()
        assert (await caller.tag("a")).get("h") == "1"
        assert condition(await caller.tag("error")) == "system-shutdown"
        server.start()


async def test_a_server_that_stops_keeps_what_it_has_read(tmp_path: Path) -> None:
    with world(tmp_path) as here, here.kith("one.test", strangers_per_hour="0") as server:
        caller = await connected(server, here.authority.certificate("caller", names="two.test"))
        total = 3000
        caller.send("".join(message(f"{number}") for number in range(total)))
        await caller._writer.drain()
        while await handled(caller) < 1:
            pass
        server.stop()
        said = [int(e.get("h") or 0) for e in caller.inbox if e.tag == f"{{{SM}}}a"]
        await caller.end()
        said += [int(e.get("h") or 0) for e in caller.inbox if e.tag == f"{{{SM}}}a"]
        server.start()
        ann = await online(server, "ann")
        texts: list[str] = []
        while len(texts) < said[-1]:
            texts.append(body(await ann.message()))
        assert texts == [str(number) for number in range(len(texts))]
        caller.abort()
        ann.abort()


async def test_a_server_that_stops_waits_for_the_last_words_of_one_that_would_not_repeat_them(
    tmp_path: Path,
) -> None:
    """RFC 6120 §4.4: without stream management, what was written and not read would be lost."""
    with world(tmp_path) as here, here.kith("one.test", strangers_per_hour="0") as server:
        ann = await online(server, "ann")
        caller = await connected(
            server, here.authority.certificate("caller", names="two.test"), managed=False
        )
        caller.send(message("0"))
        await ann.message()
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        async with asyncio.timeout(10):
            while not caller.ending:
                await asyncio.sleep(0.01)
        for number in range(1, 2000):
            caller.send(message(f"{number}"))
        caller.send("</stream:stream>")
        await caller.end()
        assert await stopping == 0
        ann.abort()
        server.start()
        ann = await online(server, "ann")
        await ann.iq(
            "set",
            "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>"
            "<max>1</max><before/></set></query>",
        )
        last = [body(m) for r in ann.inbox for m in r.iter("{jabber:client}message") if m is not r]
        assert last[-1] == "1999"
        ann.abort()
        caller.abort()


async def received(one: RunningServer, caller: Caller, ann: RawClient, *stanzas: str) -> list[str]:
    """What ann gets of these stanzas."""
    before = await handled(caller)
    caller.send("".join(stanzas))
    while await handled(caller) < before + len(stanzas):
        pass
    await ann.ping()
    found = [body(e) for e in ann.inbox if e.tag.endswith("}message")]
    ann.inbox.clear()
    return found


async def test_a_repetition_by_another_server_is_delivered_once(one: RunningServer, caller: Caller) -> None:
    ann = await online(one, "ann")
    ann.inbox.clear()
    origin = "<origin-id xmlns='urn:xmpp:sid:0' id='{}'/>"
    delay = "<delay xmlns='urn:xmpp:delay' from='two.test' stamp='2026-01-01T00:00:00Z'/>"
    first = message("first", UUID)
    assert await received(one, caller, ann, first, first, message("first", UUID, delay)) == ["first"]
    named = message("named", "1", origin.format("o1"))
    assert await received(one, caller, ann, named, named) == ["named"]
    # from another device, with other content, or under an id that a counter may have made: not the same
    other = message("first", UUID, sender="ben@two.test/y")
    changed = message("changed", UUID)
    counted = message("counted", "17")
    assert await received(one, caller, ann, other, changed, counted, counted) == [
        "first",
        "changed",
        "counted",
        "counted",
    ]
    # without an id there is nothing to know it by
    nameless = message("nameless").replace(" id='nameless'", "")
    assert await received(one, caller, ann, nameless, nameless) == ["nameless", "nameless"]
    ann.abort()


def test_the_key_of_a_message_is_made_of_all_that_a_repetition_has_in_common() -> None:
    def key(text: str) -> bytes | None:
        return key_of(Stanza.from_bytes(text.encode()))

    one = key(message("a", UUID))
    assert one is not None
    assert one == key(message("a", UUID, "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>"))
    assert len({one, key(message("b", UUID)), key(message("a", UUID, sender="ben@two.test/y"))}) == 3
    assert key(message("a", "17")) is None
    assert key(message("a", "message-17")) is None
