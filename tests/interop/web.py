"""StanzaJS under Node (`websocket_client.mjs`), driven over its stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


class Refused(Exception):
    """What the client could not do, in the standard's words."""


class WebClient:
    """A client in a Node process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._events: list[tuple[str, Any]] = []
        self._news = asyncio.Condition()
        self._count = 0
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "event" in said:
                async with self._news:
                    self._events.append((said["event"], said["data"]))
                    self._news.notify_all()
            elif "error" in said:
                self._answers.pop(said["id"]).set_exception(Refused(said["error"]))
            else:
                self._answers.pop(said["id"]).set_result(said["result"])
        for answer in self._answers.values():
            answer.set_exception(ConnectionError("the client's process has ended"))

    async def do(self, name: str, *arguments: Any, timeout: float = 15) -> Any:
        """Calls a method of the client. Raises Refused."""
        self._count += 1
        answer = self._answers[self._count] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        request = {"id": self._count, "do": name, "arguments": arguments}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return await asyncio.wait_for(answer, timeout)

    async def event(self, name: str, timeout: float = 15) -> Any:
        """The next event of that name."""

        def place() -> int | None:
            return next((at for at, (event, _) in enumerate(self._events) if event == name), None)

        async with self._news:
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait_for(lambda: place() is not None)
            except TimeoutError:
                raise AssertionError(f"no {name!r} in {self._events}") from None
            at = place()
            assert at is not None
            return self._events.pop(at)[1]

    def seen(self, name: str) -> list[Any]:
        """The events of that name that nobody has asked for yet."""
        return [data for event, data in self._events if event == name]

    async def log_in(self, jid: str, http_port: int, password: str = "pw", **settings: Any) -> None:
        """Connects and waits for the session."""
        url = f"ws://127.0.0.1:{http_port}/xmpp-websocket"
        await self.do(
            "connect",
            {"jid": jid, "password": password, "transports": {"websocket": url, "bosh": False}, **settings},
        )

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading


@asynccontextmanager
async def web_client() -> AsyncIterator[WebClient]:
    """A client that has not connected yet. Fails if Node or the packages are not installed."""
    node = shutil.which("node")
    assert node, "Node.js is missing: run `make test`, which installs it"
    assert (_HERE / "node_modules" / "stanza").is_dir(), "run `npm ci` in tests/interop, as `make test` does"
    process = await asyncio.create_subprocess_exec(
        node,
        str(_HERE / "websocket_client.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    client = WebClient(process)
    try:
        yield client
    finally:
        await client.close()
