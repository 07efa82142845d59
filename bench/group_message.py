"""What one encrypted message to a large group costs the browser that sends it.

    python bench/group_message.py [--members N] [--devices N] [--profile FILE]

The encryption of the web app runs in Debian's Chromium, as a page without screens. The devices of the others
are keys that are made before. The first message makes a session with each of them; they have answered when
the others follow, a few seconds apart.
CPU is that of all processes of the browser.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.catchup import build_page, cpu, page_of, serve
from tests.interop.converse import chromium

_TEXT = "Tea is at four today, in the garden if the weather stays as it is. Who brings the cake?"
_REPEATS = 6
#: Seconds between two messages, after which nothing of the storage is in memory any more.
_PAUSE = 6.0
#: How many devices somebody has who gets the message.
_SIBLINGS = 3


async def measure(members: int, devices: int, profile: Path | None) -> dict[str, float]:
    found: dict[str, float] = {"members": members, "devices": devices}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        await build_page(folder / "page")
        address = await serve(folder / "page", stack)
        browser = stack.enter_context(chromium(folder / "profile"))
        page = await stack.enter_async_context(page_of(browser))
        await page.go(address)
        await page.run(f"device.group({members}, {devices})", timeout=300)
        send = f"device.send({json.dumps(_TEXT)})"
        before = cpu(folder / "profile")
        first = await page.run(send)
        found["first message: until it can be sent ms"] = round(first[0])
        found["first message: CPU ms"] = round((cpu(folder / "profile") - before) * 1000)
        assert first[3] == devices
        await page.run("device.answered()")
        times, used = [], 0.0
        for number in range(_REPEATS):
            await asyncio.sleep(_PAUSE)
            if profile and number == 1:
                await page.do("Profiler.enable")
                await page.do("Profiler.setSamplingInterval", interval=200)
                await page.do("Profiler.start")
            before = cpu(folder / "profile")
            times.append(await page.run(send))
            used += cpu(folder / "profile") - before
            if profile and number == 1:
                text = json.dumps((await page.do("Profiler.stop"))["profile"])
                await asyncio.to_thread(profile.write_text, text)
        found["each message: until it can be sent ms"] = round(statistics.median(one[0] for one in times))
        found["each message: until its sessions are stored ms"] = round(
            statistics.median(one[1] for one in times)
        )
        found["each message: CPU ms"] = round(used / _REPEATS * 1000)
        found["bytes up, first message"] = first[2]
        found["bytes up"] = times[-1][2]
        found["bytes up, compressed"] = times[-1][4]
        found["bytes down, to each device"] = await page.run(
            f"device.received({json.dumps(_TEXT)}, {_SIBLINGS})"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures a message to a large group, in the browser.")
    parser.add_argument("--members", type=int, default=256)
    parser.add_argument("--devices", type=int, default=600)
    parser.add_argument("--profile", type=Path, help="where a CPU profile of it goes")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.members, options.devices, options.profile)), indent=2))


if __name__ == "__main__":
    main()
