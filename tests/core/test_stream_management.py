"""XEP-0198: nothing that was acknowledged is lost, nothing that was not is forgotten."""

from __future__ import annotations

import asyncio
from itertools import count
from xml.etree.ElementTree import Element

import pytest

from kith.core.actors.sm import MAX_UNASKED
from tests.conftest import RunningServer
from tests.raw import CLIENT, RawClient, body, condition, online

SM = "urn:xmpp:sm:3"
_numbers = count()


@pytest.fixture
def names(server: RunningServer) -> tuple[str, str]:
    number = next(_numbers)
    for name in (f"ada{number}", f"ben{number}"):
        server.add_user(name)
    return f"ada{number}", f"ben{number}"


def text(to: str, words: str, origin: str = "") -> str:
    extra = f"<origin-id xmlns='urn:xmpp:sid:0' id='{origin}'/>" if origin else ""
    return f"<message to='{to}' type='chat'><body>{words}</body>{extra}</message>"


async def enabled(client: RawClient) -> Element:
    client.send(f"<enable xmlns='{SM}' resume='true'/>")
    return await client.tag("enabled")


async def resume(server: RunningServer, user: str, token: str, h: int) -> RawClient:
    client = RawClient(server.port)
    await client.connect()
    await client.login(user)
    client.send(f"<resume xmlns='{SM}' previd='{token}' h='{h}'/>")
    return client


async def test_the_server_counts_what_it_has_handled(server: RunningServer, names: tuple[str, str]) -> None:
    ada, ben = names
    client = await online(server.port, ada, presence=None)
    assert (await enabled(client)).get("resume") == "true"
    for number in range(3):
        client.send(text(f"{ben}@localhost", f"n{number}"))
    client.send("<presence/>")
    client.send(f"<r xmlns='{SM}'/>")
    assert (await client.tag("a")).get("h") == "4"


async def test_what_is_asked_in_one_flight_with_enable_is_answered_after_it(
    server: RunningServer, names: tuple[str, str]
) -> None:
    """It was ``<failed/>``, which to a client means that there is no stream management."""
    ada, ben = names
    client = await online(server.port, ada, presence=None)
    before = "".join(text(f"{ben}@localhost", f"n{number}") for number in range(5))
    after = "".join(text(f"{ben}@localhost", f"m{number}") for number in range(3))
    client.send(f"{before}<enable xmlns='{SM}' resume='true'/>{after}<r xmlns='{SM}'/>")
    assert (await client.tag("enabled")).get("resume") == "true"
    assert (await client.tag("a")).get("h") == "3"
    client.send(f"<presence/><r xmlns='{SM}'/>")
    assert (await client.tag("a")).get("h") == "4"
    assert not [element for element in client.inbox if element.tag.endswith("}failed")]


async def test_without_stream_management_there_is_nothing_to_be_asked(
    server: RunningServer, names: tuple[str, str]
) -> None:
    client = await online(server.port, names[0], presence=None)
    client.send(f"<r xmlns='{SM}'/>")
    assert (await client.tag("failed"))[0].tag.endswith("}unexpected-request")
    await client.ping()


@pytest.mark.parametrize("known", [True, False])
async def test_a_resume_in_the_namespace_of_stanzas_is_answered_as_one(
    server: RunningServer, names: tuple[str, str], known: bool
) -> None:
    """QXmpp sends it so (Kaidan 0.8). After a stream error it would never come back."""
    client = await online(server.port, names[0])
    token = (await enabled(client)).get("id") or ""
    client.abort()
    back = RawClient(server.port)
    await back.connect()
    await back.login(names[0])
    back.send(f"<resume h='0' previd='{token if known else ''}'/>")
    if known:
        assert (await back.tag("resumed")).get("previd") == token
    else:
        failed = await back.tag("failed")
        assert failed.tag == f"{{{SM}}}failed"
        assert [child.tag.partition("}")[2] for child in failed] == ["item-not-found"]
        await back.bind()
    await back.ping()


