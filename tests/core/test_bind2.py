"""XEP-0386 and XEP-0198 §9: the login brings a session, with its features on, or brings the old one back."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from uuid import uuid4
from xml.etree.ElementTree import Element

import pytest

from tests.conftest import RunningServer, running
from tests.core.test_stream_management import text
from tests.raw import RawClient, authenticate, body, condition, online

BIND2 = "urn:xmpp:bind:0"
SM = "urn:xmpp:sm:3"
MAM = "urn:xmpp:mam:2"
BIND = f"<bind xmlns='{BIND2}'/>"
_numbers = count()


def bind(inside: str = "", tag: str = "") -> str:
    return f"<bind xmlns='{BIND2}'>{f'<tag>{tag}</tag>' if tag else ''}{inside}</bind>"


ENABLE = f"<enable xmlns='{SM}' resume='true'/>"


@pytest.fixture
def names(server: RunningServer) -> tuple[str, str]:
    number = next(_numbers)
    for name in (f"ada{number}", f"ben{number}"):
        server.add_user(name)
    return f"ada{number}", f"ben{number}"


async def login(server: RunningServer, user: str, inline: str = BIND, agent: str = "") -> RawClient:
    client = RawClient(server.port)
    await client.connect()
    await client.login2(user, inline, agent=agent)
    return client


def resume(token: str, h: int) -> str:
    return f"<resume xmlns='{SM}' previd='{token}' h='{h}'/>"


def bound(client: RawClient) -> Element:
    found = client.success.find(f"{{{BIND2}}}bound")
    assert found is not None
    return found


def enabled(client: RawClient) -> str:
    found = bound(client).find(f"{{{SM}}}enabled")
    assert found is not None
    assert found.get("resume") == "true"
    return found.get("id") or ""


async def test_the_resource_begins_with_the_tag_and_hides_the_device(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, _ = names
    agent = str(uuid4())
    seen = []
    for _ in range(2):
        client = await login(server, ada, bind(tag="Kith"), agent)
        assert client.jid.startswith(f"{ada}@localhost/Kith/")
        assert agent not in client.jid
        assert agent.replace("-", "")[:8] not in client.jid
        seen.append(client.jid)
        client.send("</stream:stream>")
        await client.end()
    assert seen[0] == seen[1]  # the same device keeps its address
    assert (await login(server, ada, bind(tag="Kith"), str(uuid4()))).jid not in seen
    assert (await login(server, ada, bind(tag="Kith"))).jid not in seen
    assert (await login(server, ada, bind(tag="Other"), agent)).jid not in seen


async def test_a_tag_that_can_be_no_resource_is_left_out(
    server: RunningServer, names: tuple[str, str]
) -> None:
    client = await login(server, names[0], bind(tag="\u0378"))
    assert "\u0378" not in client.jid
    long = await login(server, names[0], bind(tag="x" * 3000))
    assert len(long.jid) < 200
    await long.ping()


async def test_a_device_that_comes_again_ends_its_older_session_alone(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, _ = names
    phone, laptop = str(uuid4()), str(uuid4())
    old = await login(server, ada, bind(tag="One"), phone)
    other = await login(server, ada, bind(tag="One"), laptop)
    nameless = await login(server, ada)
    new = await login(server, ada, bind(tag="Two"), phone)
    assert condition(await old.tag("error")) == "conflict"
    await old.end()
    for client in (other, nameless, new):
        await client.ping()


async def test_a_session_that_waits_for_its_device_ends_when_that_binds_anew(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    agent = str(uuid4())
    old = await login(server, ada, bind(ENABLE), agent)
    await old.available()
    old.abort()
    sender = await online(server.port, ben)
    sender.send(text(old.bare, "for the one that waits"))
    await sender.ping()
    new = await login(server, ada, bind(ENABLE), agent)
    end = bound(new).find(f"{{{MAM}}}metadata/{{{MAM}}}end")
    assert end is not None  # it is in the archive, where the client looks
    await new.available()
    await new.expect_nothing()
    gone = await login(server, ada, resume(enabled(old), 0))
    failed = gone.success.find(f"{{{SM}}}failed")
    assert failed is not None


async def test_carbons_are_on_from_the_start(server: RunningServer, names: tuple[str, str]) -> None:
    ada, ben = names
    phone = await login(server, ada, bind("<enable xmlns='urn:xmpp:carbons:2'/>"))
    quiet = await login(server, ada)
    for client in (phone, quiet):
        await client.available()
    sender = await online(server.port, ben)
    sender.send(f"<message to='{quiet.jid}' type='chat'><body>hello</body></message>")
    assert body(await quiet.message()) == "hello"
    assert (await phone.message())[0].tag == "{urn:xmpp:carbons:2}received"
    sender.send(f"<message to='{phone.jid}' type='chat'><body>again</body></message>")
    assert body(await phone.message()) == "again"
    await quiet.expect_nothing()


async def test_stream_management_counts_from_the_login_on(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    client = await login(server, ada, bind(ENABLE))
    assert enabled(client)
    client.send(text(f"{ben}@localhost", "one") + "<presence/>" + f"<r xmlns='{SM}'/>")
    assert (await client.tag("a")).get("h") == "2"
    client.send(f"<enable xmlns='{SM}'/>")
    assert (await client.tag("failed"))[0].tag.endswith("unexpected-request")


async def test_a_session_is_resumed_with_the_login(server: RunningServer, names: tuple[str, str]) -> None:
    ada, ben = names
    old = await login(server, ada, bind(ENABLE))
    await old.available()
    sender = await online(server.port, ben)
    sender.send(text(old.bare, "n0"))
    assert body(await old.message()) == "n0"
    handled = 3  # its presence, the ping's result and the message
    old.abort()
    for number in range(1, 4):
        sender.send(text(old.bare, f"n{number}"))
    await sender.ping()
    back = await login(server, ada, resume(enabled(old), handled) + bind(ENABLE, "Ignored"))
    resumed = back.success.find(f"{{{SM}}}resumed")
    assert resumed is not None
    assert resumed.get("h") == "2"  # presence and ping
    assert back.success.find(f"{{{BIND2}}}bound") is None
    assert back.jid == old.jid
    assert back.flights == 1
    assert [body(await back.message()) for _ in range(3)] == ["n1", "n2", "n3"]
    await back.tag("features")  # those before the login
    assert not [e for e in back.inbox if e.tag.endswith("features")]
    await back.ping()
    assert condition_of_resuming(await login(server, ben, resume(enabled(old), 0) + BIND)) == "item-not-found"


def condition_of_resuming(client: RawClient) -> str:
    failed = client.success.find(f"{{{SM}}}failed")
    assert failed is not None
    return failed[0].tag.partition("}")[2]


async def test_where_nothing_can_be_resumed_a_resource_is_bound(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, _ = names
    client = await login(server, ada, resume("nonsense", 5) + bind(ENABLE))
    assert condition_of_resuming(client) == "item-not-found"
    assert enabled(client)
    await client.available()
    alone = await login(server, ada, resume("nonsense", 5))
    assert condition_of_resuming(alone) == "item-not-found"
    assert alone.jid == f"{ada}@localhost"
    await alone.bind("old")
    await alone.ping()


async def test_who_claims_more_than_it_was_sent_does_not_resume(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, _ = names
    old = await login(server, ada, bind(ENABLE))
    back = RawClient(server.port)
    await back.connect()
    back.open(then=authenticate(ada, inline=resume(enabled(old), 99)))
    await back.succeeded()
    assert condition_of_resuming(back) == "bad-request"
    back.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{enabled(old)}' h='0'/>")
    assert (await back.tag("resumed")).get("previd") == enabled(old)


async def test_the_archive_is_described_and_not_sent_again(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    empty = await login(server, ada)
    metadata = bound(empty).find(f"{{{MAM}}}metadata")
    assert metadata is not None
    assert not len(metadata)
    empty.send("</stream:stream>")
    await empty.end()
    sender = await online(server.port, ben)
    for words in ("first", "second"):
        sender.send(text(f"{ada}@localhost", words))
    sender.send(f"<message to='{ada}@localhost'><unknown xmlns='urn:example:kept'/></message>")
    await sender.ping()
    client = await login(server, ada)
    sender.send(text(f"{ada}@localhost", "third"))
    await sender.ping()
    metadata = bound(client).find(f"{{{MAM}}}metadata")
    assert metadata is not None
    ids = [end.get("id") for end in metadata]
    result = await client.iq("set", f"<query xmlns='{MAM}'/>")
    assert result.find(f"{{{MAM}}}fin") is not None
    pages = [await client.message() for _ in range(3)]
    found = [page[0].get("id") for page in pages]
    assert ids == [found[0], found[1]]  # at the moment of binding
    await client.available()
    # what only delivery keeps is delivered, and nothing else: the rest was read
    kept = await client.message()
    assert kept.find("{urn:example:kept}unknown") is not None
    await client.expect_nothing()


async def test_what_comes_between_binding_and_presence_is_delivered(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    sender = await online(server.port, ben)
    sender.send(text(f"{ada}@localhost", "before"))
    await sender.ping()
    client = await login(server, ada)
    sender.send(text(f"{ada}@localhost", "between"))
    await sender.ping()
    await client.available()
    assert body(await client.message()) == "between"
    await client.expect_nothing()


async def test_no_account_has_too_many_sessions(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("few") / "data", max_sessions="2") as server:
        server.add_user("ada")
        first, second = await login(server, "ada"), await login(server, "ada")
        third = RawClient(server.port)
        await third.connect()
        third.open(then=authenticate("ada", inline=BIND))
        assert condition(await third.tag("error")) == "resource-constraint"
        for client in (first, second):
            await client.ping()


def _pause(seconds: float) -> None:
    """Finer than the loop can."""
    time.sleep(seconds)


async def test_logins_that_are_cut_leave_no_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("cut") / "data", max_sessions="2") as server:
        names = ("ada", "ben", "cem", "dan")  # each may be cut 20 times before its logins are refused
        for name in names:
            server.add_user(name)
        for turn in range(60):
            client = RawClient(server.port)
            await client.connect()
            client.open(then=authenticate(names[turn % 4], inline=bind(), agent=str(uuid4())))
            await client._writer.drain()
            _pause(turn * 0.00003)
            client.abort()
            await asyncio.sleep(0.01)
        for name in names:
            for _ in range(2):
                await (await login(server, name)).ping()


async def test_what_follows_a_login_in_more_packets_is_handled_in_order(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    receiver = await online(server.port, ben)
    for turn in range(10):
        client = RawClient(server.port)
        await client.connect()
        client.open(then=authenticate(ada, inline=bind(ENABLE)))
        for number in range(20):
            client.send(text(receiver.bare, f"{turn}:{number}"))
            await client._writer.drain()
            await asyncio.sleep(0.0005)
        client.send(f"<r xmlns='{SM}'/>")
        found = [body(await receiver.message()) for _ in range(20)]
        assert found == [f"{turn}:{number}" for number in range(20)]
        assert (await client.tag("a")).get("h") == "20"
        assert client.inbox[1].tag.endswith("success")
        client.abort()
