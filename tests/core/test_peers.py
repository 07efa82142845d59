"""Two nodes of one server, each with its own accounts: people write to each other as if there were one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from kith.base.slots import slot_of
from kith.bus.local import LocalBus
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Elsewhere
from kith.core.peers import outbox
from kith.core.peers.requests import (
    Check,
    Moved,
    Notice,
    Other,
    Owner,
    Probe,
    Result,
    encode,
    owner,
    request,
    result,
)
from kith.core.sessions.removal import Removal
from kith.features import ALL
from kith.ports.bus import Done, Lost
from kith.ports.store import Append, LogQuery, Outgoing, Unavailable
from kith.wire import ns
from kith.wire.stanza import Stanza
from tests.parts import Room, room

ADA, BEN = "ada@localhost", "ben@localhost"


class Shared:
    """A placement of a node that owns what it is given."""

    def __init__(self) -> None:
        self.owned: set[int] = set()
        self._gained: Callable[[int], Awaitable[None]]
        self._lost: Callable[[int], None]
        self.ready = asyncio.Event()

    def slot(self, key: str) -> int:
        return slot_of(key)

    def owns(self, key: str) -> bool:
        return slot_of(key) in self.owned

    async def run(self, gained: Callable[[int], Awaitable[None]], lost: Callable[[int], None]) -> None:
        self._gained, self._lost = gained, lost
        self.ready.set()
        await asyncio.Event().wait()

    async def give(self, *names: str) -> None:
        await self.ready.wait()
        for slot in {slot_of(name) for name in names}:
            await self._gained(slot)
            self.owned.add(slot)

    def take(self, *names: str) -> None:
        for slot in {slot_of(name) for name in names}:
            self.owned.discard(slot)
            self._lost(slot)


class Careless(LocalBus):
    """Loses answers, whole requests or notices, as often as it is told to; keeps what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.lose_answers = self.lose_requests = self.lose_notices = 0
        self.asked: list[bytes] = []

    def ask(self, slot: int, request: bytes, done: Done) -> None:
        self.asked.append(request)
        if self.lose_requests:
            self.lose_requests -= 1
            done(None, Lost())
        elif self.lose_answers:
            self.lose_answers -= 1
            super().ask(slot, request, lambda answer, error: done(None, Lost()))
        else:
            super().ask(slot, request, done)

    def tell(self, slot: int, notice: bytes) -> None:
        if self.lose_notices:
            self.lose_notices -= 1
        else:
            super().tell(slot, notice)


