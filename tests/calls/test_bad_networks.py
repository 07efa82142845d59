"""Calls over bad networks: the call lives, or says why not.

All media go through a relay that is reached through a proxy which loses, delays and throttles.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from kith.client import CallRinging, CallSettings, CallState
from kith.client.calls import call as call_module
from kith.client.calls.call import Call
from tests.calls.badnet import BadNetwork
from tests.calls.callers import Callers
from tests.calls.coturn import SECRET, Coturn
from tests.calls.headless import Meter, Tone
from tests.client.conftest import People, event
from tests.conftest import RunningServer, free_ports, running


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    it = Coturn(tmp_path_factory.mktemp("coturn"))
    yield it
    it.stop()


@pytest.fixture(scope="module")
def proxied() -> int:
    """The port of the proxy before the relay, which each test opens anew."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def kith(tmp_path_factory: pytest.TempPathFactory, coturn: Coturn, proxied: int) -> Iterator[RunningServer]:
    urls = [f"turn:127.0.0.1:{proxied}?transport=udp", f"turn:127.0.0.1:{coturn.port}?transport=tcp"]
    relays = json.dumps([{"urls": urls, "secret": SECRET}])
    with running(tmp_path_factory.mktemp("kith") / "data", relays=relays) as it:
        yield it


@pytest.fixture
async def people(kith: RunningServer, tmp_path: Path) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        yield Callers(kith, tmp_path, stack)


@asynccontextmanager
async def calling(people: People, settings: CallSettings) -> AsyncIterator[tuple[Call, Call]]:
    """A call of two people, who both use the relay alone."""
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"))
    ada.calls.settings = ben.calls.settings = settings
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    ringing: CallRinging = await event(events, CallRinging)
    call = await ringing.call.accept(Tone())
    await placed.connected()
    yield placed, call
    await placed.hang_up()
    await call.closed()


def network(coturn: Coturn, port: int, **like: float) -> BadNetwork:
    return BadNetwork(coturn.port, port=port, **like)


RELAY = CallSettings(relay_only=True)


@pytest.mark.parametrize(
    "like",
    [{"loss": 0.025, "delay": 0.075, "jitter": 0.02}, {"rate": 40_000.0}],
    ids=["5 % loss and 300 ms", "40 kbit/s"],
)
async def test_people_hear_each_other(
    people: People, coturn: Coturn, proxied: int, like: dict[str, float]
) -> None:
    """Each packet passes the proxy twice: from its sender to the relay, and from there to its receiver."""
    async with network(coturn, proxied, **like) as line, calling(people, RELAY) as calls:
        meters = [Meter(await call.track("audio")) for call in calls]
        for meter in meters:
            await meter.frames(60, loud=True)
        assert line.seen > 100, "it did not pass the proxy"
        assert line.lost < line.seen * (0.1 if "loss" in like else 0.02)


async def test_a_cut_of_ten_seconds_is_outlived(people: People, coturn: Coturn, proxied: int) -> None:
    async with network(coturn, proxied) as line, calling(people, RELAY) as calls:
        meters = [Meter(await call.track("audio")) for call in calls]
        for meter in meters:
            await meter.frames(10, loud=True)
        line.cut = True
        await asyncio.sleep(10)
        line.cut = False
        for meter in meters:
            await meter.frames(20, loud=True)
        assert [call.state for call in calls] == [CallState.CONNECTED] * 2


async def test_after_a_change_of_address_the_call_goes_on(
    people: People, coturn: Coturn, proxied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay knows its clients by their addresses, so nothing comes through until ICE is restarted."""
    monkeypatch.setattr("kith.client.calls.media.RESTART_SECONDS", 1.0)
    async with network(coturn, proxied) as line, calling(people, RELAY) as calls:
        meters = [Meter(await call.track("audio")) for call in calls]
        for _ in range(2):
            for meter in meters:
                await meter.frames(10, loud=True)
            line.change_addresses()
            await asyncio.sleep(1)
        for meter in meters:
            await meter.frames(50, loud=True)
        assert [call.state for call in calls] == [CallState.CONNECTED] * 2


async def test_a_relay_that_is_reached_by_tcp_alone_is_enough(people: People) -> None:
    async with calling(people, CallSettings(relay_only=True, relay="tcp")) as calls:
        for call in calls:
            await Meter(await call.track("audio")).frames(20, loud=True)


async def test_without_a_way_the_call_says_so(
    people: People, monkeypatch: pytest.MonkeyPatch, proxied: int
) -> None:
    monkeypatch.setattr(call_module, "CONNECT_SECONDS", 2.0)
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"))
    ada.calls.settings = ben.calls.settings = RELAY  # nothing is there
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    ringing: CallRinging = await event(events, CallRinging)
    call = await ringing.call.accept(Tone())
    assert await placed.ended() == "connectivity-error"
    assert await call.ended() == "connectivity-error"


async def test_a_relay_that_is_gone_ends_the_call_and_it_says_why(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith.client.calls.media.SILENCE_SECONDS", 2.0)
    mine = Coturn(tmp_path)
    try:
        relays = json.dumps([{"urls": [f"turn:127.0.0.1:{mine.port}?transport=udp"], "secret": SECRET}])
        with running(tmp_path / "data", relays=relays) as server:
            people.server = server
            async with calling(people, RELAY) as (placed, call):
                await Meter(await call.track("audio")).frames(10, loud=True)
                mine.stop()
                reasons = {await placed.ended(), await call.ended()}
                assert reasons == {"connectivity-error"}
    finally:
        mine.stop()