async def test_a_cut_connection_resumes_and_gets_what_it_missed_in_order(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    sender = await online(server.port, ada)
    receiver = await online(server.port, ben, "phone")
    token = (await enabled(receiver)).get("id") or ""
    sender.send(text(receiver.bare, "n0"))
    assert body(await receiver.message()) == "n0"
    receiver.abort()
    for number in range(1, 6):
        sender.send(text(receiver.bare, f"n{number}"))
    await sender.ping()
    back = await resume(server, ben, token, 1)
    resumed = await back.tag("resumed")
    assert resumed.get("h") == "0"
    assert [body(await back.message()) for _ in range(5)] == [f"n{number}" for number in range(1, 6)]
    back.jid = receiver.jid
    await back.expect_nothing()
    # contacts never saw it go, and it is the same session
    sender.send(text(receiver.jid, "still you"))
    assert body(await back.message()) == "still you"


async def test_a_session_that_is_taken_over_leaves_its_old_connection(
    server: RunningServer, names: tuple[str, str]
) -> None:
    old = await online(server.port, names[0])
    token = (await enabled(old)).get("id") or ""
    new = await resume(server, names[0], token, 0)
    await new.tag("resumed")
    await old.end()


async def test_what_was_never_acknowledged_is_delivered_to_the_next_session(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    sender = await online(server.port, ada)
    receiver = await online(server.port, ben, "phone")
    await enabled(receiver)
    for number in range(4):
        sender.send(text(receiver.bare, f"n{number}"))
    for _ in range(4):
        await receiver.message()
    receiver.send(f"<a xmlns='{SM}' h='2'/>")
    await receiver.ping()
    receiver.send("</stream:stream>")
    await receiver.end()
    again = await online(server.port, ben, "laptop")
    assert [body(await again.message()) for _ in range(2)] == ["n2", "n3"]
    await again.expect_nothing()


async def test_a_failed_resumption_and_the_retry_make_no_duplicate(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    receiver = await online(server.port, ben)
    sender = await online(server.port, ada)
    await enabled(sender)
    sender.send(text(receiver.bare, "once", "o1"))
    assert body(await receiver.message()) == "once"
    sender.abort()
    back = await resume(server, ada, "no-such-session", 0)
    assert (await back.tag("failed"))[0].tag.endswith("item-not-found")
    await back.bind()
    back.send(text(receiver.bare, "once", "o1"))
    back.send(text(receiver.bare, "twice", "o2"))
    assert body(await receiver.message()) == "twice"
    await receiver.expect_nothing()


async def test_a_token_is_worth_nothing_to_another_account(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    client = await online(server.port, ada)
    token = (await enabled(client)).get("id") or ""
    thief = await resume(server, ben, token, 0)
    assert (await thief.tag("failed")) is not None
    await client.ping()


async def test_acknowledging_what_was_never_sent_ends_the_stream(
    server: RunningServer, names: tuple[str, str]
) -> None:
    client = await online(server.port, names[0])
    await enabled(client)
    client.send(f"<a xmlns='{SM}' h='99'/>")
    error = await client.tag("error")
    assert condition(error) == "undefined-condition"
    too_high = error.find(f"{{{SM}}}handled-count-too-high")
    assert too_high is not None
    assert too_high.attrib == {"h": "99", "send-count": "0"}
    await client.end()


@pytest.mark.parametrize("h", ["x", "-1", "", "1_0", "\u0661", " 0", "99999999999"])
async def test_an_acknowledgement_that_is_no_number_ends_the_stream(server: RunningServer, h: str) -> None:
    server.add_user("numbers")
    client = await online(server.port, "numbers")
    await enabled(client)
    client.send(f"<a xmlns='{SM}' h='{h}'/>")
    assert condition(await client.tag("error")) == "bad-format"
    await client.end()


@pytest.mark.parametrize(
    "h", [None, "", "x", "-1", "1", "4294967295", "4294967296", "99999999999", "\u0660", "0x0"]
)
async def test_a_wrong_count_at_a_resumption_leaves_the_session(
    server: RunningServer, names: tuple[str, str], h: str | None
) -> None:
    """It goes on, connected or not, and can be resumed with the right count (XEP-0198 §5)."""
    ada, ben = names
    client = await online(server.port, ada, "phone")
    token = (await enabled(client)).get("id") or ""
    written = f" h='{h}'" if h is not None else ""
    for connected in (True, False):
        other = RawClient(server.port)
        await other.connect()
        await other.login(ada)
        other.send(f"<resume xmlns='{SM}' previd='{token}'{written}/>")
        failed = await other.tag("failed")
        assert [child.tag for child in failed] == ["{urn:ietf:params:xml:ns:xmpp-stanzas}bad-request"]
        if connected:
            assert not client.closed
            await other.bind("laptop")
            other.abort()
            client.abort()
        else:
            other.send(f"<resume xmlns='{SM}' previd='{token}' h='0'/>")
            assert (await other.tag("resumed")).get("previd") == token
            sender = await online(server.port, ben)
            sender.send(text(client.jid, "there"))
            assert body(await other.message()) == "there"


async def test_stream_management_before_binding_is_refused(
    server: RunningServer, names: tuple[str, str]
) -> None:
    client = RawClient(server.port)
    await client.connect()
    await client.login(names[0])
    client.send(f"<enable xmlns='{SM}'/>")
    assert (await client.tag("failed"))[0].tag.endswith("unexpected-request")
    await client.bind()
    await enabled(client)
    client.send(f"<enable xmlns='{SM}'/>")
    assert (await client.tag("failed"))[0].tag.endswith("unexpected-request")


async def test_stanzas_sent_just_before_the_cut_are_counted_when_it_resumes(
    server: RunningServer, names: tuple[str, str]
) -> None:
    """The count covers what the old connection had received, committed or not yet."""
    ada, ben = names
    receiver = await online(server.port, ben)
    for round in range(5):
        sender = await online(server.port, ada, "phone")
        token = (await enabled(sender)).get("id") or ""
        for number in range(50):
            sender.send(text(receiver.bare, f"r{round}n{number}"))
        await sender._writer.drain()
        await asyncio.sleep(0.002 * round)
        sender.abort()
        back = await resume(server, ada, token, 0)
        handled = int((await back.tag("resumed")).get("h") or -1)
        assert 0 <= handled <= 50
        for number in range(handled, 50):
            back.send(text(receiver.bare, f"r{round}n{number}"))
        got = [body(await receiver.message()) for _ in range(50)]
        assert got == [f"r{round}n{number}" for number in range(50)]
        back.send("</stream:stream>")
        await back.end()
    assert not [e for e in receiver.inbox if e.tag == CLIENT + "message"]


async def test_a_client_is_asked_about_messages_and_not_about_each_bit_of_chatter(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    sender = await online(server.port, ada)
    receiver = await online(server.port, ben, "phone")
    await enabled(receiver)

    def typing() -> None:
        state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
        sender.send(f"<message to='{receiver.bare}' type='chat'>{state}</message>")

    def questions() -> int:
        return sum(element.tag == f"{{{SM}}}r" for element in receiver.inbox)

    for _ in range(MAX_UNASKED - 2):
        typing()
        await receiver.message()
    await receiver.ping()  # its answer is the last that may wait
    assert questions() == 0
    typing()
    await receiver.message()
    await receiver.take(lambda element: element.tag == f"{{{SM}}}r")  # there are several now
    receiver.send(f"<a xmlns='{SM}' h='{MAX_UNASKED}'/>")
    typing()
    await receiver.message()
    await receiver.ping()
    assert questions() == 0
    sender.send(text(receiver.bare, "this matters"))
    await receiver.message()
    await receiver.take(lambda element: element.tag == f"{{{SM}}}r")


async def test_chatter_that_was_not_asked_about_comes_again_after_a_resumption(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = names
    sender = await online(server.port, ada)
    receiver = await online(server.port, ben, "phone")
    token = (await enabled(receiver)).get("id") or ""
    state = "<message to='{}' type='chat'><{} xmlns='http://jabber.org/protocol/chatstates'/></message>"
    for name in ("composing", "paused"):
        sender.send(state.format(receiver.bare, name))
        await receiver.message()
    receiver.abort()  # it has handled one of them
    back = await resume(server, ben, token, 1)
    await back.tag("resumed")
    assert (await back.message())[0].tag.endswith("paused")
    back.jid = receiver.jid
    await back.expect_nothing()


async def test_a_request_to_a_client_is_asked_about(server: RunningServer, names: tuple[str, str]) -> None:
    ada, ben = names
    sender = await online(server.port, ada)
    receiver = await online(server.port, ben, "phone")
    await enabled(receiver)
    sender.send(f"<iq type='get' id='q' to='{receiver.jid}'><ping xmlns='urn:xmpp:ping'/></iq>")
    request = await receiver.take(lambda element: element.get("id") == "q")
    assert request.get("type") == "get"
    await receiver.take(lambda element: element.tag == f"{{{SM}}}r")
