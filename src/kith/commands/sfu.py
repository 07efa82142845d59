"""Whether the servers of group calls work: `kith doctor` makes a room at each, and ends it."""

from __future__ import annotations

import asyncio

from kith.base.randomness import Randomness
from kith.calls.livekit import LiveKit
from kith.commands.finding import Finding, Verdict
from kith.config import Config
from kith.config.sfus import SFUSettings
from kith.ports.sfu import SFUFailed


async def check_sfus(config: Config) -> list[Finding]:
    """Makes a room at each SFU of the settings, and ends it."""
    if not config.sfus:
        todo = "groups can't call without one: see docs/calls.md"
        return [Finding("group calls", Verdict.NOTE, "there is no SFU", todo)]
    return await asyncio.gather(*(_check(settings) for settings in config.sfus))


async def _check(settings: SFUSettings) -> Finding:
    try:
        sfu = LiveKit(settings)
        room = Randomness().hex(16)
        try:
            await sfu.make(room, 2)
            if await sfu.participants(room) is None:
                return Finding(settings.url, Verdict.BAD, "a room is not there", "see its log")
            await sfu.end(room)
        finally:
            await sfu.close()
    except ImportError:
        todo = "install it: pip install 'kith[server,sfu]'"
        return Finding(settings.url, Verdict.BAD, "the library livekit-api is missing", todo)
    except SFUFailed as error:
        wrong = "refuses" in str(error)
        todo = "compare key and secret with its settings" if wrong else "see whether it runs, and api_url"
        return Finding(settings.url, Verdict.BAD, str(error), todo)
    return Finding(settings.url, Verdict.GOOD, "makes rooms")
