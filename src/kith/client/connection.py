"""Keeps the stream connected: connects, notices lost connections, and reconnects with growing pauses."""

from __future__ import annotations

import asyncio
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
from kith.client.heartbeat import Heartbeat
from kith.client.message import Link
from kith.client.stream import Stream

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds between attempts
#: A connection that lasted for this many seconds resets the pause; longer, if a stanza of ours may have ended
#: it.
_STABLE, _STABLE_BLAMED = 2.0, 60.0
#: Seconds of silence until the first ping (`Heartbeat` learns how many it can be), and for its answer.
_PING_EVERY, _PING_TIMEOUT = 60.0, 20.0
_ATTEMPT_TIMEOUT = 30.0  # seconds


class Connection:
    """Connects a `Stream` again and again, until `close`.

    ``link`` is the present state. ``first`` is done when the first attempt has ended: with a result if it
    succeeded, with OSError if the server can't be reached now, with ClientError if trying again won't help.
    """

    __slots__ = (
        *("_address", "_closing", "_direct_tls", "_ended", "_heartbeat", "_on_change", "_pinging", "_set_up"),
        *("_set_up_done", "_setting_up", "_wake", "first", "link", "stream"),
    )

    def __init__(
        self,
        stream: Stream,
        address: tuple[str | None, int | None],
        direct_tls: bool,
        set_up: Callable[[], Awaitable[None]],
        on_change: Callable[[ConnectionChanged], None],
    ) -> None:
        """``set_up`` is awaited for each session that was not resumed. ``on_change`` gets each change."""
        self.stream = stream
        self.link = Link.OFFLINE
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._address = address
        self._direct_tls = direct_tls
        self._set_up = set_up
        self._on_change = on_change
        self._closing = False
        self._set_up_done = False
        self._ended: asyncio.Future[str] | None = None
        self._setting_up: asyncio.Task[None] | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._heartbeat = Heartbeat(_PING_EVERY)
        self._wake = asyncio.Event()
        stream.on_closed = self._on_closed
        stream.add_event_handler("session_start", self._on_session)
        stream.add_event_handler("session_resumed", self._on_resumed)

    async def run(self) -> None:
        """Stays connected until `close`. Raises ClientError if trying again won't help."""
        pause = _FIRST_PAUSE
        host, port = self._address
        while not self._closing:
            if self.link is not Link.RECONNECTING:
                self._set_link(ConnectionChanged(Link.CONNECTING))
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
            if was_online and self._was_stable(began):
                pause = _FIRST_PAUSE
            seconds = pause * random.uniform(0.5, 1.5)
            self._set_link(ConnectionChanged(Link.RECONNECTING, seconds, reason))
            if not self.first.done():
                self.first.set_exception(OSError(reason))
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)
            pause = min(pause * 2, _LONGEST_PAUSE)
        self._set_link(ConnectionChanged(Link.OFFLINE))

    def _was_stable(self, began: float) -> bool:
        """Whether the connection lasted, so that the next attempt may come soon."""
        lasted = time.monotonic() - began
        blamed = self.stream.ended_by is not None and sendable.blames_a_stanza(self.stream.ended_by)
        return lasted > (_STABLE_BLAMED if blamed else _STABLE)

    def retry_now(self) -> None:
        """Ends the pause before the next attempt."""
        self._wake.set()

    async def close(self) -> None:
        """Ends the session and the stream."""
        self._closing = True
        self._wake.set()
        self._stop_session_tasks()
        if self.stream.is_connected():
            with suppress(Exception):  # best effort: the connection is closed in any case
                await asyncio.wait_for(self.stream.disconnect(wait=1.0), 3.0)
        self.stream.abort()
        self.stream.cancel_connection_attempt()
        self._on_closed("closed")

    def _fail(self, error: ClientError) -> None:
        self._set_link(ConnectionChanged(Link.OFFLINE, reason=str(error)))
        if not self.first.done():
            self.first.set_exception(error)
        raise error

    def _set_link(self, event: ConnectionChanged) -> None:
        self.link = event.link
        self._on_change(event)

    def _give_up(self) -> None:
        if self.link is not Link.ONLINE:
            self.stream.cancel_connection_attempt()
            self.stream.abort()
            self._on_closed("the server does not answer")

    def _on_closed(self, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)

    def _on_session(self, _: Any) -> None:
        self._set_up_done = False
        self._begin()

    def _on_resumed(self, _: Any) -> None:
        self._begin()

    def _begin(self) -> None:
        if self._setting_up is not None:
            self._setting_up.cancel()
        self._setting_up = asyncio.create_task(self._start_session())

    async def _start_session(self) -> None:
        if not self._set_up_done:
            try:
                await self._set_up()
            except Exception as error:  # from the server, the OMEMO library, or a lost connection
                if self.stream.is_connected() and not isinstance(error, IqTimeout):
                    self.stream.failure = ServerLacks(
                        f"The server lacks what encrypted chat needs (personal eventing, XEP-0163): {error}"
                    )
                self.stream.abort()
                return
            self._set_up_done = True
        self._set_link(ConnectionChanged(Link.ONLINE))
        if not self.first.done():
            self.first.set_result(None)
        self._pinging = asyncio.create_task(self._keep_alive())

    def _stop_session_tasks(self) -> None:
        for task in (self._setting_up, self._pinging):
            if task is not None:
                task.cancel()
        self._setting_up = self._pinging = None

    async def _keep_alive(self) -> None:
        ping = self.stream.plugin["xep_0199"].send_ping
        while True:
            silence = time.monotonic() - self.stream.heard
            if (left := self._heartbeat.pause - silence) > 0:
                await asyncio.sleep(left)  # what comes meanwhile shows as well that the connection lives
                continue
            try:
                await ping(JID(self.stream.boundjid.host), timeout=_PING_TIMEOUT)
                self._heartbeat.answered(silence)
            except IqTimeout:
                if self.stream.silent_for(_PING_TIMEOUT):
                    self._heartbeat.lost(silence)
                    self.stream.abort()
                    return
            except IqError:
                self._heartbeat.answered(silence)  # an error is an answer as well
