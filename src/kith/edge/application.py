"""Serves an aiohttp application on connections that the server's own listeners accept."""

from __future__ import annotations

import asyncio

from aiohttp import web


class HTTPApplication:
    """``runner`` has the application, which must be complete."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    async def start(self) -> None:
        await self._runner.setup()

    async def stop(self) -> None:
        await self._runner.cleanup()

    def handler(self) -> asyncio.Protocol:
        """An aiohttp protocol for one connection. `start` must have been awaited."""
        server = self._runner.server
        assert server is not None
        return server()
