"""Who joins the call of a group, at which SFU, and when it ends (`kith.calls.group_calls`)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest

from kith.calls import group_calls
from kith.calls.group_calls import GroupCalls, Refusal
from kith.calls.livekit import LiveKit
from kith.config import ConfigError, load
from kith.config.sfus import SFUSettings
from kith.core.actors.account import Session
from kith.core.sessions.bans import Bans
from kith.features.archive import Archive
from kith.features.disco import Disco
from kith.features.markers import Markers
from kith.groups import ALL
from kith.ports.sfu import SFUFailed
from kith.records.bans import Ban, BanList
from tests.groups.there import GROUP, There
from tests.parts import Room, room

SECRET = "s" * 40
ONE = SFUSettings(url="wss://one.example", key="k", secret=SECRET)
TWO = SFUSettings(url="wss://two.example", key="k", secret=SECRET, prefixes=["+49"])
FEATURES = (*ALL, Archive, Disco, Markers, GroupCalls)


class FakeSFU:
    """Keeps rooms in memory."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.rooms: dict[str, list[str]] = {}
        self.down = False

    def _check(self) -> None:
        if self.down:
            raise SFUFailed("down")

    def token(self, room: str, identity: str, seconds: int) -> str:
        return f"{room} {identity}"

    async def make(self, room: str, most: int) -> None:
        self._check()
        self.rooms[room] = []

    async def participants(self, room: str) -> list[str] | None:
        self._check()
        found = self.rooms.get(room)
        return None if found is None else list(found)

    async def remove(self, room: str, identity: str) -> None:
        self._check()
        self.rooms[room].remove(identity)

    async def end(self, room: str) -> None:
        self._check()
        self.rooms.pop(room, None)

    async def close(self) -> None: ...


class World(There):
    """A group with ada and ben, and two SFUs."""

    def __init__(self, there: Room) -> None:
        super().__init__(there)
        self.calls = there.node.get(GroupCalls)
        self.one, self.two = FakeSFU(ONE.url), FakeSFU(TWO.url)
        self.calls._sfus = {ONE.url: self.one, TWO.url: self.two}
        self.calls._looking = True  # tests say when it looks

    async def group(self) -> tuple[Session, Session]:
        ada, ben = await self.person("ada/phone"), await self.person("ben/phone")
        await self.make(ada)
        await self.affiliate(ada, {"ben": "member"})
        return ada, ben

    def enter_call(self, ticket: group_calls.Ticket) -> None:
        for sfu in (self.one, self.two):
            if ticket.call.id in sfu.rooms:
                sfu.rooms[ticket.call.id].append(ticket.identity)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with room(tmp_path, *FEATURES, sfus=[ONE, TWO]) as there:
        made = World(there)
        await made.group()
        there.rest()
        yield made


ADA, BEN, EVE = (f"{name}@localhost" for name in ("ada", "ben", "eve"))


async def test_members_join_the_same_call_under_names_that_say_nothing(world: World) -> None:
    first = await world.calls.join(GROUP, ADA)
    world.enter_call(first)
    second = await world.calls.join(GROUP, BEN)
    again = await world.calls.join(GROUP, ADA)
    assert (first.created, second.created, again.created) == (True, False, False)
    assert first.call.id == second.call.id == again.call.id
    assert len({first.identity, second.identity, again.identity}) == 3
    told = f"{first.token} {second.token} {first.call.id}"
    assert re.fullmatch("[0-9a-f ]+", told), "random names alone"


@pytest.mark.parametrize("group", [GROUP, "none@groups.localhost", "ada@localhost", "@", ""])
async def test_who_is_not_a_member_learns_nothing(world: World, group: str) -> None:
    await world.calls.join(GROUP, ADA)
    refusals = []
    for ask in (world.calls.join, world.calls.find):
        with pytest.raises(Refusal) as error:
            await ask(group, EVE)
        refusals.append((error.value.reason, str(error.value)))
    assert set(refusals) == {("not-found", "There is no such group, or you are not a member.")}


async def test_who_has_left_the_group_is_removed_from_the_call(world: World) -> None:
    for account in (ADA, BEN):
        world.enter_call(ticket := await world.calls.join(GROUP, account))
    ada = next(iter(world.node.accounts.sessions(ADA)))
    await world.affiliate(ada, {"ben": "none"})
    await world.calls.look_at(GROUP, ticket.call)
    (there,) = [one for sfu in (world.one, world.two) for one in sfu.rooms.values()]
    assert [ticket.call.people[one] for one in there] == [ADA]
    with pytest.raises(Refusal):
        await world.calls.join(GROUP, BEN)


async def test_who_is_suspended_is_removed_from_the_call(world: World) -> None:
    for account in (ADA, BEN):
        world.enter_call(ticket := await world.calls.join(GROUP, account))
    bans = world.node.get(Bans)
    ben = await world.node.store.account(BEN)
    assert ben is not None
    bans.list = BanList([Ban("1", "suspension", "", 0.0, account=ben.id)])
    await world.calls.look_at(GROUP, ticket.call)
    (there,) = [one for sfu in (world.one, world.two) for one in sfu.rooms.values()]
    assert [ticket.call.people[one] for one in there] == [ADA]


async def test_whom_the_server_has_not_let_in_is_removed(world: World) -> None:
    ticket = await world.calls.join(GROUP, ADA)
    sfu = world.one if ticket.call.id in world.one.rooms else world.two
    sfu.rooms[ticket.call.id] += [ticket.identity, "somebody"]
    await world.calls.look_at(GROUP, ticket.call)
    assert sfu.rooms[ticket.call.id] == [ticket.identity]


