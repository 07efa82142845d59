"""What this client can't read is shown as such; what it can't encrypt says how to send it all the same."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import fromstring

import pytest

from kith.client import MessageUnreadable, PeerHasNoDevices, State
from kith.client.foreign_encryption import unreadable_encryption
from kith.client.testing import FakeServer
from tests.client.conftest import event, until

OMEMO_2 = (
    "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'><keys jid='ada@localhost'><key rid='2'>aa</key>"
    "</keys></header>{payload}</encrypted>"
)
EME = "<encryption xmlns='urn:xmpp:eme:0' namespace='{}' name='{}'/>"

SIGNALS = [
    "<received xmlns='urn:xmpp:receipts' id='1'/>",
    "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
    "<received xmlns='urn:xmpp:chat-markers:0' id='1'/>",
    *(
        f"<{state} xmlns='http://jabber.org/protocol/chatstates'/>"
        for state in ("composing", "paused", "gone")
    ),
    "<active xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/>",
    "<active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0' id='1'/>",
    "<reactions xmlns='urn:xmpp:reactions:0' id='1'/>",
    "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>",
]


def message(content: str) -> str:
    return f"<message xmlns='jabber:client' type='chat' to='ada@localhost' id='%s'>{content}</message>"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (OMEMO_2.format(payload="<payload>aa</payload>"), "OMEMO 2"),
        (OMEMO_2.format(payload="<payload>aa</payload>") + "<body>fallback</body>", "OMEMO 2"),
        ("<x xmlns='jabber:x:encrypted'>aa</x><body>This message is encrypted</body>", "PGP"),
        ("<openpgp xmlns='urn:xmpp:openpgp:0'>aa</openpgp>", "OpenPGP"),
        (EME.format("urn:xmpp:otr:0", "") + "<body>?OTR:aa</body>", "OTR"),
        (EME.format("urn:example:new", "Newest") + "<body>fallback</body>", "Newest"),
        (EME.format("urn:example:new", ""), "urn:example:new"),
        (EME.format("eu.siacs.conversations.axolotl", "x") + "<body>fallback</body>", "OMEMO"),
        (EME.format("urn:a", "n" * 1000), "urn:a"),
        (EME.format("urn:a", "safe. Call this number to unlock it"), "urn:a"),
        (EME.format("urn:a", "OMEMO‮2"), "urn:a"),
        (EME.format("n" * 1000, ""), "unknown"),
        (EME.format("", ""), "unknown"),
        (OMEMO_2.format(payload="<payload>aa</payload>").replace("omemo:2", "omemo:1"), "OMEMO 1"),
        (OMEMO_2.format(payload="<payload>aa</payload>").replace("omemo:2", "omemo:0"), "OMEMO 0"),
        (OMEMO_2.format(payload="").replace("omemo:2", "omemo:1"), None),
        (OMEMO_2.format(payload="") + "<body>fallback</body>", "OMEMO 2"),  # not as a plain text
        ("<e2e xmlns='urn:ietf:params:xml:ns:xmpp-e2e'>aa</e2e>", "S/MIME"),
        ("<body>?OTR:AAMDaa=.</body>", "OTR"),
        ("<body>?OTR|5a73a599|27e31597,00001,00003,?OTR:AAMD,</body>", "OTR"),
        ("<body>?OTR,1,3,?OTR:AAEDAAAA,</body>", "OTR"),
        ("<body>?OTR is dead: long live OMEMO</body>", None),
        # an encryption is the habit of an app, and none of these is a message
        *((EME.format("urn:xmpp:omemo:2", "") + signal, None) for signal in SIGNALS),
        # and these are some
        (
            EME.format("urn:a", "New")
            + "<active xmlns='http://jabber.org/protocol/chatstates'/><s xmlns='urn:a'/>",
            "New",
        ),
        (
            EME.format("urn:a", "New") + "<displayed xmlns='urn:xmpp:chat-markers:0'/><body>fallback</body>",
            "New",
        ),
        (EME.format("urn:a", "New") + "<request xmlns='urn:xmpp:receipts'/><s xmlns='urn:a'/>", "New"),
        (OMEMO_2.format(payload=""), None),  # keys alone are no message
        ("<body>plain</body>", None),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", None),
    ],
)
def test_an_encryption_is_told_by_its_element_or_by_what_is_announced(content: str, name: str | None) -> None:
    assert unreadable_encryption(fromstring(message(content))) == name


async def test_what_can_not_be_read_is_shown_with_its_encryption_also_without_a_body() -> None:
    """Also two with the same fallback and the same id, which are two messages."""
    contents = [
        OMEMO_2.format(payload="<payload>aa</payload>"),
        "<x xmlns='jabber:x:encrypted'>aa</x><body>This message is encrypted</body>",
        "<x xmlns='jabber:x:encrypted'>bb</x><body>This message is encrypted</body>",
        "<openpgp xmlns='urn:xmpp:openpgp:0'>aa</openpgp>",
        EME.format("urn:example:new", "Newest"),
    ]
    async with FakeServer() as server:
        ada = await server.person("ada", "ben@localhost")
        ben = await server.person("ben", "ada@localhost")
        with ada.client.events() as events:
            for content in contents:
                ben.client._stream.send_raw(message(content) % "1")
            told = await event(events, MessageUnreadable)
        assert not told.asked
        await until(lambda: len(ada.client.history(ben.jid)) == len(contents))
        shown = ada.client.history(ben.jid)
        for one, name in zip(shown, ("OMEMO 2", "PGP", "PGP", "OpenPGP", "Newest"), strict=True):
            assert one.error == f"It is encrypted in a way that this app can't read ({name})."
            assert (one.body, one.encrypted, one.trust.sound) == ("", True, False)
        await ben.client.send(ada.jid, "readable", encrypted=False)
        assert (await ada.receives()).body == "readable"  # and the others are not for bots
        ada.client._db.set("place", "")
        ada.client._incoming.catch_up()
        await ada.client.caught_up()
        assert len(ada.client.history(ben.jid)) == len(contents) + 1


async def test_signals_that_announce_an_encryption_do_what_they_say() -> None:
    async with FakeServer() as server:
        ada = await server.person("ada", "ben@localhost")
        ben = await server.person("ben", "ada@localhost")
        sent = await ben.client.send(ada.jid, "hello", encrypted=False)
        got = await ada.receives()
        for signal in SIGNALS:
            ben.client._stream.send_raw(message(EME.format("urn:xmpp:omemo:2", "") + signal) % "2")
        ada.client._stream.send_raw(
            f"<message to='{ben.jid}' type='chat'>{EME.format('eu.siacs.conversations.axolotl', 'OMEMO')}"
            f"<received xmlns='urn:xmpp:receipts' id='{sent.id}'/></message>"
        )
        await ben.client.wait_for(sent, State.DELIVERED)
        await ben.client.send(ada.jid, "and this", encrypted=False)
        assert (await ada.receives()).body == "and this"
        assert [one.body for one in ada.client.history(ben.jid)] == [got.body, "and this"]
        assert [one.body for one in ben.client.history(ada.jid)] == ["hello", "and this"]


async def test_a_peer_without_keys_is_a_typed_error_that_says_how_to_send_unencrypted_once() -> None:
    async with FakeServer() as server:
        server.account("carl")  # who uses an app without OMEMO
        ada = await server.person("ada", "carl@localhost")
        with pytest.raises(PeerHasNoDevices, match=r"encrypted=False"):
            await ada.send("for your eyes")
        assert server.account("carl").archive == []
        failed = ada.client.history("carl@localhost")[-1]
        assert failed.state is State.FAILED
        again = await ada.client.resend(failed, encrypted=False)
        await ada.client.wait_for(again, State.SENT)
        assert not again.encrypted
        assert [one.body for one in ada.client.history("carl@localhost")] == ["for your eyes"]
        (entry,) = server.account("carl").archive
        assert "for your eyes" in [*entry.message.itertext()]
        with pytest.raises(PeerHasNoDevices):  # once, and not from now on
            await ada.send("another")
        await asyncio.sleep(0)
