"""Keeps the stream up: connects, notices when it is gone, and tries again, ever more slowly."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from slixmpp import JID
from slixmpp.exceptions import IqError, IqTimeout

from kith.client import sendable
from kith.client.errors import ClientError, ServerLacks
from kith.client.events import ConnectionChanged
from kith.client.message import Link
from kith.client.stream import Stream

DIRECT_TLS_PORT = 5223
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0  # seconds
_LASTS, _LASTS_BLAMED = 2.0, 60.0  # seconds of a connection after which the waiting begins anew
_PING_EVERY, _PING_TIMEOUT = 60.0, 20.0  # seconds
_ATTEMPT_TIMEOUT = 30.0  # seconds


def address(domain: str, host: str | None, port: int | None) -> tuple[str | None, int | None]:
    """Where to connect: what the caller says, else KITH_HOST and KITH_PORT, else DNS (None, None).

    ``localhost`` needs no DNS.
    """
    host = host or os.environ.get("KITH_HOST") or None
    port = port or int(os.environ.get("KITH_PORT") or 0) or None
    if host or port or domain == "localhost":
        return host or domain, port or 5222
    return None, None


class Connection:
    """``set_up`` runs for each new session; ``changed`` hears of every change of the link."""

    __slots__ = (
        *(
            "_address",
            "_changed",
            "_closing",
            "_direct_tls",
            "_ended",
            "_ping",
            "_ready",
            "_set_up",
            "_setting_up",
        ),
        *("_wake", "first", "link", "stream"),
    )

    def __init__(
        self,
        stream: Stream,
        where: tuple[str | None, int | None],
        direct_tls: bool,
        set_up: Callable[[], Awaitable[None]],
        changed: Callable[[ConnectionChanged], None],
    ) -> None:
        self.stream = stream
        self.link = Link.OFFLINE
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when first online; an error if that can't work; a plain OSError if out of reach."""
        self._address = where
        self._direct_tls = direct_tls
        self._set_up = set_up
        self._changed = changed
        self._closing = False
        self._ready = False
        self._ended: asyncio.Future[str] | None = None
        self._setting_up: asyncio.Task[None] | None = None
        self._ping: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        stream.closed = self._on_closed
        stream.add_event_handler("session_start", self._on_session)
        stream.add_event_handler("session_resumed", self._on_resumed)

    async def run(self) -> None:
        """Until `close`, or an error that trying again can't mend (raised)."""
        wait = _FIRST_WAIT
        host, port = self._address
        while not self._closing:
            if self.link is not Link.RECONNECTING:
                self._tell(ConnectionChanged(Link.CONNECTING))
            self._ended = asyncio.get_running_loop().create_future()
            attempt = asyncio.get_running_loop().call_later(_ATTEMPT_TIMEOUT, self._give_up)
            began = time.monotonic()
            self.stream.dial(host, port, self._direct_tls)
            reason = await self._ended
            attempt.cancel()
            was_online = self.link is Link.ONLINE
            self._stop_session_tasks()
            if self._closing:
                break
            if self.stream.certificate_pending:
                continue
            if self.stream.failure is not None:
                self._fail(self.stream.failure)
            if was_online and self._was_sound(began):
                wait = _FIRST_WAIT
            pause = wait * random.uniform(0.5, 1.5)
            self._tell(ConnectionChanged(Link.RECONNECTING, pause, reason))
            if not self.first.done():
                self.first.set_exception(OSError(reason))
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            wait = min(wait * 2, _LONGEST_WAIT)
        self._tell(ConnectionChanged(Link.OFFLINE))

    def _was_sound(self, began: float) -> bool:
        """Whether it lasted, and did not end for something that we had sent: then the next try comes soon."""
        lasted = time.monotonic() - began
        blamed = self.stream.ended_by is not None and sendable.blames_a_stanza(self.stream.ended_by)
        return lasted > (_LASTS_BLAMED if blamed else _LASTS)

    def retry_now(self) -> None:
        """Cuts the pause before the next attempt short."""
        self._wake.set()

    async def close(self) -> None:
        """Ends the session and the stream."""
        self._closing = True
        self._wake.set()
        self._stop_session_tasks()
        if self.stream.is_connected():
            with suppress(Exception):  # best effort: the program wants to leave
                await asyncio.wait_for(self.stream.disconnect(wait=1.0), 3.0)
        self.stream.abort()
        self.stream.cancel_connection_attempt()
        self._on_closed("closed")

    def _fail(self, error: ClientError) -> None:
        self._tell(ConnectionChanged(Link.OFFLINE, reason=str(error)))
        if not self.first.done():
            self.first.set_exception(error)
        raise error

    def _tell(self, event: ConnectionChanged) -> None:
        self.link = event.link
        self._changed(event)

    def _give_up(self) -> None:
        if self.link is not Link.ONLINE:
            self.stream.cancel_connection_attempt()
            self.stream.abort()
            self._on_closed("the server does not answer")

    def _on_closed(self, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)

    def _on_session(self, _: Any) -> None:
        self._ready = False
        self._begin()

    def _on_resumed(self, _: Any) -> None:
        self._begin()

    def _begin(self) -> None:
        if self._setting_up is not None:
            self._setting_up.cancel()
        self._setting_up = asyncio.create_task(self._start_session())

    async def _start_session(self) -> None:
        if not self._ready:
            try:
                await self._set_up()
            except Exception as error:  # of the server, the OMEMO library, or a lost connection
                if self.stream.is_connected() and not isinstance(error, IqTimeout):
                    self.stream.failure = ServerLacks(
                        f"The server lacks what encrypted chat needs (personal eventing, XEP-0163): {error}"
                    )
                self.stream.abort()
                return
            self._ready = True
        self._tell(ConnectionChanged(Link.ONLINE))
        if not self.first.done():
            self.first.set_result(None)
        self._ping = asyncio.create_task(self._keep_alive())

    def _stop_session_tasks(self) -> None:
        for task in (self._setting_up, self._ping):
            if task is not None:
                task.cancel()
        self._setting_up = self._ping = None

    async def _keep_alive(self) -> None:
        ping = self.stream.plugin["xep_0199"].send_ping
        while True:
            await asyncio.sleep(_PING_EVERY)
            try:
                await ping(JID(self.stream.boundjid.host), timeout=_PING_TIMEOUT)
            except IqTimeout:
                self.stream.abort()
            except IqError:
                pass  # an answer, too
