"""The web app calls the SDK and is called by it: `make calls` passes these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith.client import CallRinging, Client, Trust
from tests.calls.headless import Meter, Picture, Tone
from tests.client.conftest import event
from tests.interop.converse import chromium as run_chromium
from tests.web.calls import (
    ARGUMENTS,
    DEVICES,
    answer,
    call,
    connected,
    hang_up,
    hears,
    over,
    prepare,
    sees,
)
from tests.web.people import People
from tests.web.person import DESKTOP

pytestmark = pytest.mark.skipif(os.environ.get("CALLS") != "long", reason="the long form: make calls")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With a camera and a microphone."""
    with run_chromium(tmp_path_factory.mktemp("chromium"), *ARGUMENTS) as where:
        yield where


async def test_a_browser_and_a_bot_call_each_other(people: People, tmp_path: Path) -> None:
    server = people.server
    ada = await people.one("Ada", {**DESKTOP, **DEVICES})
    await ada.register()
    bot_address = server.add_user("bot")
    settings = {"host": "127.0.0.1", "port": server.port, "auto_accept": True, "calls": True}
    async with Client(bot_address, "pw", data=tmp_path / "bot", **settings) as bot:
        await bot.send(ada.address, "Call me")
        await ada.open(f"#/chat/{bot_address}")
        await ada.press("Accept")
        await prepare(ada)
        await ada.open(f"#/chat/{bot_address}")
        events = bot.events()
        await call(ada, video=True)
        ringing: CallRinging = await event(events, CallRinging)
        answered = await ringing.call.accept(Tone(), Picture())
        await connected(ada)
        assert answered.trust is Trust.BLIND
        await Meter(await answered.track("audio")).frames(20, loud=True)
        await Meter(await answered.track("video")).frames(5)
        await hears(ada)
        await sees(ada)
        await ada.shows(".trust[data-trust=trusted]")
        await hang_up(ada)
        assert await answered.ended() == "success"
        await over(ada)

        placed = await bot.calls.place(ada.address, Tone(), Picture())
        await answer(ada, video=True)
        await placed.connected()
        await hears(ada)
        await sees(ada)
        await Meter(await placed.track("video")).frames(5)
        assert placed.trust is Trust.BLIND
        await placed.hang_up()
        await over(ada)
