"""Calls between two people in Chromium."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.calls.coturn import SECRET, Coturn
from tests.conftest import RunningServer, running
from tests.interop.converse import chromium as run_chromium
from tests.web.calls import (
    ARGUMENTS,
    DEVICES,
    KEEP,
    UFRAG,
    answer,
    call,
    click,
    connected,
    entry,
    hang_up,
    hears,
    over,
    prepare,
    received,
    sees,
)
from tests.web.device import until
from tests.web.people import People, down
from tests.web.person import DESKTOP, PHONE

CALLING = ({**DESKTOP, **DEVICES}, {**PHONE, **DEVICES})


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    relay = Coturn(tmp_path_factory.mktemp("coturn"))
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, coturn: Coturn) -> Iterator[RunningServer]:
    """With a relay."""
    urls = [f"turn:localhost:{coturn.port}?transport=udp", f"turn:localhost:{coturn.port}?transport=tcp"]
    relays = json.dumps([{"urls": urls, "secret": SECRET}])
    with running(tmp_path_factory.mktemp("kith") / "data", allow_plaintext="off", relays=relays) as server:
        yield server


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With a camera and a microphone."""
    with run_chromium(tmp_path_factory.mktemp("chromium"), *ARGUMENTS) as where:
        yield where


async def test_two_people_hear_and_see_each_other(people: People) -> None:
    ada, ben = await people.two(*CALLING)
    await prepare(ada, ben)

    # a voice call, in which both turn on their cameras later
    await call(ada)
    await ben.shows(".incoming:has-text('Incoming voice call')")
    assert await ben.do("axe") == []
    await ada.shows(".call:has-text('Ringing')")
    await answer(ben)
    await connected(ada, ben)
    await hears(ada)
    await hears(ben)
    for person in (ada, ben):
        await person.shows(".trust[data-trust=trusted]")
    assert await ada.do("axe") == []
    await ada.press("Camera")
    await sees(ben)
    await ben.press("Camera")
    await sees(ada)
    await hang_up(ben)
    await over(ada, ben)
    for person in (ada, ben):
        await entry(person, "Voice call, 0:")


async def test_a_call_ends_as_both_sides_are_told(people: People) -> None:
    ada, ben = await people.two(*CALLING)
    await prepare(ada, ben)

    await call(ada, video=True)
    await ben.shows(".incoming:has-text('Incoming video call')")
    await ben.press("Decline")
    await ada.shows(".call:has-text('Call declined')")
    await over(ada)
    await entry(ada, "Video call, declined")

    # nobody answers: it is missed, in the chat and in the list of calls
    await call(ada)
    await ben.shows(".incoming")
    await hang_up(ada)
    await ben.hides(".incoming")
    await entry(ben, "Missed voice call")
    await entry(ada, "Voice call, no answer")
    await ben.open("#/calls")
    await ben.press("Missed")
    await ben.shows(".pane li.missed:has-text('Ada')")

    # calling back from there, at the same moment as the other side calls again
    await over(ada)
    await asyncio.gather(click(ada, "Voice call"), click(ben, "Call back: Ada"))
    await connected(ada, ben)
    await hears(ada)
    await hears(ben)
    for person in (ada, ben):
        assert await person.on(".call", "count") == 1
        assert await person.on(".incoming", "count") == 0
    await hang_up(ada)
    await over(ada, ben)


async def test_of_several_devices_one_answers_and_the_call_outlives_the_server(
    people: People, house: RunningServer
) -> None:
    ada, ben = await people.two(*CALLING)
    laptop = await people.linked(ben, CALLING[0])
    await ben.open(f"#/chat/{ada.address}")
    await prepare(ada, ben, laptop)

    # two browsers ring, one of them in two tabs; that which does not lead the connection answers
    await laptop.do("tab", 1)
    await laptop.do("page", "addInitScript", KEEP)
    await laptop.open()
    await call(ada)
    await ben.shows(".incoming")
    await laptop.shows(".incoming")
    await laptop.do("tab", 0)
    await laptop.shows(".incoming")
    await laptop.do("tab", 1)
    await answer(laptop)
    await ben.hides(".incoming")
    await connected(ada, laptop)
    await hears(laptop)

    # the other tab leads no more, which nobody hears; the transports can be restarted over the new connection
    await laptop.do("tab", 0)
    assert await laptop.on(".incoming, .call", "count") == 0
    await laptop.do("page", "close")
    await laptop.do("tab", 1)
    before = await ada.evaluate(UFRAG)
    await laptop.evaluate("dispatchEvent(new Event('online'))")

    async def restarted() -> bool:
        return bool(await ada.evaluate(UFRAG) != before)

    await until(restarted)
    await hears(laptop)
    await hears(ada)

    # nobody hears that the server is away, and what is done afterwards arrives
    async with down(house):
        await hears(laptop)
        await hears(ada)
        assert await ada.on(".call .state:has-text('reconnecting')", "count") == 0
    await ada.press("Camera")
    await sees(laptop)
    await hang_up(ada)
    await over(ada, laptop)
    await entry(ben, "Voice call, 0:")


async def test_a_call_over_a_relay_only_comes_back_after_a_cut(people: People, coturn: Coturn) -> None:
    """The other side learns the relay's address, and no other."""
    ada, ben = await people.two(*CALLING)
    await prepare(ada, ben)
    await ada.open("#/settings/privacy")
    await ada.on("[role=switch]:has-text('Calls through a relay only')", "click")
    await ada.open(f"#/chat/{ben.address}")
    await call(ada, video=True)
    await answer(ben, video=True)
    await connected(ada, ben)
    await sees(ada)
    await sees(ben)
    assert (await received(ada))["local"] == "relay"
    assert (await received(ben))["remote"] == "relay"

    # nothing gets through for a while, which both are told
    coturn.pause()
    try:
        for person in (ada, ben):
            await person.shows(".call [role=status]:has-text('reconnecting')")
    finally:
        coturn.resume()
    for person in (ada, ben):
        await person.hides(".call [role=status]:has-text('reconnecting')")
        await hears(person)
        await sees(person)
    await hang_up(ada)
    await over(ada, ben)
