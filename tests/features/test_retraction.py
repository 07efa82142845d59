"""XEP-0424: what its author retracts is gone from both archives, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from xml.etree.ElementTree import Element

import pytest

from tests.conftest import RunningServer
from tests.raw import CLIENT, RawClient, body, condition, online

RETRACT = "<retract id='{}' xmlns='urn:xmpp:message-retract:1'/>"
R = "{urn:xmpp:message-retract:1}"
_numbers = count()


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    for name in ("author", "reader", "mallory"):
        server.add_user(name)


@pytest.fixture
async def two(server: RunningServer, accounts: None) -> AsyncIterator[tuple[RawClient, RawClient]]:
    author, reader = await online(server.port, "author"), await online(server.port, "reader")
    yield author, reader
    author.abort()
    reader.abort()


async def say(client: RawClient, to: str, id: str, inside: str) -> None:
    client.send(f"<message to='{to}@localhost' type='chat' id='{id}'>{inside}</message>")
    await client.ping()


async def archive(client: RawClient) -> list[Element]:
    """The messages of the archive."""
    client.inbox.clear()
    await client.result("set", "<query xmlns='urn:xmpp:mam:2'/>")
    await asyncio.sleep(0)
    found = [m for r in client.inbox for m in r.iter(f"{CLIENT}message") if m is not r]
    client.inbox.clear()
    return found


async def buried(client: RawClient, id: str) -> None:
    """Waits until a tombstone is where the message was."""
    async with asyncio.timeout(60):
        while not any(
            m.get("id") == id and m.find(f"{R}retracted") is not None for m in await archive(client)
        ):
            await asyncio.sleep(0.05)


async def all_handled(author: RawClient, reader: str) -> None:
    """Waits until retractions that were sent before have been looked for: two others were, after them."""
    for number in range(2):
        id = f"last{next(_numbers)}-{number}"
        await say(author, reader, id, "<body>last</body>")
        await say(author, reader, f"undo-{id}", RETRACT.format(id))
        await buried(author, id)


async def test_a_tombstone_is_in_both_archives_and_the_retraction_too(
    two: tuple[RawClient, RawClient],
) -> None:
    author, _ = two
    await say(author, "reader", "oops", "<body>secret words</body><x xmlns='urn:x'>more of it</x>")
    await say(author, "reader", "fine", "<body>harmless</body>")
    await say(author, "reader", "undo", RETRACT.format("oops") + "<body>/me retracted</body>")
    await buried(author, "oops")
    for client in two:
        found = {m.get("id"): m for m in await archive(client)}
        stone = found["oops"].find(f"{R}retracted")
        assert stone is not None
        assert stone.get("id") == "undo"
        assert stone.get("stamp")
        assert [child.tag for child in found["oops"]] == [f"{R}retracted"]
        assert body(found["fine"]) == "harmless"
        assert found["undo"].find(f"{R}retract") is not None


async def test_nobody_else_can_retract(server: RunningServer, two: tuple[RawClient, RawClient]) -> None:
    author, reader = two
    mallory = await online(server.port, "mallory")
    await say(author, "reader", "mine", "<body>stays</body>")
    await say(reader, "author", "no", RETRACT.format("mine"))
    await say(mallory, "reader", "no", RETRACT.format("mine"))
    await all_handled(author, "reader")
    for client in two:
        assert "stays" in [body(m) for m in await archive(client)]
    mallory.abort()


async def test_who_was_away_never_gets_what_was_retracted(server: RunningServer, accounts: None) -> None:
    author = await online(server.port, "author")
    await say(author, "mallory", "regret", "<body>regrettable</body>")
    await say(author, "mallory", "undo2", RETRACT.format("regret"))
    await buried(author, "regret")
    mallory = await online(server.port, "mallory")
    await mallory.ping()
    messages = [e for e in mallory.inbox if e.tag == CLIENT + "message"]
    assert "regrettable" not in [body(m) for m in messages]
    assert [m.get("id") for m in messages if m.find(f"{R}retracted") is not None] == ["regret"]
    author.abort()
    mallory.abort()


async def test_the_retry_of_a_retracted_message_does_not_bring_it_back(
    two: tuple[RawClient, RawClient],
) -> None:
    author, reader = two
    id = "7a3c9b1e-52d4-4f0b-9c1d-2b7e8f604a15"  # one from a counter may be another message's
    inside = f"<body>once more</body><origin-id xmlns='urn:xmpp:sid:0' id='{id}'/>"
    await say(author, "reader", id, inside)
    await say(author, "reader", "undo3", RETRACT.format(id))
    await buried(author, id)
    await say(author, "reader", id, inside)
    assert "once more" not in [body(m) for m in await archive(reader)]


async def test_a_retraction_of_nothing_changes_nothing(two: tuple[RawClient, RawClient]) -> None:
    author, reader = two
    before = len(await archive(reader))
    await say(author, "reader", "undo4", RETRACT.format("never"))
    await say(author, "reader", "undo5", "<retract xmlns='urn:xmpp:message-retract:1'/>")
    await all_handled(author, "reader")
    found = await archive(reader)
    assert len(found) == before + 6
    assert sum(m.find(f"{R}retracted") is not None for m in found[before:]) == 2


async def test_server_and_account_say_that_they_know_it(two: tuple[RawClient, RawClient]) -> None:
    author, _ = two
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    own = {e.get("var") for e in (await author.iq("get", info))[0]}
    assert {"urn:xmpp:message-retract:1", "urn:xmpp:message-retract:1#tombstone"} <= own
    unknown = await author.iq("get", info, "nobody@localhost")
    assert condition(unknown) == "service-unavailable"


async def test_who_keeps_no_archive_can_retract_from_those_of_others(server: RunningServer) -> None:
    server.add_user("private")
    server.add_user("collector")
    author, reader = await online(server.port, "private"), await online(server.port, "collector")
    never = "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>"
    assert (await author.iq("set", never)).get("type") == "result"
    await say(author, "collector", "a&amp;b", "<body>secret</body>")
    await say(author, "collector", "undo6", RETRACT.format("a&amp;b"))
    await buried(reader, "a&b")
    assert "secret" not in [body(m) for m in await archive(reader)]
    assert not await archive(author)
    author.abort()
    reader.abort()
