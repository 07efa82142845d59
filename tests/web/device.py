"""A device of the web app without its screens: the sync layer under Node, with encryption and storage."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.api.person import Device, Person
from tests.api.test_devices import forget_codes
from tests.conftest import RunningServer
from tests.interop.node import NodeClient

WEB = Path(__file__).parents[2] / "web"
Row = dict[str, Any]


async def build(folder: Path, program: str = "node") -> Path:
    """Makes a program of `web/tests/driver` for Node. Fails if the packages of `web/` are not installed."""
    npx = shutil.which("npx")
    assert npx, "Node.js is missing: run `make test`, which installs it"
    assert (WEB / "node_modules" / "vite").is_dir(), "run `npm ci` in web, as `make test` does"
    arguments = (
        "-c",
        "tests/driver/vite.config.ts",
        "--ssr",
        f"tests/driver/{program}.ts",
        "--outDir",
        folder,
    )
    process = await asyncio.create_subprocess_exec(
        npx,
        *("vite", "build", *map(str, arguments)),
        cwd=WEB,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, said.decode()
    return folder / f"{program}.js"


class WebDevice(NodeClient):
    """`do` calls the methods of `App`, and those of `web/tests/driver/node.ts`."""

    login: Device

    @property
    def address(self) -> str:
        return str(self.login.login["address"])

    async def open(self, server: RunningServer) -> None:
        """Logs in; goes on by itself from then on."""
        await self.do("open", self.login.login, f"ws://127.0.0.1:{server.http_port}/xmpp-websocket")

    async def online(self) -> None:
        """Waits until it is online and has all that it missed."""
        await until(self._is_online)

    async def _is_online(self) -> bool:
        states: list[Row] = self.seen("live")
        return bool(states) and states[-1]["connection"] == "online"

    async def send(self, to: str, text: str) -> None:
        await self.do("send", to, text)

    async def messages(self, chat: str) -> list[Row]:
        found: list[Row] = await self.do("messages", chat)
        return found

    async def texts(self, chat: str) -> list[str]:
        return [row["text"] for row in await self.messages(chat)]

    async def shows(self, chat: str, *texts: str, timeout: float = 60) -> list[Row]:
        """Waits until the conversation is exactly that."""
        rows: list[Row] = []

        async def fits() -> bool:
            nonlocal rows
            rows = await self.messages(chat)
            return [row["text"] for row in rows] == list(texts)

        try:
            await until(fits, timeout)
        except TimeoutError:
            raise AssertionError(f"{[(row['kind'], row['text']) for row in rows]} and not {texts}") from None
        return rows


async def until(holds: Callable[[], Awaitable[bool]], timeout: float = 60, every: float = 0.05) -> None:
    """Waits for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not await holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(every)


class Devices:
    """Starts devices of people, and ends them."""

    def __init__(self, program: Path, server: RunningServer, stack: AsyncExitStack) -> None:
        self._program = program
        self._server = server
        self._stack = stack

    async def of(self, person: Person, name: str = "browser") -> WebDevice:
        """A new device of somebody, logged in and online."""
        forget_codes(self._server)
        login = await person.register(name)
        device = await self._stack.enter_async_context(self._start())
        device.login = login
        await device.open(self._server)
        await device.online()
        return device

    async def two(self) -> tuple[WebDevice, WebDevice]:
        """Of two people."""
        ada, ben = await asyncio.gather(
            self.of(Person(self._server), "ada"), self.of(Person(self._server), "ben")
        )
        return ada, ben

    @asynccontextmanager
    async def _start(self) -> AsyncIterator[WebDevice]:
        node = shutil.which("node")
        assert node
        process = await asyncio.create_subprocess_exec(
            node,
            str(self._program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
        )
        device = WebDevice(process)
        try:
            yield device
        finally:
            await device.close()
