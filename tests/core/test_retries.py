"""A retry is known by its origin id and its content; another message with the same id is another message."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from kith.core.log import retries
from kith.core.log.retries import distinct_origin, is_retry, key_of
from kith.wire.stanza import Stanza
from tests.conftest import RunningServer
from tests.raw import CLIENT, body, online

UUID = "7a3c9b1e-52d4-4f0b-9c1d-2b7e8f604a15"
#: Namespaces of elements that say how a message travels, not what it says.
ABOUT_DELIVERY = (
    *("urn:xmpp:sid:0", "urn:xmpp:delay", "jabber:x:delay", "urn:xmpp:hints", "urn:xmpp:sm:3"),
    *("http://jabber.org/protocol/chatstates", "urn:xmpp:eme:0", "jabber:x:event"),
)
RETRACTED = "<retracted xmlns='urn:xmpp:message-retract:1' stamp='x'/>"
_numbers = itertools.count()


def message(inner: str, origin: str = UUID, head: str = "type='chat'") -> bytes:
    origin = f"<origin-id xmlns='urn:xmpp:sid:0' id='{origin}'/>"
    return f"<message from='a@x/1' to='b@x' {head}>{inner}{origin}</message>".encode()


def openpgp(ciphertext: str) -> str:
    return f"<openpgp xmlns='urn:xmpp:openpgp:0'>{ciphertext}</openpgp>"


def omemo(ciphertext: str, device: str = "1", namespace: str = "eu.siacs.conversations.axolotl") -> str:
    return (
        f"<encrypted xmlns='{namespace}'><header sid='{device}'><key rid='2'>{ciphertext}</key></header>"
        f"<payload>{ciphertext}</payload></encrypted><body>I sent an encrypted message.</body>"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<body>x</body>", "<body>x</body>"),
        ("<body>x</body>", "<body>x</body><delay xmlns='urn:xmpp:delay' stamp='2024-01-01T00:00:00Z'/>"),
        ("<body>x</body><active xmlns='http://jabber.org/protocol/chatstates'/>", "<body>x</body>"),
        ("<body>x</body>", "<body>x</body><request xmlns='urn:xmpp:receipts'/>"),
        ("<body>x</body>", "<body>x</body><store xmlns='urn:xmpp:hints'/>"),
        ("<body>x</body><thread>1</thread>", "<body>x</body>"),
        (omemo("a"), omemo("b")),
        (omemo("a", namespace="urn:xmpp:omemo:2"), omemo("b", namespace="urn:xmpp:omemo:2")),
        (
            "<openpgp xmlns='urn:xmpp:openpgp:0'>a</openpgp>",
            "<openpgp xmlns='urn:xmpp:openpgp:0'>b</openpgp>",
        ),
        (RETRACTED, "<body>x</body>"),
        *(
            (f"<a xmlns='{namespace}'/><body>x</body>", f"<body>x</body> <b xmlns='{namespace}' c='d'/> ")
            for namespace in ABOUT_DELIVERY
        ),
        ("<body>x</body>", "<body>x</body><markable xmlns='urn:xmpp:chat-markers:0'/>"),
        ("<encrypted xmlns='urn:xmpp:omemo:2'>a</encrypted>", "<encrypted xmlns='urn:xmpp:omemo:2'/>"),
    ],
)
def test_the_same_content_is_a_retry(one: str, other: str) -> None:
    assert is_retry(message(one), message(other, head="type='chat' id='2'"))
    assert is_retry(message(one), message(other).replace(b"a@x/1", b"a@x/2"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<body>x</body>", "<body>y</body>"),
        ("<body>x</body>", "<body>x</body><body xml:lang='de'>x</body>"),
        ("<body>x</body>", "<subject>x</subject>"),
        ("<body>x</body>", omemo("a")),
        (omemo("a"), "<body>x</body>"),
        (omemo("a"), omemo("b", device="2")),
        (omemo("a"), omemo("b") + "<body xml:lang='de'>more</body>"),
        (omemo("a"), omemo("b", namespace="urn:xmpp:omemo:2")),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", "<received xmlns='urn:xmpp:receipts' id='2'/>"),
        ("<x xmlns='urn:x'/>", "<y xmlns='urn:x'/>"),
        ("<openpgp xmlns='urn:xmpp:openpgp:0'>a</openpgp>", "<x xmlns='jabber:x:encrypted'>a</x>"),
        ("<openpgp xmlns='urn:xmpp:openpgp:0'>a</openpgp>", ""),
        ("<delay xmlns='urn:xmpp:delay'/><body>x</body>", "<delay xmlns='urn:xmpp:delay'/><body>y</body>"),
        ("<thread>1</thread><body>x</body>", "<thread>1</thread>"),
    ],
)
def test_another_content_is_another_message(one: str, other: str) -> None:
    assert not is_retry(message(one), message(other))
    assert distinct_origin(b"o", message(one)) != distinct_origin(b"o", message(other))


@pytest.mark.parametrize(
    ("id", "random"),
    [
        (UUID, True),
        (UUID.upper(), True),
        ("5f2b8c0d9e4a4c7fb1a2", True),
        ("pBvHqnyr3hLwcbXQ1cY2tG", True),
        ("7A3C9B1E52D44F0B", True),
        ("1", False),
        ("message-1", False),
        ("0000000000000001", False),
        ("my-client-message-000001", False),
        ("clientmessagenumber1", False),
        ("lx6Qd-1", False),
        ("weather_bot_message_101", False),
        ("WeatherBotMessage101", False),
        ("prof_" + UUID, True),
        ("abcd1efgh2ijklmnop", True),
        ("abcd1efghijklmnop2", False),
        ("", False),
        ("1" * 15_000, False),
        ("a1" * 7_000, False),
    ],
)
def test_what_is_encrypted_anew_is_a_retry_if_its_id_is_no_counter(id: str, random: bool) -> None:
    for cipher in (omemo, openpgp):
        assert is_retry(message(cipher("a"), id), message(cipher("b"), id)) is random
        assert is_retry(message(cipher("a"), id), message(cipher("a"), id))


def test_a_counter_that_begins_anew_is_heard_after_a_retraction() -> None:
    assert not is_retry(message(RETRACTED, "1"), message("<body>new</body>", "1"))


def test_of_what_is_not_there_any_more_only_an_id_that_is_no_counter_is_a_retry() -> None:
    """It was kept for delivery only, and was delivered."""
    assert is_retry(b"", message("<body>x</body>"))
    assert not is_retry(b"", message("<body>x</body>", "1"))
    assert not is_retry(b"", b"<message><origin-id xmlns='urn:xmpp:sid:0' id='a")
    assert not is_retry(b"", b"<message><origin-id xmlns='urn:xmpp:sid:0'/></message>")
    assert is_retry(b"", b"<message from='a@x/1'><body>x</body></message>")  # its key is another node's


def test_large_stanzas_are_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep others' messages waiting: a small message under a large one's id is enough for it."""
    monkeypatch.setattr(retries.Stanza, "from_bytes", None)
    large = "<x xmlns='urn:x'>" + "<y/>" * 15_000 + "</x>"
    assert is_retry(message(large), message(large).replace(b"a@x/1", b"a@x/2"))
    assert not is_retry(message(large), message("<body>x</body>"))
    assert not is_retry(message("<body>x</body>"), message(large))
    assert distinct_origin(b"o", message(large)) != distinct_origin(b"o", message(large + "<z/>"))