class Pair:
    """Node one owns ada, node two owns ben; there may be more of both."""

    def __init__(self, one: Room, two: Room, bus: Careless, placements: tuple[Shared, Shared]) -> None:
        self.one, self.two = one, two
        self.bus = bus
        self.first, self.second = placements

    async def settle(self) -> None:
        for _ in range(3):
            await self.one.settle()
            await self.two.settle()

    async def until(self, met: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await met():
                await asyncio.sleep(0.02)

    async def outbox(self, there: Room) -> int:
        await there.node.store.flush()
        return len(await there.node.store.outbox(None, 0, 1000))

    async def bodies(self, there: Room, bare: str) -> list[str]:
        """What the archive of an account has, oldest first."""
        account = await there.node.accounts.load(bare)
        assert account is not None
        page = await there.node.store.page(LogQuery(account.id, limit=1000))
        found = [
            Stanza.from_bytes(entry.stanza).element.findtext(f"{{{ns.CLIENT}}}body") for entry in page.entries
        ]
        return [body for body in found if body]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    bus = Careless()
    async with AsyncExitStack() as stack:
        rooms, placements = [], []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            placement = Shared()
            there = await stack.enter_async_context(room(folder, *ALL, placement=placement, bus=bus))
            await placement.ready.wait()
            there.rest()
            rooms.append(there)
            placements.append(placement)
        pair = Pair(rooms[0], rooms[1], bus, (placements[0], placements[1]))
        await pair.first.give(ADA)
        await pair.second.give(BEN)
        yield pair


def chat(number: int, to: str = BEN, origin: bool = True) -> str:
    own = f"<origin-id xmlns='urn:xmpp:sid:0' id='o{number}'/>" if origin else ""
    return f"<message to='{to}' type='chat' id='m{number}'><body>{number}</body>{own}</message>"


def bodies(heard: list[Stanza]) -> list[str]:
    found = [stanza.element.findtext(f"{{{ns.CLIENT}}}body") for stanza in heard if stanza.kind == "message"]
    return [body for body in found if body]


async def friends(pair: Pair) -> tuple[Session, Session]:
    """ada and ben, online, who see each other."""
    ada, ben = await pair.one.session("ada/phone"), await pair.two.session("ben/phone")
    await pair.one.says(ada, f"<presence to='{BEN}' type='subscribe'/>")
    await pair.settle()
    await pair.two.says(ben, f"<presence to='{ADA}' type='subscribed'/>")
    await pair.two.says(ben, f"<presence to='{ADA}' type='subscribe'/>")
    await pair.settle()
    await pair.one.says(ada, f"<presence to='{BEN}' type='subscribed'/>")
    await pair.settle()
    return ada, ben


async def test_a_message_reaches_an_account_of_another_node_and_both_archives(pair: Pair) -> None:
    ada, ben = await pair.one.session("ada/phone"), await pair.two.session("ben/phone")
    await pair.one.says(ada, chat(1))
    await pair.settle()
    assert bodies(pair.two.heard(ben)) == ["1"]
    assert await pair.bodies(pair.one, ADA) == await pair.bodies(pair.two, BEN) == ["1"]
    assert await pair.outbox(pair.one) == 0
    await pair.two.says(ben, chat(2, ADA))
    await pair.settle()
    assert bodies(pair.one.heard(ada)) == ["2"]


@pytest.mark.parametrize("origin", [True, False])
async def test_what_was_not_answered_is_sent_again_and_arrives_once_in_order(
    pair: Pair, origin: bool
) -> None:
    ada, ben = await pair.one.session("ada/phone"), await pair.two.session("ben/phone")
    pair.bus.lose_answers, pair.bus.lose_requests = 2, 1
    for number in range(120):
        await pair.one.says(ada, chat(number, origin=origin))

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(empty)
    await pair.settle()
    assert bodies(pair.two.heard(ben)) == [str(number) for number in range(120)]
    assert await pair.bodies(pair.two, BEN) == [str(number) for number in range(120)]


async def test_what_waits_for_a_node_that_is_down_goes_when_it_is_there(pair: Pair) -> None:
    ada = await pair.one.session("ada/phone")
    pair.second.take(BEN)
    for number in range(700):  # more than are held in memory
        await pair.one.says(ada, chat(number))
    assert await pair.outbox(pair.one) == 700
    await pair.second.give(BEN)
    ben = await pair.two.session("ben/phone")

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(empty)
    await pair.settle()
    assert await pair.bodies(pair.two, BEN) == [str(number) for number in range(700)]
    assert bodies(pair.two.heard(ben)) == [str(number) for number in range(700)]


async def test_what_is_sent_while_older_messages_are_read_again_comes_after_them(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_HELD", 5)
    monkeypatch.setattr(outbox, "_PAGE", 3)
    monkeypatch.setattr(outbox, "_RETRY_MOST", 0.02)
    read = pair.one.node.store.outbox

    async def slowly(slot: int | None, after: int, limit: int) -> list[Outgoing]:
        found = await read(slot, after, limit)
        await asyncio.sleep(0.01)
        return found

    monkeypatch.setattr(pair.one.node.store, "outbox", slowly)
    ada, ben = await pair.one.session("ada/phone"), await pair.two.session("ben/phone")
    pair.second.take(BEN)
    for number in range(30):
        await pair.one.says(ada, chat(number))
    await pair.second.give(BEN)
    for number in range(30, 90):
        ada.receive(Stanza.from_bytes(chat(number).encode()))
        await asyncio.sleep(0.003)

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(empty)
    assert ben.closed
    assert await pair.bodies(pair.two, BEN) == [str(number) for number in range(90)]


async def test_the_next_owner_of_a_sender_goes_on_with_its_outbox(pair: Pair) -> None:
    ada = await pair.one.session("ada/phone")
    await pair.two.session("ben/phone")
    pair.second.take(BEN)
    await pair.one.says(ada, chat(1))
    pair.first.take(ADA)
    assert ada.closed
    await pair.second.give(BEN)
    await pair.first.give(ADA)  # as another node would, which reads the same store

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(empty)
    assert await pair.bodies(pair.two, BEN) == ["1"]


async def test_a_refused_message_leaves_the_outbox_and_the_archive_and_its_sender_is_told(pair: Pair) -> None:
    ada, ben = await pair.one.session("ada/phone"), await pair.two.session("ben/phone")
    await pair.two.says(
        ben, f"<iq type='set' id='b'><block xmlns='{ns.BLOCKING}'><item jid='{ADA}'/></block></iq>"
    )
    await pair.one.says(ada, chat(1))
    await pair.settle()
    (answer,) = [stanza for stanza in pair.one.heard(ada) if stanza.kind == "message"]
    assert (answer.type, answer.id, answer.attrs["from"]) == ("error", "m1", BEN)
    assert bodies(pair.two.heard(ben)) == []
    assert await pair.outbox(pair.one) == 0
    assert await pair.bodies(pair.one, ADA) == await pair.bodies(pair.two, BEN) == []


async def test_a_refusal_waits_for_a_sender_who_is_gone(pair: Pair) -> None:
    ada = await pair.one.session("ada/phone")
    pair.second.take(BEN)
    await pair.one.says(ada, chat(1))
    pair.one.node.sessions.end(ada)
    await pair.second.give(BEN)  # where there is no such account

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(empty)
    await pair.settle()
    again = await pair.one.session("ada/tablet", presence=False)
    await pair.one.says(again, "<presence/>")
    (answer,) = [stanza for stanza in pair.one.heard(again) if stanza.kind == "message"]
    assert (answer.type, answer.id) == ("error", "m1")


async def test_subscriptions_and_presence_go_from_node_to_node(pair: Pair) -> None:
    ada, ben = await friends(pair)
    pair.one.heard(ada), pair.two.heard(ben)
    await pair.two.says(ben, "<presence><status>busy</status></presence>")
    await pair.settle()
    assert [(s.attrs["from"], s.type) for s in pair.one.heard(ada)] == [(f"{BEN}/phone", "")]
    pair.two.node.sessions.end(ben)
    await pair.settle()
    assert [(s.attrs["from"], s.type) for s in pair.one.heard(ada)] == [(f"{BEN}/phone", "unavailable")]
    later = await pair.two.session("ben/tablet", presence=False)
    await pair.two.says(later, "<presence/>")
    await pair.settle()
    assert f"{ADA}/phone" in [s.attrs["from"] for s in pair.two.heard(later)]


async def test_a_request_for_a_subscription_outlives_a_node_that_is_down(pair: Pair) -> None:
    ada = await pair.one.session("ada/phone")
    await pair.two.session("ben/phone")
    pair.second.take(BEN)
    await pair.one.says(ada, f"<presence to='{BEN}' type='subscribe'/>")
    await pair.second.give(BEN)
    ben = await pair.two.session("ben/tablet", presence=False)

    async def asked() -> bool:
        return (await pair.two.node.accounts.roster(BEN))[ADA].request is not None

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(asked)
    await pair.until(empty)
    await pair.two.says(ben, "<presence/>")
    assert "subscribe" in [stanza.type for stanza in pair.two.heard(ben)]


async def test_requests_are_answered_by_the_owner_and_by_the_client(pair: Pair) -> None:
    ada, ben = await friends(pair)
    pair.one.heard(ada), pair.two.heard(ben)
    await pair.one.says(ada, f"<iq type='get' to='{BEN}' id='d'><query xmlns='{ns.DISCO_INFO}'/></iq>")
    await pair.settle()
    (answer,) = pair.one.heard(ada)
    assert (answer.type, answer.id, answer.attrs["from"]) == ("result", "d", BEN)
    await pair.one.says(ada, f"<iq type='get' to='{ben.full}' id='p'><ping xmlns='{ns.PING}'/></iq>")
    await pair.settle()
    (asked,) = pair.two.heard(ben)
    await pair.two.says(ben, f"<iq type='result' to='{ada.full}' id='{asked.id}'/>")
    await pair.settle()
    (answer,) = pair.one.heard(ada)
    assert (answer.type, answer.id, answer.attrs["from"]) == ("result", "p", ben.full)


async def test_who_asks_an_account_that_nobody_owns_is_told_to_try_again(pair: Pair) -> None:
    ada = await pair.one.session("ada/phone")
    await pair.one.says(
        ada, f"<iq type='get' to='eve@localhost' id='d'><query xmlns='{ns.DISCO_INFO}'/></iq>"
    )
    await pair.settle()
    (answer,) = pair.one.heard(ada)
    assert (answer.type, answer.id) == ("error", "d")
    assert b"recipient-unavailable" in answer.inner


async def test_an_event_reaches_a_contact_of_another_node(pair: Pair) -> None:
    ada, ben = await friends(pair)
    node = "http://jabber.org/protocol/tune"
    caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='x' ver='made-up'/>"
    await pair.two.says(ben, f"<presence>{caps}</presence>")
    await pair.settle()
    for asked in [stanza for stanza in pair.two.heard(ben) if stanza.kind == "iq"]:
        form = f"<query xmlns='{ns.DISCO_INFO}' node='x#made-up'><feature var='{node}+notify'/></query>"
        await pair.two.says(ben, f"<iq type='result' id='{asked.id}' to='{asked.attrs['from']}'>{form}</iq>")
    await pair.settle()
    item = f"<item id='1'><tune xmlns='{node}'/></item>"
    publish = f"<publish node='{node}'>{item}</publish>"
    await pair.one.says(ada, f"<iq type='set' id='p'><pubsub xmlns='{ns.PUBSUB}'>{publish}</pubsub></iq>")
    await pair.settle()
    events = [s for s in pair.two.heard(ben) if s.kind == "message" and b"pubsub#event" in s.inner]
    assert [event.attrs["from"] for event in events] == [ADA]


async def test_contacts_of_a_slot_that_moved_are_asked_for_again(pair: Pair) -> None:
    """Whoever was online on a node that is gone is not seen as online for ever."""
    ada, ben = await friends(pair)
    pair.one.heard(ada)
    pair.second.take(BEN)
    assert ben.closed
    assert pair.one.heard(ada) == []  # the node that has lost the slot has nothing to say
    await pair.second.give(BEN)

    async def told() -> bool:
        return "unavailable" in [stanza.type for stanza in pair.one.heard(ada)]

    await pair.until(told)


async def test_what_an_owner_could_not_store_is_sent_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = await pair.one.session("ada/phone"), await pair.two.session("ben/phone")
    append, failures = pair.two.node.store.append, 2

    def failing(entry: Append) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            pair.two.node.tasks.soon(lambda: entry.done(None, Unavailable("no room")))
        else:
            append(entry)

    monkeypatch.setattr(pair.two.node.store, "append", failing)
    await pair.one.says(ada, chat(1))

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(empty)
    assert bodies(pair.two.heard(ben)) == ["1"]
    assert [s for s in pair.one.heard(ada) if s.type == "error"] == []


async def test_nothing_overtakes_a_message_whose_recipient_is_still_being_read(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner changes its mind in the middle of a request: what came after is sent again with it."""
    ada = await pair.one.session("ada/phone")
    await pair.two.node.store.create_accounts([(BEN, {})])
    pair.second.take(BEN)
    for number in range(120):
        await pair.one.says(ada, chat(number))
    load, refusals = pair.two.node.accounts.load, 3

    async def moody(bare: str) -> Account | None:
        nonlocal refusals
        account = await load(bare)
        if refusals:
            refusals -= 1
            pair.two.node.accounts.drop(account) if account is not None else None
            raise Elsewhere
        return account

    monkeypatch.setattr(pair.two.node.accounts, "load", moody)
    await pair.second.give(BEN)

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(empty)
    assert await pair.bodies(pair.two, BEN) == [str(number) for number in range(120)]
    assert [s for s in pair.one.heard(ada) if s.type == "error"] == []


async def test_what_another_version_says_is_not_answered(pair: Pair) -> None:
    answers: list[bytes | None] = []
    for strange in (b"\x02\x90", b"\x01nonsense"):
        LocalBus.ask(pair.bus, slot_of(BEN), strange, lambda answer, error: answers.append(answer))
    gc.collect()
    assert answers == [None, None]  # nobody holds the reply any more, so it is lost


def test_what_travels_is_read_as_it_was_written() -> None:
    stanza = Other(b"<presence from='a@x' to='b@x'/>")
    slots = (1 << 1023).to_bytes(128, "big")
    for said in (stanza, Notice(b"node", 7, b"owner", b"<presence/>"), Probe(b"<presence/>", True)):
        assert request(encode(said)) == said
    for asked in (Check(b"node", 7, slots), Moved([(3, b"owner")])):
        assert request(encode(asked)) == asked
    assert owner(encode(Owner(b"name"))) == Owner(b"name")
    assert result(encode(Result([], 3))) == Result([], 3)
    with pytest.raises(ValueError, match="version"):
        request(b"\x02" + encode(stanza)[1:])


async def test_what_has_waited_for_too_long_comes_back(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that nobody takes does not stay in the outbox for ever, nor in the archive."""
    monkeypatch.setattr(pair.one.node.get(outbox.Outbox), "_patience", 0.3)
    ada = await pair.one.session("ada/phone")
    await pair.two.node.store.create_accounts([(BEN, {})])
    pair.second.take(BEN)
    await pair.one.says(ada, chat(1))
    found: list[Stanza] = []

    async def came() -> bool:
        found.extend(stanza for stanza in pair.one.heard(ada) if stanza.type == "error")
        return bool(found) and await pair.outbox(pair.one) == 0

    await pair.until(came)
    assert (found[0].id, found[0].attrs["from"]) == ("m1", BEN)
    assert b"remote-server-timeout" in found[0].inner
    assert await pair.bodies(pair.one, ADA) == []
    monkeypatch.undo()
    await pair.second.give(BEN)
    await pair.one.says(ada, chat(2))

    async def empty() -> bool:
        return await pair.outbox(pair.one) == 0

    await pair.until(empty)
    assert await pair.bodies(pair.two, BEN) == ["2"]


async def test_what_was_acknowledged_still_goes_when_its_sender_is_removed(pair: Pair) -> None:
    """So do the ends of its subscriptions, or others would keep a contact that does not exist."""
    ada, ben = await friends(pair)
    account = ada.account
    pair.second.take(BEN)
    await pair.one.says(ada, chat(1))
    await pair.one.node.get(Removal).remove(account, wholly=True)
    await pair.second.give(BEN)

    async def arrived() -> bool:
        roster = await pair.two.node.accounts.roster(BEN)
        return await pair.bodies(pair.two, BEN) == ["1"] and not (roster[ADA].to or roster[ADA].from_)

    await pair.until(arrived)
    assert ben.closed
