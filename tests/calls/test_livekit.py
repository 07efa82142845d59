"""Group calls at a real LiveKit server: `make calls` builds it and passes these tests."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith.commands.finding import Verdict
from kith.commands.sfu import check_sfus
from kith.config import Config
from kith.config.sfus import SFUSettings
from tests.api.person import Device, Person
from tests.calls.livekit import KEY, SECRET, LiveKitServer, Member, secret
from tests.conftest import RunningServer, running
from tests.groups.there import ADMIN, JOIN, OWNER
from tests.raw import RawClient

pytestmark = pytest.mark.skipif("LIVEKIT" not in os.environ, reason="the long form: make calls")


@pytest.fixture(scope="module")
def sfus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LiveKitServer]]:
    made = [LiveKitServer(tmp_path_factory.mktemp(f"sfu{number}")) for number in range(2)]
    yield made
    for sfu in made:
        sfu.stop()


@pytest.fixture(scope="module")
def kith(tmp_path_factory: pytest.TempPathFactory, sfus: list[LiveKitServer]) -> Iterator[RunningServer]:
    settings = [{"url": one.url, "api_url": one.api_url, "key": KEY, "secret": SECRET} for one in sfus]
    with running(tmp_path_factory.mktemp("kith") / "data", sfus=json.dumps(settings)) as it:
        yield it
        assert "level=error" not in it.log.read_text()


class Somebody:
    """A person with a device that is online."""

    def __init__(self, person: Person, device: Device, client: RawClient) -> None:
        self.person, self.device, self.client = person, device, client
        self.jid = str(device.login["address"])

    async def joins(self, group: str) -> Member:
        ticket = (await self.person.done("POST", "/api/group-calls", {"group": group}, self.device)).body
        member = Member(ticket["url"], ticket["token"], ticket["identity"])
        await member.enter()
        return member


async def somebody(kith: RunningServer) -> Somebody:
    person = Person(kith)
    device = await person.register()
    return Somebody(person, device, await device.online(kith.port))


async def group_of(name: str, owner: Somebody, *members: Somebody) -> str:
    group = f"{name}@groups.localhost"
    owner.client.send(f"<presence to='{group}/owner'>{JOIN}</presence>")
    await owner.client.take(lambda e: e.get("from") == f"{group}/owner")
    form = "<x xmlns='jabber:x:data' type='submit'/>"
    await owner.client.result("set", f"<query xmlns='{OWNER}'>{form}</query>", group)
    await affiliate(owner, group, "member", *members)
    return group


async def affiliate(owner: Somebody, group: str, affiliation: str, *members: Somebody) -> None:
    items = "".join(f"<item jid='{one.jid}' affiliation='{affiliation}'/>" for one in members)
    await owner.client.result("set", f"<query xmlns='{ADMIN}'>{items}</query>", group)


async def test_members_see_each_other_and_nobody_without_their_keys_does(kith: RunningServer) -> None:
    ada, ben, eve = [await somebody(kith) for _ in range(3)]
    group = await group_of("see", ada, ben, eve)
    one, two, tap = [await person.joins(group) for person in (ada, ben, eve)]
    for member, other in ((one, two), (two, one)):
        member.knows(other.identity, secret(other.identity))
        tap.knows(other.identity, secret("something else"))
    await one.sees(two.identity)
    await two.sees(one.identity)
    assert not tap.frames, "the SFU and whoever listens there get bytes, and no picture"
    tap.knows(one.identity, secret(one.identity))
    await tap.sees(one.identity, 3)  # it was not for want of bytes
    await asyncio.gather(*(member.leave() for member in (one, two, tap)))


async def test_who_is_removed_from_the_group_is_removed_from_the_call(kith: RunningServer) -> None:
    ada, ben = [await somebody(kith) for _ in range(2)]
    group = await group_of("removed", ada, ben)
    one, two = [await person.joins(group) for person in (ada, ben)]
    await affiliate(ada, group, "none", ben)
    await asyncio.wait_for(two.gone.wait(), 15)
    refused = await ben.person.ask("POST", "/api/group-calls", {"group": group}, ben.device)
    assert (refused.status, refused.error) == (404, "not-found")
    await one.leave()


async def test_doctor_makes_a_room_and_says_what_is_wrong(sfus: list[LiveKitServer]) -> None:
    (good,) = await check_sfus(_config(sfus[0], SECRET))
    assert good.verdict is Verdict.GOOD, good
    (bad,) = await check_sfus(_config(sfus[0], "x" * 40))
    assert bad.verdict is Verdict.BAD
    assert "compare key and secret" in bad.todo, bad


def _config(sfu: LiveKitServer, key: str) -> Config:
    return Config(sfus=[SFUSettings(url=sfu.url, api_url=sfu.api_url, key=KEY, secret=key)])


async def test_a_call_is_back_within_ten_seconds_when_its_sfu_was_killed(
    kith: RunningServer, sfus: list[LiveKitServer]
) -> None:
    ada, ben = [await somebody(kith) for _ in range(2)]
    group = await group_of("killed", ada, ben)
    first = [await person.joins(group) for person in (ada, ben)]
    (dead,) = [sfu for sfu in sfus if sfu.url == first[0]._url]
    dead.stop()
    async with asyncio.timeout(10):
        one, two = [await person.joins(group) for person in (ada, ben)]
        assert one._url == two._url != dead.url
        two.knows(one.identity, secret(one.identity))
        await two.sees(one.identity, 1)
    for member in (one, two):
        await member.leave()


async def test_a_token_alone_makes_no_room(kith: RunningServer, tmp_path: Path) -> None:
    """A token that was given before does not bring a call back that has ended."""
    from livekit.rtc import ConnectError

    from kith.calls.livekit import LiveKit

    sfu = LiveKitServer(tmp_path)
    try:
        settings = SFUSettings(url=sfu.url, api_url=sfu.api_url, key=KEY, secret=SECRET)
        token = LiveKit(settings).token("a-room-that-is-not-there", "somebody", 600)
        with pytest.raises(ConnectError):
            await Member(sfu.url, token, "somebody").enter()
    finally:
        sfu.stop()
