<<<<<<< HEAD
"""What the web app weighs, and how fast a conversation of 20,000 messages opens and scrolls, in Chromium.

    python bench/web.py [--messages N]

Times are from the browser's own trace: from the choice of a chat to the first frame that was drawn with its
newest message; and frames while one scrolls up through 100 screens' worth of messages.
=======
"""The web app in a browser: how long it takes to catch up, and to open a long conversation.

    python bench/web.py [--messages N] [--senders N] [--conversation N]

A device of the app (the sync layer, its encryption and storage, no screens) runs in Debian's Chromium. While it is
away, several people write to it, each from a device of the same app under Node. Then it comes back: the time is from
opening to having decrypted and stored all. The conversation is filled locally, and read anew after a reload.
>>>>>>> main
"""

from __future__ import annotations

import argparse
import asyncio
import json
<<<<<<< HEAD
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.conftest import running  # noqa: E402
from tests.interop.converse import chromium  # noqa: E402
from tests.web.person import DESKTOP, SEED, WEIGHT, Someone, someone  # noqa: E402

_REPEATS = 9
_OPEN = """(async () => {
  location.hash = '#/';
  await new Promise((done) => setTimeout(done, 600));
  performance.mark('kith-chosen');
  location.hash = '#/chat/%s';
  const drawn = () => document.querySelector('.history.placed [data-key$="id-%d"]');
  while (!drawn()) await new Promise((done) => requestAnimationFrame(done));
  performance.mark('kith-there');
  await new Promise((done) => setTimeout(done, 200));
})()"""
_SCROLL = """(async () => {
  const box = document.querySelector('.history');
  performance.mark('kith-chosen');
  let moved = 0, jumps = 0, before = 0, frames = [], then = performance.now();
  while (moved < 100 * box.clientHeight && frames.length < 4000) {
    const top = box.getBoundingClientRect().top;
    const all = [...box.querySelectorAll('[data-key]')];
    const seen = all.find((one) => one.getBoundingClientRect().bottom > top + 200);
    const place = seen.getBoundingClientRect().top;
    const step = Math.min(120, box.scrollTop);
    box.scrollTop -= step;
    moved += step;
    await new Promise((done) => requestAnimationFrame(done));
    const now = performance.now();
    frames.push(now - then);
    then = now;
    if (!seen.isConnected || Math.abs(seen.getBoundingClientRect().top - place - step) > 4) jumps += 1;
  }
  frames.sort((a, b) => a - b);
  const part = (share) => frames[Math.floor(frames.length * share)];
  return { screens: Math.round(moved / box.clientHeight), frames: frames.length, jumps,
           half: part(0.5), most: part(0.95), late: frames.filter((one) => one > 50).length,
           drawn: box.querySelectorAll('[data-key]').length };
})()"""


async def opening(person: Someone, chat: str, messages: int) -> float:
    """Milliseconds until a frame with the newest message is drawn."""
    script = _OPEN % (chat, messages - 1)
    traced = await person.do("trace", script, "kith-chosen", "kith-there", "DrawFrame", timeout=60)
    events: list[tuple[str, float]] = sorted(traced["events"], key=lambda event: event[1])
    chosen = next(at for name, at in events if name == "kith-chosen")
    there = next(at for name, at in events if name == "kith-there")
    drawn = next((at for name, at in events if name == "DrawFrame" and at >= there), there)
    return drawn - chosen


async def measure(messages: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with running(place / "data", allow_plaintext="off") as server, chromium(place / "chromium") as where:
            options = {**DESKTOP, "serviceWorkers": "block"}
            async with someone(where, server, "Ada", options) as ada:
                await ada.register()
                await ada.open()
                await ada.do("page", "reload", timeout=30)
                await ada.shows(".home")
                weight = await ada.evaluate(WEIGHT)
                chat = await ada.evaluate(f"({SEED})({messages})")
                await ada.do("page", "reload", timeout=60)
                await ada.shows(".chat-row")
                times = [await opening(ada, chat, messages) for _ in range(_REPEATS)]
                scroll = (await ada.do("trace", _SCROLL, "DroppedFrame", timeout=300))["result"]
    return {
        "messages": messages,
        "script_before_the_first_chat_bytes": weight["script"],
        "crypto_beside_it_bytes": weight["crypto"],
        "style_bytes": weight["style"],
        "opening_ms": {"median": round(statistics.median(times)), "worst": round(max(times))},
        "scrolling": {name: round(value, 1) for name, value in scroll.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000)
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments.messages))
    out = ROOT / "bench" / "out"
    out.mkdir(exist_ok=True)
    (out / "web.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
=======
import os
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.api.person import Person
from tests.conftest import running
from tests.interop.converse import Converse, chromium
from tests.interop.node import node_client
from tests.web.device import WEB, Devices, WebDevice, build, until


async def build_page(folder: Path) -> None:
    """What the browser opens."""
    npx = shutil.which("npx")
    assert npx
    arguments = ("vite", "build", "-c", "tests/driver/page.config.ts", "--outDir", str(folder))
    process = await asyncio.create_subprocess_exec(npx, *arguments, cwd=WEB, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


async def serve(folder: Path, stack: AsyncExitStack) -> str:
    """Serves it on the loopback. Gives the address."""
    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}/index.html"


class Page(Converse):
    """The page; `run` evaluates an expression, which has to give numbers."""

    async def run(self, expression: str, timeout: float = 120) -> Any:
        return await self.do("page", "evaluate", expression, timeout=timeout)


async def write(senders: list[WebDevice], to: str, each: int) -> None:
    """Each writes so many messages, and waits until the server has them."""

    async def one(device: WebDevice) -> None:
        for number in range(each):
            await device.do("send", to, f"message {number} of many: hello there, how are you today?", timeout=60)

        async def done() -> bool:
            return await device.do("waiting", timeout=60) == []

        await until(done, 600)

    await asyncio.gather(*map(one, senders))


async def measure(messages: int, people: int, conversation: int) -> dict[str, float]:
    found: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program = await build(folder / "program")
        await build_page(folder / "page")
        server = stack.enter_context(running(folder / "data", strangers_per_hour="1000"))
        address = await serve(folder / "page", stack)
        browser = stack.enter_context(chromium(folder / "profile"))
        page = await stack.enter_async_context(node_client(Page, "browser.mjs", "playwright-core", browser))
        await page.do("page", "goto", address, timeout=60)
        login = (await Person(server).register("browser")).login
        url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
        await page.run(f"device.open({json.dumps(login)}, '{url}')")

        async def caught_up() -> bool:
            return bool((await page.run("device.caughtUp()"))[0])

        await until(caught_up, 60)
        await page.do("page", "goto", "about:blank")
        async with AsyncExitStack() as writers:
            devices = Devices(program, server, writers)
            senders = [await devices.of(Person(server), f"sender {number}") for number in range(people)]
            began = time.monotonic()
            await write(senders, login["address"], messages // people)
            found["writing s"] = round(time.monotonic() - began, 1)
        await page.do("page", "goto", address, timeout=60)
        await page.run(f"device.open({json.dumps(login)}, '{url}')")

        await until(caught_up, 300)
        took, count, decrypting = await page.run("device.caughtUp()")
        found["catch-up s"] = round(took / 1000, 2)
        found["of that decrypting s"] = round(decrypting / 1000, 2)
        found["messages"] = count
        await page.run(f"device.fill({conversation})", timeout=600)
        await page.do("page", "reload")
        times = [await page.run("device.read()") for _ in range(3)]
        names = ("open ms (first after the reload)", "page before ms", "list of chats ms", "search ms")
        for place, name in enumerate(names):
            found[name] = round(times[0][place], 1)
        found["open ms (again)"] = round(min(one[0] for one in times[1:]), 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the web app's sync layer in a browser.")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--senders", type=int, default=5)
    parser.add_argument("--conversation", type=int, default=20_000)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found = asyncio.run(measure(options.messages, options.senders, options.conversation))
    print(json.dumps(found, indent=2))
>>>>>>> main


if __name__ == "__main__":
    main()
