"""A client that runs under Node, driven over its stdin and stdout by lines of JSON."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
#: What a line of the client's may have, in bytes: it may tell of a whole stanza.
_LINE = 1 << 24


class Refused(Exception):
    """What the client could not do, in the standard's words."""


class NodeClient:
    """A client in a Node process of its own.

    It is told ``{"id": 1, "do": name, "arguments": […]}``, answers with ``{"id": 1, "result": …}`` or
    ``{"id": 1, "error": …}``, and tells what happens as ``{"event": name, "data": …}``.
    """

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
                continue
            answer = self._answers.pop(said["id"])
            if answer.done():  # whoever asked has given up
                continue
            if "error" in said:
                answer.set_exception(Refused(said["error"]))
            else:
                answer.set_result(said["result"])
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the client's process has ended"))

    async def do(self, name: str, *arguments: Any, timeout: float = 70) -> Any:
        """Calls a method of the client. Raises Refused."""
        if self._reading.done():
            raise ConnectionError("the client's process has ended")
        self._count += 1
        answer = self._answers[self._count] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        request = {"id": self._count, "do": name, "arguments": arguments}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return await asyncio.wait_for(answer, timeout)

    async def event(self, name: str, containing: str = "", timeout: float = 70) -> Any:
        """The next event of that name, or the next of them whose text has ``containing`` in it."""

        def place() -> int | None:
            for at, (event, data) in enumerate(self._events):
                if event == name and (not containing or containing in data):
                    return at
            return None

        async with self._news:
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait_for(lambda: place() is not None)
            except TimeoutError:
                raise AssertionError(f"no {name!r} {containing!r} in {self._events}") from None
            at = place()
            assert at is not None
            return self._events.pop(at)[1]

    def seen(self, name: str) -> list[Any]:
        """The events of that name that nobody has asked for yet."""
        return [data for event, data in self._events if event == name]

    async def close(self) -> None:
        """Ends its input, which ends the client."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 15)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading


Kind = TypeVar("Kind", bound=NodeClient)


@asynccontextmanager
async def node_client(kind: type[Kind], script: str, package: str, *arguments: str) -> AsyncIterator[Kind]:
    """Runs the script. Fails if Node or the package that it needs is not installed."""
    node = shutil.which("node")
    assert node, "Node.js is missing: run `make test`, which installs it"
    assert (HERE / "node_modules" / package).is_dir(), "run `npm ci` in tests/interop, as `make test` does"
    process = await asyncio.create_subprocess_exec(
        node,
        str(HERE / script),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE,
    )
    client = kind(process)
    try:
        yield client
    finally:
        await client.close()