async def test_a_call_ends_when_nobody_is_there_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await world.calls.join(GROUP, ADA)
    await world.calls.look_at(GROUP, ticket.call)
    assert await world.calls.find(GROUP, BEN) is ticket.call, "one may take some time to come"
    monkeypatch.setattr(group_calls, "EMPTY_SECONDS", -1.0)
    await world.calls.look_at(GROUP, ticket.call)
    assert await world.calls.find(GROUP, BEN) is None
    assert not world.one.rooms
    assert not world.two.rooms
    assert (await world.calls.join(GROUP, BEN)).call.id != ticket.call.id


async def test_a_call_whose_sfu_is_gone_goes_on_at_another_one(world: World) -> None:
    first = await world.calls.join(GROUP, ADA)
    world.enter_call(first)
    (world.one if first.call.url == ONE.url else world.two).down = True
    second, third = await world.calls.join(GROUP, ADA), await world.calls.join(GROUP, BEN)
    assert second.call.url != first.call.url
    assert second.call.id == third.call.id
    world.one.down = world.two.down = True
    with pytest.raises(Refusal) as error:
        await world.calls.join(GROUP, ADA)
    assert error.value.reason == "unavailable"


async def test_calls_are_spread_over_the_sfus_and_begin_near_who_begins_them(world: World) -> None:
    ada = next(iter(world.node.accounts.sessions(ADA)))
    urls = []
    for number in range(4):
        await world.make(ada, group=f"g{number}@groups.localhost")
        urls.append((await world.calls.join(f"g{number}@groups.localhost", ADA)).call.url)
    assert sorted(urls) == [ONE.url] * 2 + [TWO.url] * 2
    german = await world.person("+49170/phone")
    for number in range(3):
        await world.make(german, nick="g", group=f"h{number}@groups.localhost")
        call = await world.calls.join(f"h{number}@groups.localhost", "+49170@localhost")
        assert call.call.url == TWO.url


async def test_a_restart_of_the_server_does_not_end_a_call(tmp_path: Path) -> None:
    async with room(tmp_path, *FEATURES, sfus=[ONE]) as there:
        world = World(there)
        await world.group()
        there.rest()
        before = await world.calls.join(GROUP, ADA)
        world.enter_call(before)
        sfu = world.one
    async with room(tmp_path, *FEATURES, sfus=[ONE]) as there:
        world = World(there)
        world.calls._sfus = {ONE.url: sfu}
        after = await world.calls.join(GROUP, BEN)
        assert after.call.id == before.call.id
        await world.calls.look_at(GROUP, after.call)
        assert sfu.rooms[before.call.id] == [before.identity]


async def test_a_call_has_room_for_so_many_and_joining_is_bounded(world: World) -> None:
    ticket = await world.calls.join(GROUP, ADA)
    sfu = world.one if ticket.call.id in world.one.rooms else world.two
    sfu.rooms[ticket.call.id] = [str(number) for number in range(group_calls.MOST)]
    with pytest.raises(Refusal, match="32 devices"):
        await world.calls.join(GROUP, BEN)
    sfu.rooms[ticket.call.id] = []
    for _ in range(group_calls.MAX_JOINS - 1):
        await world.calls.join(GROUP, ADA)
    with pytest.raises(Refusal, match="too often"):
        await world.calls.join(GROUP, ADA)
    await world.calls.join(GROUP, BEN)


async def test_without_an_sfu_there_are_no_group_calls(tmp_path: Path) -> None:
    async with room(tmp_path, *FEATURES) as there:
        with pytest.raises(Refusal) as error:
            await there.node.get(GroupCalls).join(GROUP, ADA)
        assert error.value.reason == "unavailable"


async def test_an_invitation_to_a_call_is_in_the_history_of_the_group(world: World) -> None:
    ben = next(iter(world.node.accounts.sessions(BEN)))
    await world.enter(ben, "ben")
    ada = next(iter(world.node.accounts.sessions(ADA)))
    invite = "<invite xmlns='urn:xmpp:call-invites:0' video='true'><external uri='xmpp:x?call'/></invite>"
    await world.says(ada, f"<message to='{GROUP}' type='groupchat' id='i'>{invite}</message>")
    (heard,) = [one for one in world.room.heard(ben) if one.kind == "message" and b"<invite" in one.inner]
    assert any(child.endswith("}stanza-id") for child in heard.children)


def test_a_token_is_for_one_room_and_has_no_name() -> None:
    token = LiveKit(ONE).token("room", "identity", 600)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_aud": False})
    assert claims["exp"] - claims["nbf"] == 600
    assert claims["sub"] == "identity"
    assert not claims.get("name")
    video = claims["video"]
    assert (video["room"], video["roomJoin"], video["canPublishData"]) == ("room", True, False)
    assert not {"roomCreate", "roomAdmin", "roomList", "roomRecord"} & {k for k, v in video.items() if v}


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"url": "https://x"}, "like wss://"),
        ({"key": ""}, "needs a key"),
        ({"secret": "short"}, "at least 32"),
        ({"prefixes": ["49"]}, r"like \+49"),
        ({"api_url": "ws://x"}, "like https://"),
    ],
)
def test_wrong_settings_give_one_line(wrong: dict[str, object], complaint: str) -> None:
    sfu = {"url": "wss://x", "key": "k", "secret": SECRET} | wrong
    with pytest.raises(ConfigError, match=complaint) as error:
        load(None, {"KITH_SFUS": json.dumps([sfu])})
    assert "\n" not in str(error.value)
