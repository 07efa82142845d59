"""A small real HTTP server that takes text messages as a provider's gateway would, or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Gateway:
    """``behaviours``: what it does with each request in turn; the last one for all that follow.

    ``requests``: method, path with query, headers and body of each.
    """

    behaviours: list[Behaviour]
    url: str = ""
    requests: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        seen = (request.method, request.raw_path, dict(request.headers), await request.text())
        self.requests.append(seen)
        return await self.behaviours[min(len(self.requests), len(self.behaviours)) - 1](request)


def says(status: int, text: str = "", **headers: str) -> Behaviour:
    async def answer(_: web.Request) -> web.Response:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=fields)

    return answer


async def hangs(_: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def breaks_off(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def gateway(*behaviours: Behaviour) -> AsyncIterator[Gateway]:
    """One that listens on the loopback."""
    it = Gateway(list(behaviours) or [says(200)])
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", it.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    it.url = f"http://127.0.0.1:{port}/send"
    try:
        yield it
    finally:
        await runner.cleanup()
