"""An account of this domain that another node owns: what is for it goes there, none of it is read here."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.bus.local import LocalPlacement
from kith.core.actors.account import Session
from kith.core.actors.accounts import Elsewhere
from kith.core.actors.intake import Work
from kith.core.actors.sender import Sender
from kith.core.peers.peers import PeerNodes
from kith.features import ALL
from kith.ports.store import AccountRecord
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza
from tests.parts import Room, room

BEN = "ben@localhost"


class WithoutBen(LocalPlacement):
    """Owns all but one account."""

    def owns(self, key: str) -> bool:
        return key != BEN


class Recording(PeerNodes):
    """Keeps what another node would be sent: (kind, type, to), and how."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, str]] = []
        self.admitted: list[tuple[str, str, str]] = []

    async def close(self) -> None:
        """Nothing is under way."""

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        self.received.append((stanza.kind, stanza.type, str(to)))

    def admit(self, sender: Sender, stanza: Stanza, to: JID) -> Work:
        self.admitted.append((stanza.kind, stanza.type, str(to)))
        return None


class Here:
    """A node that does not own ben, where ada is online."""

    def __init__(self, there: Room, ada: Session) -> None:
        self.there = there
        self.ada = ada
        self.peers = there.node.hosts.peers = Recording()
        there.node.parts.add({PeerNodes: self.peers})

    async def sends(self, xml: str) -> tuple[list[tuple[str, str, str]], list[Stanza]]:
        """What reaches ben's owner, and what ada hears."""
        await self.there.says(self.ada, xml)
        received, self.peers.received = self.peers.received, []
        return received, self.there.heard(self.ada)


async def contact_of(there: Room, ada: Session) -> None:
    """ada and ben see each other's presence, as ada's roster has it."""
    roster = await there.node.accounts.roster(ada.bare)
    item = roster[BEN]
    item.to = item.from_ = item.listed = True
    await roster.save(there.node.store, item)


STANZAS = [
    (
        "<message to='ben@localhost' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
        "message",
    ),
    (
        "<iq to='ben@localhost' type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        "iq",
    ),
    ("<iq to='ben@localhost/phone' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "iq"),
    ("<iq to='ben@localhost/phone' type='result' id='1'/>", "iq"),
    ("<presence to='ben@localhost'/>", "presence"),
    ("<presence to='ben@localhost' type='probe'/>", "presence"),
    ("<presence to='ben@localhost' type='subscribe'/>", "presence"),
    ("<presence/>", "presence"),
    ("<presence type='unavailable'/>", "presence"),
]


@pytest.mark.parametrize(("xml", "kind"), STANZAS, ids=[xml for xml, _ in STANZAS])
async def test_a_stanza_for_an_account_of_another_node_goes_there(
    tmp_path: Path, xml: str, kind: str
) -> None:
    async with room(tmp_path, *ALL, placement=WithoutBen()) as there:
        ada = await there.session("ada/phone")
        if "subscribe" not in xml:
            await contact_of(there, ada)
        here = Here(there, ada)
        received, heard = await here.sends(xml)
        assert (kind, Stanza.from_bytes(xml.encode()).type) in [(one, type) for one, type, _ in received]
        assert all(to.startswith(BEN) for _, _, to in received)
        assert not [stanza for stanza in heard if stanza.type == "error"]


async def test_a_message_that_is_kept_is_for_its_owner_to_admit(tmp_path: Path) -> None:
    async with room(tmp_path, *ALL, placement=WithoutBen()) as there:
        here = Here(there, await there.session("ada/phone"))
        await here.sends("<message to='ben@localhost' type='chat' id='m'><body>hello</body></message>")
        assert here.peers.admitted == [("message", "chat", BEN)]


async def test_whoever_comes_online_asks_the_owners_of_contacts(tmp_path: Path) -> None:
    async with room(tmp_path, *ALL, placement=WithoutBen()) as there:
        ada = await there.session("ada/phone", presence=False)
        await contact_of(there, ada)
        here = Here(there, ada)
        received, _ = await here.sends("<presence/>")
        assert {type for kind, type, _ in received if kind == "presence"} == {"", "probe"}


async def test_an_account_of_another_node_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room(tmp_path, *ALL, placement=WithoutBen()) as there:
        ada = await there.session("ada/phone")
        await contact_of(there, ada)
        here = Here(there, ada)
        asked: list[str] = []
        account = there.node.store.account

        async def watched(jid: str) -> AccountRecord | None:
            asked.append(jid)
            return await account(jid)

        monkeypatch.setattr(there.node.store, "account", watched)
        for xml, _ in STANZAS:
            await here.sends(xml)
        await here.sends("<message to='ben@localhost' type='chat'><body>hello</body></message>")
        await here.sends("<message to='cyd@localhost' type='chat'><body>hello</body></message>")
        assert asked == ["cyd@localhost"]
        with pytest.raises(Elsewhere):
            await there.node.accounts.load(BEN)


async def test_without_other_nodes_the_sender_is_told_to_try_again(tmp_path: Path) -> None:
    """A node that has lost a slot and knows no other: nothing says that there is no such account."""
    async with room(tmp_path, *ALL, placement=WithoutBen()) as there:
        ada = await there.session("ada/phone")
        await there.says(ada, "<message to='ben@localhost' type='chat' id='m'><body>hello</body></message>")
        (answer,) = there.heard(ada)
        assert answer.type == "error"
        assert b"<recipient-unavailable" in answer.inner
        assert b"type='wait'" in answer.inner or b'type="wait"' in answer.inner


async def test_an_account_that_is_lost_is_dropped_whatever_is_being_read_of_it(tmp_path: Path) -> None:
    placement = WithoutBen()
    async with room(tmp_path, *ALL, placement=placement) as there:
        owned = True
        monkeypatched = lambda key: owned  # noqa: E731
        placement.owns = monkeypatched  # type: ignore[method-assign]
        await there.node.store.create_accounts([(BEN, {})])
        loading = there.node.tasks._loop.create_task(there.node.accounts.load(BEN))
        await there.node.store.flush()
        owned = False
        with pytest.raises(StanzaError):
            await loading
        assert there.node.accounts.get(BEN) is None
