"""Newcomers who can't be given the history now are looked for again, by one timer only."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch
from xml.etree.ElementTree import Element, SubElement

from slixmpp.exceptions import IqError

from kith.client.database import Database
from kith.client.groups import wire
from kith.client.groups.newcomers import Newcomers

GROUPS = ["friends@groups.localhost", "work@groups.localhost"]
AGAIN = 4321.0


class Stream:
    def is_connected(self) -> bool:
        return True


class Busy:
    """The server: in each group, another device gives somebody the history."""

    def __init__(self) -> None:
        self.asked = 0

    async def request(self, kind: str, group: str, element: Element) -> Element:
        if kind == "set":
            raise IqError(cast(Any, {"error": {"condition": "conflict", "text": "", "type": "wait"}}))
        self.asked += 1
        answer = Element("iq")
        SubElement(answer, wire.tag("newcomer"), jid="cleo@localhost")
        return answer


async def test_one_timer_however_often_it_is_woken(tmp_path: Path) -> None:
    database, server = Database(tmp_path / "ada"), Busy()
    database.set("history-owed", json.dumps(GROUPS))
    others = cast(Any, None)
    newcomers = Newcomers(
        cast(Any, Stream()), database, others, others, cast(Any, server), others, others, others, AGAIN
    )
    loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
    call_later = loop.call_later

    def noted(delay: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        handle = call_later(delay, *arguments, **options)
        if delay == AGAIN:
            timers.append(handle)
        return handle

    with patch.object(loop, "call_later", noted):
        running = asyncio.create_task(newcomers.run())
        async with asyncio.timeout(10):
            for turn in range(1, 4):
                newcomers.wake()
                while server.asked < turn * len(GROUPS) or len(timers) < turn * len(GROUPS):
                    await asyncio.sleep(0)
    running.cancel()
    assert len([timer for timer in timers if not timer.cancelled()]) == 1
    database.close()
