"""What commands on the same machine ask a running server, over a Unix socket in the data folder.

Commands work on the database themselves. They only ask for what is not in it, such as who is online, and tell
the server that they have written something, so that it takes effect at once. Whoever may open the socket,
its owner and root, may read and write the database as well, so there are no tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web

from kith.admin.live import SOCKET, AskedTrace, AskedTracing, LiveSessions
from kith.admin.pushes import AskedPush, push_to
from kith.admin.trace import LiveTraces
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.sessions.tracing import Tracing
from kith.core.sessions.upkeep import Upkeep
from kith.push.pushing import Pushing

logger = structlog.get_logger("kith")
#: How long to wait for requests in progress when the server stops, in seconds.
_FAREWELL = 2.0
_T = TypeVar("_T")
_encode = msgspec.json.Encoder().encode


class LocalSocket:
    """Serves the socket. `start` has to be awaited while the data folder is locked."""

    def __init__(
        self,
        config: Config,
        accounts: Accounts,
        upkeep: Upkeep,
        tracing: Tracing,
        live: LiveTraces,
        pushing: Pushing,
    ) -> None:
        self._pushing = pushing
        self._live = live
        self._tracing = tracing
        self._path = config.data_dir / SOCKET
        self._accounts = accounts
        self._upkeep = upkeep
        app = web.Application()
        app.router.add_get("/sessions", self._sessions)
        app.router.add_post("/changes", self._changes)
        app.router.add_post("/trace", self._trace)
        app.router.add_post("/tracing", self._switch)
        app.router.add_post("/push", self._push)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_FAREWELL, logger=logging.getLogger("kith.http")
        )
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Listens. If that is impossible, the server runs without the socket, and a warning is logged."""
        await self._runner.setup()
        try:
            listener = await asyncio.to_thread(_bind, self._path)
        except OSError as error:
            todo = "commands work, but don't know who is online; a shorter data_dir may help"
            logger.warning("no socket for commands", error=str(error), todo=todo)
            return
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._runner.server, sock=listener)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
        await self._runner.cleanup()

    async def _sessions(self, request: web.Request) -> web.Response:
        found = LiveSessions.of(self._accounts)
        return web.Response(body=_encode(found), content_type="application/json")

    async def _trace(self, request: web.Request) -> web.Response:
        """What the server knows of some accounts and messages."""
        asked = await _decoded(request, AskedTrace)
        found = await self._live.ask(asked.accounts, asked.ids)
        return web.Response(body=_encode(found), content_type="application/json")

    async def _switch(self, request: web.Request) -> web.Response:
        """Starts tracing an account, or stops it. 409: too many are traced."""
        asked = await _decoded(request, AskedTracing)
        if not asked.hours:
            self._tracing.stop(asked.account)
            return web.Response(status=204)
        try:
            self._tracing.start(asked.account, asked.hours)
        except OverflowError:
            return web.Response(status=409)
        return web.Response(status=204)

    async def _push(self, request: web.Request) -> web.Response:
        """Wakes all devices of an account."""
        found = await push_to(self._pushing, self._accounts, (await _decoded(request, AskedPush)).account)
        return web.Response(body=_encode(found), content_type="application/json")

    async def _changes(self, request: web.Request) -> web.Response:
        """Takes up what a command has written. Answers when that is done."""
        await self._upkeep.take_up()
        return web.Response(status=204)


async def _decoded(request: web.Request, kind: type[_T]) -> _T:
    """The body of a request. Raises HTTPBadRequest."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError:
        raise web.HTTPBadRequest from None


def _bind(path: Path) -> socket.socket:
    """A socket at a path that only its owner can connect to. One that is left from before is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        os.chmod(path, 0o600)  # nobody can connect before it listens
        listener.listen()
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
