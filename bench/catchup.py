"""The web app in a browser: how long it takes to catch up, and to open a long conversation.

    python bench/catchup.py [--messages N] [--senders N] [--conversation N] [--profile FILE]

A device of the app (the sync layer, its encryption and storage, no screens) runs in Debian's Chromium. While
it is away, several people write to it, each from a device of the same app under Node. Then it comes back: the
time is from opening to having decrypted and stored all. The conversation is filled locally, and read anew
after a reload.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.api.person import Person
from tests.conftest import running
from tests.interop.converse import chromium
from tests.web.device import WEB, Devices, WebDevice, build, until


async def build_page(folder: Path) -> None:
    """What the browser opens."""
    npx = shutil.which("npx")
    assert npx
    arguments = ("vite", "build", "-c", "tests/driver/page.config.ts", "--outDir", str(folder))
    process = await asyncio.create_subprocess_exec(
        npx, *arguments, cwd=WEB, stdout=asyncio.subprocess.DEVNULL
    )
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


def cpu(profile: Path) -> float:
    """Seconds that the browser's processes have used."""
    used = 0.0
    for process in psutil.process_iter(["cmdline", "cpu_times"]):
        if any(str(profile) in argument for argument in process.info["cmdline"] or ()):
            for one in (process, *process.children(recursive=True)):
                times = one.cpu_times()
                used += times.user + times.system
            break
    return used


class Page:
    """A page of the browser, by its debugging protocol alone: Playwright asks to be told of every frame of
    the page's WebSocket, which takes the browser's time."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0

    async def do(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol; events are passed over."""
        self._asked += 1
        await self._socket.send_json({"id": self._asked, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == self._asked:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    async def run(self, expression: str, timeout: float = 120) -> Any:
        """What an expression gives, or what it promises."""
        async with asyncio.timeout(timeout):
            answer = await self.do(
                "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
            )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def go(self, address: str) -> None:
        """Until it is there."""
        await self.do("Page.navigate", url=address)

        async def there() -> bool:
            ready = f"document.readyState == 'complete' && location.href == {json.dumps(address)}"
            return bool(await self.run(f"{ready} && ('device' in window || location.protocol == 'about:')"))

        await until(there, 60)


@contextlib.asynccontextmanager
async def page_of(browser: str) -> AsyncIterator[Page]:
    """A new page of the browser that listens there."""
    async with aiohttp.ClientSession() as http:
        async with http.put(f"{browser}/json/new?about:blank") as answer:
            target = json.loads(await answer.text())["webSocketDebuggerUrl"]
        async with http.ws_connect(target, max_msg_size=0) as socket:
            yield Page(socket)


#: A sender writes so many before it waits until the server has them: its database under Node is a slow one.
PORTION = 50


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def write(senders: list[WebDevice], to: str, each: int) -> None:
    """Each writes so many messages, and waits until the server has them."""
    began = time.monotonic()
    written = 0

    async def one(device: WebDevice) -> None:
        nonlocal written

        async def done() -> bool:
            return await device.do("waiting", timeout=60) == []

        for start in range(0, each, PORTION):
            portion = range(start, min(start + PORTION, each))
            for number in portion:
                text = f"message {number} of many: hello there, how are you today?"
                await device.do("send", to, text, timeout=60)
            await until(done, 120)
            written += len(portion)
            if written % 1000 < PORTION:
                say(f"{written} written after {time.monotonic() - began:.0f} s")

    await asyncio.gather(*map(one, senders))


async def measure(messages: int, people: int, conversation: int, profile: Path | None) -> dict[str, float]:
    found: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program = await build(folder / "program")
        await build_page(folder / "page")
        server = stack.enter_context(running(folder / "data", strangers_per_hour="1000"))
        address = await serve(folder / "page", stack)
        browser = stack.enter_context(chromium(folder / "profile"))
        page = await stack.enter_async_context(page_of(browser))
        await page.go(address)
        login = (await Person(server).register("browser")).login
        url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
        await page.run(f"device.open({json.dumps(login)}, '{url}')")

        async def caught_up() -> bool:
            return bool((await page.run("device.caughtUp()"))[0])

        await until(caught_up, 60)
        await page.go("about:blank")
        async with AsyncExitStack() as writers:
            devices = Devices(program, server, writers)
            senders = [await devices.of(Person(server), f"sender {number}") for number in range(people)]
            began = time.monotonic()
            await write(senders, login["address"], messages // people)
            found["writing s"] = round(time.monotonic() - began, 1)
        await page.go(address)
        before = cpu(folder / "profile")
        await page.run(f"device.open({json.dumps(login)}, '{url}')")
        say("catching up")
        if profile:
            await page.do("Profiler.enable")
            await page.do("Profiler.setSamplingInterval", interval=500)
            await page.do("Profiler.start")
        await until(caught_up, 300, every=1)  # asking costs the browser time, too
        found["CPU of that, all processes of the browser, s"] = round(cpu(folder / "profile") - before, 2)
        if profile:
            text = json.dumps((await page.do("Profiler.stop"))["profile"])
            await asyncio.to_thread(profile.write_text, text)
        took, count, decrypting = await page.run("device.caughtUp()")
        found["catch-up s"] = round(took / 1000, 2)
        found["of that decrypting s"] = round(decrypting / 1000, 2)
        found["messages"] = count
        await page.run(f"device.fill({conversation})", timeout=600)
        await page.go("about:blank")
        await page.go(address)
        times = [await page.run("device.read()") for _ in range(3)]
        names = ("open ms (first after the reload)", "page before ms", "list of chats ms", "search ms")
        for place, name in enumerate(names):
            found[name] = round(times[0][place], 1)
        found["open ms (again)"] = round(min(one[0] for one in times[1:]), 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the web app's sync layer in a browser.")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--senders", type=int, default=20)
    parser.add_argument("--conversation", type=int, default=20_000)
    parser.add_argument("--profile", type=Path, help="where a CPU profile of it goes")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found = asyncio.run(measure(options.messages, options.senders, options.conversation, options.profile))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