@pytest.mark.parametrize(
    ("inner", "taken_apart"),
    [
        ("<body>{}</body>", True),
        ("<body>{}</body>" + "<y/>" * 190, True),
        ("<body>{}</body>" + "<y/>" * 200, False),
    ],
)
def test_stanzas_of_up_to_32_kib_and_200_tags_are_taken_apart(inner: str, taken_apart: bool) -> None:
    def written(length: int, body: str) -> bytes:
        return message(inner.format("x" * length)).replace(b"<body>", body.encode())

    room = 32 * 1024 - len(written(0, "<body >"))
    for length, expected in ((room, taken_apart), (room + 1, False)):
        one, other = (written(length, body) for body in ("<body>", "<body >"))
        assert is_retry(one, other) is is_retry(other, one) is expected
        assert is_retry(one, one) is True


def test_a_message_under_the_id_of_another_has_a_key_that_all_its_retries_have() -> None:
    once = message("<body>x</body>", "1")
    again = message("<delay xmlns='urn:xmpp:delay'/><body>x</body>", "1")
    assert distinct_origin(b"o", once) == distinct_origin(b"o", again)
    assert distinct_origin(b"o", once) != distinct_origin(b"p", once)
    # databases hold these
    assert distinct_origin(b"o", once).hex() == "3cdac69ba8e3d1fe7a06aa99c5f43295"


def test_retries_are_known_for_thirty_days() -> None:
    assert retries.REMEMBERED_DAYS == 30


# -- from other servers ----------------------------------------------------------------------------------


def foreign(inner: str = "<body>x</body>", head: str = f"from='a@x/1' type='chat' id='{UUID}'") -> Stanza:
    return Stanza.from_bytes(f"<message {head} to='b@localhost'>{inner}</message>".encode())


