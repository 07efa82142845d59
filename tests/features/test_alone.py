"""Features by themselves: each is given what it needs in a few lines, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.config import Config
from kith.core.hooks.feature import Feature
from kith.core.hooks.parts import Unfit
from kith.core.routing.hosts import Hosts
from kith.features import ALL
from kith.features.blocking import Blocking
from kith.features.bookmarks import Bookmarks
from kith.features.strangers import HOUR, SERVER_FACTOR, Strangers
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

from ..parts import make, needed, room


async def test_strangers_of_an_hour_ago_are_not_counted(tmp_path: Path) -> None:
    async with room(tmp_path) as there:
        now, accounts, tasks = [0.0], there.node.accounts, there.node.tasks
        clock = Clock(steady=lambda: now[0])
        strangers = Strangers(
            Config(strangers_per_hour=2), Domain("localhost"), clock, accounts, Hosts(), tasks
        )
        eve = parse_jid("eve@elsewhere.example")

        def writes_to(number: int) -> bool:
            stanza = Stanza.build("message", {"type": "chat"})
            return strangers.stanza_in(eve, parse_jid(f"m{number}@localhost"), stanza)

        for number in range(2 * SERVER_FACTOR):
            assert writes_to(number)
        with pytest.raises(StanzaError, match="too many new people"):
            writes_to(99)
        assert writes_to(0)  # no new one
        now[0] += HOUR + 1
        assert writes_to(99)
        await there.settle()


async def test_an_older_client_reads_the_bookmarks_of_a_newer_one(tmp_path: Path) -> None:
    async with room(tmp_path, Bookmarks) as there:
        ada = await there.session("ada/phone")
        await there.says(
            ada,
            "<iq type='set' id='1'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            "<publish node='urn:xmpp:bookmarks:1'><item id='room@muc.example'>"
            "<conference xmlns='urn:xmpp:bookmarks:1' name='Tea'/></item></publish></pubsub></iq>",
        )
        storage = "<storage xmlns='storage:bookmarks'/>"
        await there.says(
            ada, f"<iq type='get' id='2'><query xmlns='jabber:iq:private'>{storage}</query></iq>"
        )
        *_, answer = there.heard(ada)
        (conference,) = answer.element.iter("{storage:bookmarks}conference")
        assert (conference.get("jid"), conference.get("name")) == ("room@muc.example", "Tea")


EVE = "xmlns='urn:xmpp:blocking'><item jid='eve@localhost'/>"


async def test_who_is_blocked_reaches_nobody(tmp_path: Path) -> None:
    async with room(tmp_path, Blocking) as there:
        ada, eve = await there.session("ada/phone"), await there.session("eve/phone")
        await there.says(ada, f"<iq type='set' id='1'><block {EVE}</block></iq>")
        assert [stanza.type for stanza in there.heard(ada)] == ["result"]
        await there.says(eve, "<message to='ada@localhost' type='chat'><body>hello</body></message>")
        assert there.heard(ada) == []
        (error,) = there.heard(eve)
        assert error.type == "error"
        await there.says(ada, f"<iq type='set' id='2'><unblock {EVE}</unblock></iq>")
        there.heard(ada)
        await there.says(eve, "<message to='ada@localhost' type='chat'><body>hello</body></message>")
        (message,) = there.heard(ada)
        assert message.attrs["from"] == "eve@localhost/phone"


@pytest.mark.parametrize("off", ALL, ids=lambda cls: cls.__name__)
def test_a_feature_is_switched_off_by_taking_it_off_the_list(off: type[Feature], tmp_path: Path) -> None:
    """The others work without it, or one line says which does not."""
    others = [cls for cls in ALL if cls is not off]
    if any(off in needed(cls) for cls in others):
        with pytest.raises(Unfit, match=rf"^\w+ needs {off.__name__}$"):
            make(tmp_path, others)
    else:
        assert [type(feature) for feature in make(tmp_path, others).features] == others
