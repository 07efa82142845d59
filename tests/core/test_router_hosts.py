"""What goes to other servers and other nodes, and what they are told of it, in a node of this process."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from kith.core.actors.sender import Sender
from kith.core.log.log import Keep
from kith.core.peers.peers import PeerNodes
from kith.core.routing.foreign import Foreign
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.store.sqlite import SQLiteStore
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza
from tests.core.test_router import FULL, TYPING, Gate, There, refused, there

__all__ = ["there"]
PREFS = "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>"


class Far(Gate):
    """All other servers: what they are to keep, and for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, str, str, Keep]] = []

    def admit(self, session: Sender, stanza: Stanza, to: JID, keep: Keep) -> None:
        self.kept.append((str(session.jid), stanza.type, str(to), keep))


@pytest.fixture
def far(there: There) -> Far:
    there.node.hosts.remote = far = Far()  # type: ignore[assignment]
    return far


@pytest.mark.parametrize(
    ("type", "inner", "keep"),
    [
        ("chat", "<body>x</body>", Keep.ARCHIVE),
        ("normal", "<body>x</body>", Keep.ARCHIVE),
        ("chat", "<x xmlns='urn:x'/>", Keep.QUEUE),
        ("groupchat", "<body>x</body>", Keep.QUEUE),  # the room has the archive
        ("groupchat", "<subject>x</subject>", Keep.QUEUE),
        ("chat", TYPING, None),
        ("groupchat", TYPING, None),
        ("headline", "<body>x</body>", None),
        ("error", "<body>x</body>", None),
    ],
)
async def test_what_another_server_has_to_get_is_kept_until_it_has_it(
    there: There, far: Far, type: str, inner: str, keep: Keep | None
) -> None:
    assert await there.says(f"<message to='eve@far.test/x' type='{type}'>{inner}</message>") == []
    if keep is None:
        assert (far.kept, [(stanza.type, stanza.kind) for stanza in far.got]) == ([], [(type, "message")])
    else:
        assert (far.kept, far.got) == ([("ada@localhost/phone", type, "eve@far.test/x", keep)], [])


async def test_what_is_not_wanted_in_the_archive_is_kept_until_another_server_has_it(
    there: There, far: Far
) -> None:
    await there.says(f"<iq type='set' id='p'>{PREFS}</iq>")
    await there.says("<message to='eve@far.test' type='chat'><body>x</body></message>")
    assert len(far.kept) == 1
    assert await there.kept(there.ada) == 0


async def test_a_component_is_no_other_server(there: There, far: Far) -> None:
    for type in ("groupchat", "chat"):
        await there.says(f"<message to='eve@gate.test' type='{type}'><body>x</body></message>")
    assert far.kept == far.got == []
    assert [stanza.type for stanza in there.gate.got] == ["groupchat", "chat"]
    assert await there.kept(there.ada) == 1  # a room has the archive of its own


async def test_a_disk_that_does_not_keep_up_is_said_before_anything_goes_abroad(
    there: There, far: Far
) -> None:
    with patch.object(SQLiteStore, "waiting_bytes", FULL):
        for type in ("chat", "groupchat"):
            answer = await there.says(f"<message to='eve@far.test' type='{type}'><body>x</body></message>")
            assert answer == refused("message", "resource-constraint")
        assert await there.says(f"<message to='eve@far.test' type='chat'>{TYPING}</message>") == []
    assert far.kept == []
    assert len(far.got) == 1


@pytest.mark.parametrize("to", ["ben@localhost", "eve@gate.test"])
async def test_what_only_a_server_may_say_is_taken_out(there: There, to: str) -> None:
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='{to}'/>"
    await there.says(f"<message to='{to}' type='chat'><body>x</body>{forged}</message>")
    (got,) = there.room.heard(there.ben) if "localhost" in to else there.gate.got
    assert "1" not in [child.get("id") for child in got.element]
    assert got.element[0].tag == "{jabber:client}body"


# -- other nodes ------------------------------------------------------------------------------------------


class Nodes(PeerNodes):
    """Of whom messages are still on their way to another node, and what was sent after them."""

    def __init__(self) -> None:
        self.admitted: list[tuple[str, str, str]] = []
        self.asked: list[tuple[str, str]] = []

    def has_earlier(self, sender: str, to: str) -> bool:
        self.asked.append((sender, to))
        return to == "ben@localhost"

    def admit(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        self.admitted.append((str(sender.jid), stanza.type, str(to)))

    async def close(self) -> None:
        """Nothing is under way."""


async def test_a_message_stays_behind_those_that_are_on_their_way_to_another_node(there: There) -> None:
    nodes = Nodes()
    there.node.hosts.peers = nodes
    try:
        for to in ("ben@localhost/phone", "cyd@localhost"):
            await there.says(f"<message to='{to}' type='chat'><body>x</body></message>")
        assert nodes.admitted == [("ada@localhost/phone", "chat", "ben@localhost/phone")]
        assert nodes.asked == [("ada@localhost", "ben@localhost"), ("ada@localhost", "cyd@localhost")]
        assert await there.kept(there.ada) == 1
        assert there.heard(there.ben) == []
        await there.says(f"<message to='ben@localhost/phone' type='chat'>{TYPING}</message>")
        assert there.heard(there.ben) == ["message chat composing"]
    finally:
        there.node.hosts.peers = None


async def test_what_another_node_has_added_to_a_message_stays(there: There) -> None:
    """It was checked there: here only what comes from another server is."""
    own = "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='ben@localhost'/>"
    router = there.node.get(Router)
    sender = Foreign(parse_jid("eve@gate.test/x"), there.gate, there.node.get(Post))
    to = parse_jid("ben@localhost/phone")
    for admit, left in ((router.admit, 0), (router.admit_peer, 1)):
        text = f"<message from='eve@gate.test/x' to='{to}' type='headline'>{own}</message>"
        admit(sender, Stanza.from_bytes(text.encode()), to)
        await there.room.settle()
        (got,) = there.room.heard(there.ben)
        assert len(got.element) == left