def test_a_message_that_another_server_repeats_has_the_same_key() -> None:
    key = key_of(foreign())
    assert key == key_of(foreign("<body>x</body><delay xmlns='urn:xmpp:delay' stamp='x'/>"))
    assert key == key_of(foreign("<store xmlns='urn:xmpp:hints'/><body>x</body>"))
    large = "<x xmlns='urn:x'>" + "<y/>" * 300 + "</x>"
    assert key_of(foreign(large)) == key_of(foreign(large)) != key
    assert key is not None
    assert key.hex() == "01b1ae5139b1b2633970c7dd95463b1d5b"  # databases hold these


@pytest.mark.parametrize(
    "other",
    [
        foreign("<body>y</body>"),
        foreign(omemo("a")),
        foreign(head=f"from='a@x/2' type='chat' id='{UUID}'"),
        foreign(head=f"type='chat' id='{UUID}'"),
        foreign(head=f"from='a@x/1' id='{UUID}'"),
        foreign(head=f"from='a@x/1' type='chat' id='{UUID[:-1]}6'"),
        foreign("<x xmlns='urn:x'>" + "<y/>" * 300 + "</x>"),
    ],
)
def test_another_message_of_another_server_has_another_key(other: Stanza) -> None:
    assert key_of(other) not in (None, key_of(foreign()))


def test_a_key_tells_ciphertexts_apart_and_no_type_is_the_normal_one() -> None:
    assert key_of(foreign(omemo("a"))) != key_of(foreign(omemo("b")))
    plain, normal = f"from='a@x/1' id='{UUID}'", f"from='a@x/1' type='normal' id='{UUID}'"
    assert key_of(foreign(head=plain)) == key_of(foreign(head=normal))
    assert is_retry(message("<body>x</body>", head=""), message("<body>x</body>", head="type='normal'"))


@pytest.mark.parametrize("id", ["1", "", "message-1", "clientmessagenumber1"])
def test_a_message_of_another_server_whose_id_is_a_counter_has_no_key(id: str) -> None:
    assert key_of(foreign(head=f"from='a@x/1' type='chat' id='{id}'")) is None
    assert key_of(foreign(head="from='a@x/1' type='chat'")) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [("<body>one</body>", "<body>two</body>"), (omemo("one"), omemo("two"))],
    ids=["plain", "encrypted"],
)
async def test_a_client_that_counts_from_1_after_a_restart_loses_nothing(
    server: RunningServer, first: str, second: str
) -> None:
    ada, ben = (server.add_user(f"{name}{next(_numbers)}") for name in ("ada", "ben"))
    receiver = await online(server.port, ben.partition("@")[0])
    for _ in range(3):  # all of it comes again, as after a lost session
        sender = await online(server.port, ada.partition("@")[0])
        for inner in (first, second):
            origin = "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>"
            sender.send(f"<message to='{ben}' type='chat' id='1'>{inner}{origin}</message>")
        await sender.ping()
        sender.abort()
    for inner in (first, second):
        got = await receiver.message()
        assert body(got) in inner
        assert all(part.tag != f"{CLIENT}payload" for part in got)
    await receiver.expect_nothing()
    receiver.abort()


async def test_a_client_that_encrypts_anew_sends_once(server: RunningServer) -> None:
    """As the web app and the SDK do."""
    ada, ben = (server.add_user(f"{name}{next(_numbers)}") for name in ("ada", "ben"))
    receiver = await online(server.port, ben.partition("@")[0])
    for cipher in ("a", "b", "c"):
        sender = await online(server.port, ada.partition("@")[0])
        sender.send(message(omemo(cipher)).decode().replace("from='a@x/1' to='b@x'", f"to='{ben}'"))
        await sender.ping()
        sender.abort()
    await receiver.message()
    await receiver.expect_nothing()
    receiver.abort()


async def test_what_was_kept_for_delivery_only_is_delivered_once(server: RunningServer) -> None:
    """Its sender did not hear that it was sent, and tries again when it has long been delivered."""
    ada, ben = (server.add_user(f"{name}{next(_numbers)}") for name in ("ada", "ben"))
    receiver = await online(server.port, ben.partition("@")[0])
    for _ in range(2):
        sender = await online(server.port, ada.partition("@")[0])
        sender.send(message("<a xmlns='urn:x'/>").decode().replace("from='a@x/1' to='b@x'", f"to='{ben}'"))
        await sender.ping()
        sender.abort()
        await asyncio.sleep(1.5)  # delivery is written once a second
    await receiver.message()
    await receiver.expect_nothing()
    receiver.abort()
