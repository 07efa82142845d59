"""Who gets a message, and what becomes of it (RFC 6121 §8, promises 1 to 3)."""

from __future__ import annotations

import pytest

from tests.conftest import RunningServer
from tests.raw import CLIENT, RawClient, body, condition, online

STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
DELAY = "{urn:xmpp:delay}delay"
ORIGIN = "<origin-id xmlns='urn:xmpp:sid:0' id='%s'/>"


@pytest.fixture
def people(server: RunningServer) -> tuple[str, str]:
    """Two fresh accounts' names."""
    number = people_count.pop()
    names = (f"ada{number}", f"ben{number}")
    for name in names:
        server.add_user(name)
    return names


people_count = list(range(1000))


def text(to: str, words: str, extra: str = "", type: str = "chat") -> str:
    return f"<message to='{to}' type='{type}'><body>{words}</body>{extra}</message>"


async def test_a_message_to_a_bare_address_reaches_every_available_session(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    sender = await online(server.port, ada)
    phone, laptop = await online(server.port, ben, "phone"), await online(server.port, ben, "laptop")
    sender.send(text(f"{ben}@localhost", "hello"))
    for session in (phone, laptop):
        got = await session.message()
        assert body(got) == "hello"
        assert got.get("from") == sender.jid
        assert got.find(STANZA_ID).get("by") == f"{ben}@localhost"
        assert got.find(DELAY) is None


async def test_a_session_of_negative_priority_gets_only_what_is_addressed_to_it(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    sender = await online(server.port, ada)
    shy = await online(server.port, ben, "shy", "<priority>-1</priority>")
    sender.send(text(f"{ben}@localhost", "for all"))
    sender.send(text(shy.jid, "for you"))
    assert body(await shy.message()) == "for you"
    await shy.expect_nothing()


async def test_a_message_to_someone_away_comes_later_with_the_time_it_was_sent(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    sender = await online(server.port, ada)
    for number in range(5):
        sender.send(text(f"{ben}@localhost", f"n{number}"))
    await sender.ping()
    receiver = await online(server.port, ben)
    got = [await receiver.message() for _ in range(5)]
    assert [body(message) for message in got] == [f"n{number}" for number in range(5)]
    assert all(message.find(DELAY).get("from") == "localhost" for message in got)
    await receiver.expect_nothing()
    receiver.send("</stream:stream>")
    await receiver.end()
    again = await online(server.port, ben)
    await again.expect_nothing()


async def test_what_an_unavailable_session_was_sent_directly_is_not_sent_twice(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    sender = await online(server.port, ada)
    quiet = await online(server.port, ben, "quiet", None)
    sender.send(text(quiet.jid, "directly"))
    assert body(await quiet.message()) == "directly"
    await quiet.available()
    await quiet.expect_nothing()


async def test_a_retry_with_the_same_origin_id_is_delivered_once(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    sender, receiver = await online(server.port, ada), await online(server.port, ben)
    for _ in range(3):
        sender.send(text(f"{ben}@localhost", "once", ORIGIN % "abc"))
    sender.send(text(f"{ben}@localhost", "other", ORIGIN % "abd"))
    assert body(await receiver.message()) == "once"
    assert body(await receiver.message()) == "other"
    await receiver.expect_nothing()


async def test_typing_is_not_kept_and_hints_are_obeyed(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    sender = await online(server.port, ada)
    to = f"{ben}@localhost"
    states = "http://jabber.org/protocol/chatstates"
    sender.send(f"<message to='{to}' type='chat'><composing xmlns='{states}'/></message>")
    sender.send(text(to, "secret", "<no-store xmlns='urn:xmpp:hints'/>"))
    sender.send(text(to, "brief", "<no-permanent-store xmlns='urn:xmpp:hints'/>"))
    sender.send(text(to, "news", type="headline"))
    sender.send(text(to, "kept"))
    await sender.ping()
    receiver = await online(server.port, ben)
    assert [body(await receiver.message()) for _ in range(2)] == ["brief", "kept"]
    await receiver.expect_nothing()
    await receiver.result("set", "<query xmlns='urn:xmpp:mam:2'/>")
    archived = [m for m in receiver.inbox if m.tag == CLIENT + "message"]
    assert [m.findtext(f".//{CLIENT}body") for m in archived] == ["kept"]


@pytest.mark.parametrize(
    ("type", "error"),
    [("chat", "service-unavailable"), ("normal", "service-unavailable"), ("error", None)],
)
async def test_a_message_to_nobody_is_answered_unless_it_is_an_error(
    server: RunningServer, people: tuple[str, str], type: str, error: str | None
) -> None:
    sender = await online(server.port, people[0])
    sender.send(text("nobody@localhost", "?", type=type))
    if error is None:
        await sender.expect_nothing()
    else:
        assert condition(await sender.message()) == error


@pytest.mark.parametrize(
    ("to", "error"),
    [("someone@elsewhere.example", "remote-server-not-found"), ("a@b@c/", "jid-malformed")],
)
async def test_an_address_that_can_not_be_reached_is_answered(
    server: RunningServer, people: tuple[str, str], to: str, error: str
) -> None:
    sender = await online(server.port, people[0])
    sender.send(text(to, "?"))
    assert condition(await sender.message()) == error


async def test_groupchat_and_headlines_to_no_session_follow_the_table_of_section_8(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    sender = await online(server.port, ada)
    sender.send(text(f"{ben}@localhost", "x", type="groupchat"))
    assert condition(await sender.message()) == "service-unavailable"
    sender.send(text(f"{ben}@localhost/gone", "x", type="headline"))
    await sender.expect_nothing()
    receiver = await online(server.port, ben, "here")
    sender.send(text(f"{ben}@localhost/gone", "to the others"))
    assert body(await receiver.message()) == "to the others"


async def test_an_iq_to_a_session_reaches_it_and_its_answer_comes_back(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    asker, answerer = await online(server.port, ada), await online(server.port, ben)
    asker.send(f"<iq type='get' id='q' to='{answerer.jid}'><x xmlns='urn:test'/></iq>")
    request = await answerer.take(lambda e: e.tag == CLIENT + "iq" and e.get("id") == "q")
    assert request.get("from") == asker.jid
    answerer.send(f"<iq type='result' id='q' to='{asker.jid}'><y xmlns='urn:test'/></iq>")
    answer = await asker.take(lambda e: e.get("id") == "q")
    assert answer.get("from") == answerer.jid
    gone = await asker.iq("get", "<x xmlns='urn:test'/>", f"{ben}@localhost/gone")
    assert condition(gone) == "service-unavailable"
    unknown = await asker.iq("get", "<x xmlns='urn:test'/>", "localhost")
    assert condition(unknown) == "service-unavailable"


async def test_an_error_to_no_client_in_particular_is_for_nobody(
    server: RunningServer, people: tuple[str, str]
) -> None:
    """RFC 6121 §8.5.2.1.1."""
    alice, bob = [await online(server.port, name) for name in people]
    error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    alice.send(f"<message to='{bob.bare}' type='error' id='e'>{error}</message>")
    await alice.ping()
    await bob.expect_nothing()
    alice.send(f"<message to='{bob.jid}' type='error' id='e'>{error}</message>")
    assert condition(await bob.message()) == "gone"
    alice.abort()
    bob.abort()


async def test_carbons_show_each_device_what_the_others_send_and_get(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    phone, laptop = await online(server.port, ada, "phone"), await online(server.port, ada, "laptop")
    other = await online(server.port, ben)
    await laptop.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    phone.send(text(other.bare, "from the phone"))
    sent = await laptop.message()
    assert sent.get("from") == laptop.bare
    inner = sent.find(f"{{urn:xmpp:carbons:2}}sent/{{urn:xmpp:forward:0}}forwarded/{CLIENT}message")
    assert body(inner) == "from the phone"
    assert inner.find(STANZA_ID).get("by") == laptop.bare
    other.send(text(phone.jid, "to the phone"))
    assert body(await phone.message()) == "to the phone"
    received = await laptop.message()
    assert received.find(".//{urn:xmpp:carbons:2}received") is not None
    other.send(text(phone.jid, "private", "<private xmlns='urn:xmpp:carbons:2'/>"))
    await phone.message()
    await laptop.expect_nothing()


async def test_a_client_that_lies_about_its_address_is_cut_off(
    server: RunningServer, people: tuple[str, str]
) -> None:
    client = await online(server.port, people[0])
    client.send(f"<message from='boss@localhost' to='{people[1]}@localhost'><body>x</body></message>")
    assert condition(await client.tag("error")) == "invalid-from"
    await client.end()


async def test_what_a_client_takes_its_resource_for_is_overridden(
    server: RunningServer, people: tuple[str, str]
) -> None:
    ada, ben = people
    client, other = await online(server.port, ada, "phone"), await online(server.port, ben)
    client.send(f"<message from='{client.bare}/else' to='{other.bare}'><body>x</body></message>")
    assert (await other.message()).get("from") == client.jid
    client.send(f"<iq from='{client.bare}/else' type='get' id='asked'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert (await client.take(lambda element: element.get("id") == "asked")).get("to") == client.jid


async def test_a_new_session_with_the_same_resource_ends_the_old_one(
    server: RunningServer, people: tuple[str, str]
) -> None:
    old = await online(server.port, people[0], "same")
    new = await online(server.port, people[0], "same")
    assert condition(await old.tag("error")) == "conflict"
    await old.end()
    await new.ping()
    assert isinstance(new, RawClient)
