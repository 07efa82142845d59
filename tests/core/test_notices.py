"""Presence between two nodes settles, although the bus loses notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from kith.base.slots import slot_of
from kith.core.actors.account import Session
from kith.core.peers import notices, reprobing
from kith.core.peers.notices import Notices
from kith.core.peers.reprobing import Reprobing
from kith.core.peers.requests import Check, request
from kith.features import foreign_interests
from kith.ports.bus import Done
from kith.wire import ns
from kith.wire.stanza import Stanza
from tests.core.test_peers import ADA, BEN, Pair, friends, pair
from tests.parts import Room, room

__all__ = ["pair", "room"]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("PERIOD", 0.4), ("SOON", 0.05), ("_GRACE", 0.02)):
        monkeypatch.setattr(notices, name, seconds)
    monkeypatch.setattr(reprobing, "_TOGETHER", 0.01)


class Eyes:
    """What a session sees of others: the status by full address."""

    def __init__(self, there: Room, session: Session) -> None:
        self._there = there
        self._session = session
        self.seen: dict[str, str] = {}

    def look(self) -> dict[str, str]:
        for stanza in self._there.heard(self._session):
            sender = stanza.attrs.get("from", "")
            if stanza.kind != "presence" or sender == self._session.full:
                continue
            if stanza.type == "unavailable":
                gone = [jid for jid in self.seen if sender in (jid, jid.partition("/")[0])]
                for jid in gone:
                    del self.seen[jid]
            elif stanza.type == "":
                self.seen[sender] = stanza.inner.decode()
        return self.seen


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not met():
            await asyncio.sleep(0.02)


def _status(text: str) -> str:
    return f"<presence><status>{text}</status></presence>"


async def test_a_lost_presence_is_seen_a_little_later(pair: Pair) -> None:
    ada, ben = await friends(pair)
    eyes = Eyes(pair.two, ben)
    assert eyes.look() == {ada.full: ""}
    pair.bus.lose_notices = 1
    await pair.one.says(ada, _status("away"))
    await _until(lambda: eyes.look() == {ada.full: "<status>away</status>"})


async def test_who_left_unheard_is_gone_a_little_later(pair: Pair) -> None:
    ada, ben = await friends(pair)
    eyes = Eyes(pair.two, ben)
    assert eyes.look()
    pair.bus.lose_notices = 1
    pair.one.node.sessions.end(ada)
    await _until(lambda: eyes.look() == {})


@pytest.mark.parametrize("lost", ["notices", "requests", "answers"])
async def test_who_comes_sees_who_is_there_whatever_of_the_probe_is_lost(pair: Pair, lost: str) -> None:
    ada, ben = await friends(pair)
    second = await pair.two.session("ben/desk", presence=False)
    eyes = Eyes(pair.two, second)
    setattr(pair.bus, f"lose_{lost}", 2)
    await pair.two.says(second, "<presence/>")
    await _until(lambda: ada.full in eyes.look())
    assert not ben.closed


async def test_a_new_owner_is_found_although_its_announcement_was_lost(pair: Pair) -> None:
    ada, ben = await friends(pair)
    eyes = Eyes(pair.one, ada)
    assert eyes.look() == {ben.full: ""}
    pair.second.take(BEN)
    pair.bus.lose_notices = 10_000
    await pair.second.give(BEN)
    await asyncio.sleep(1.2)  # it is announced after a second
    pair.bus.lose_notices = 0
    await _until(lambda: eyes.look() == {})


async def test_what_nobody_has_taken_is_made_up_for_when_there_is_an_owner(pair: Pair) -> None:
    """Who was online at a node that is gone comes back at another one; what happened meanwhile is seen."""
    ada, _ = await friends(pair)
    pair.second.take(BEN)
    await pair.one.says(ada, _status("away"))
    await asyncio.sleep(0.2)
    await pair.second.give(BEN)
    again = await pair.two.session("ben/phone", presence=False)
    eyes, others = Eyes(pair.two, again), Eyes(pair.one, ada)
    await pair.two.says(again, "<presence/>")
    await _until(lambda: eyes.look() == {ada.full: "<status>away</status>"})
    await _until(lambda: others.look() == {again.full: ""})


async def test_nothing_is_probed_again_while_nothing_is_lost(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.sleep(1.3)  # both have announced what they own
    ada, ben = await friends(pair)
    asked: list[Session] = []
    monkeypatch.setattr(Reprobing, "_ask", lambda self, session, contact: asked.append(session))
    for number in range(20):
        await pair.one.says(ada, _status(f"{number}"))
        await pair.two.says(ben, _status(f"{number}"))
        await asyncio.sleep(0.03)
    await asyncio.sleep(0.5)
    assert asked == []


async def test_sessions_add_nothing_to_what_is_checked(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slot is checked, not each session."""
    ada, ben = await friends(pair)
    checked: set[int] = set()
    ask = pair.bus.ask

    def asking(slot: int, data: bytes, done: Done) -> None:
        if isinstance(request(data), Check):
            checked.add(slot)
        ask(slot, data, done)

    monkeypatch.setattr(pair.bus, "ask", asking)
    for number in range(20):
        await pair.one.session(f"ada/{number}")
        await pair.two.session(f"ben/{number}")
    await _until(lambda: len(checked) == 2)
    await asyncio.sleep(1.0)
    assert checked == {slot_of(ADA), slot_of(BEN)}
    assert not ada.closed
    assert not ben.closed


async def test_a_node_that_runs_alone_checks_nothing(tmp_path: Path) -> None:
    async with room(tmp_path) as there:
        with pytest.raises(LookupError):
            there.node.get(Notices)


async def test_a_client_that_could_not_be_asked_for_its_interests_is_asked_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_interests, "_PATIENCE", 0.05)
    ada, ben = await friends(pair)
    node = "http://jabber.org/protocol/tune"
    item = f"<item id='1'><tune xmlns='{node}'/></item>"
    publish = f"<publish node='{node}'>{item}</publish>"
    await pair.one.says(ada, f"<iq type='set' id='p'><pubsub xmlns='{ns.PUBSUB}'>{publish}</pubsub></iq>")
    pair.bus.lose_requests = 1  # the question
    caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='x' ver='made-up'/>"
    await pair.two.says(ben, f"<presence>{caps}</presence>")
    events: list[Stanza] = []

    async def came() -> bool:
        for stanza in pair.two.heard(ben):
            if stanza.kind == "iq":
                form = (
                    f"<query xmlns='{ns.DISCO_INFO}' node='x#made-up'><feature var='{node}+notify'/></query>"
                )
                to = stanza.attrs["from"]
                await pair.two.says(ben, f"<iq type='result' id='{stanza.id}' to='{to}'>{form}</iq>")
            elif b"pubsub#event" in stanza.inner:
                events.append(stanza)
        return bool(events)

    await pair.until(came)
    assert events[0].attrs["from"] == ADA
