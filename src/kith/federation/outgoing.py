"""Sends stanzas to other servers, over one link for each pair of domains (XEP-0178, XEP-0220)."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import deque
from typing import NamedTuple

import structlog

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.core.routing.post import Post
from kith.federation import dialback
from kith.federation.connection import Connection, Connector, Refused
from kith.federation.resolver import NotFound, Unreachable
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: What waits for one domain at most.
MAX_STANZAS = 1000
MAX_BYTES = 4 * 1024 * 1024
#: The maximum number of links.
MAX_LINKS = 5000
#: An unused link is closed after this many seconds.
IDLE = 600.0
#: The seconds to wait after a failure; twice as long each time, up to the second number.
_RETRY, _RETRY_MOST = 2.0, 120.0
_SUCCESS, _FAILURE = ns.tag(ns.SASL, "success"), ns.tag(ns.SASL, "failure")
_MECHANISMS, _MECHANISM = ns.tag(ns.SASL, "mechanisms"), ns.tag(ns.SASL, "mechanism")
logger = structlog.get_logger("kith")


class _Waiting(NamedTuple):
    stanza: Stanza
    sender: JID
    data: bytes


class Link:
    """The queue and the stream from one domain here to one domain elsewhere."""

    def __init__(self, federation: Outgoing, local: str, remote: str) -> None:
        self._federation = federation
        self.local = local
        self.remote = remote
        self._queue: deque[_Waiting] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._running = False
        self._failures = 0
        self._not_before = 0.0
        self._condition = ""

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def send(self, stanza: Stanza, sender: JID) -> None:
        """Queues a stanza. Raises StanzaError if too much is queued, or if connecting has just failed."""
        data = stanza.to_bytes()
        if len(self._queue) >= MAX_STANZAS or self._size + len(data) > MAX_BYTES:
            raise StanzaError("resource-constraint", f"too much waits for {self.remote}", type="wait")
        if not self._running:
            if self._federation.clock.steady() < self._not_before:
                raise StanzaError(self._condition, type="wait")
            self._running = True
            self._federation.tasks.spawn(self._run())
        self._queue.append(_Waiting(stanza, sender, data))
        self._size += len(data)
        self._news.set()

    async def _run(self) -> None:
        connection: Connection | None = None
        condition = "remote-server-timeout"
        try:
            connection = await self._federation.connector.connect(self.local, self.remote)
            await self._authenticate(connection)
            self._failures = 0
            self._federation.streams += 1
            try:
                await self._pump(connection)
            finally:
                self._federation.streams -= 1
        except NotFound as error:
            condition = "remote-server-not-found"
            self._failed(str(error))
        except (Unreachable, Refused, OSError, TimeoutError) as error:
            self._failed(str(error) or "it does not answer")
        finally:
            self._running = False
            if connection is not None:
                connection.close()
            self._condition = condition
            self._bounce(condition)

    def _failed(self, reason: str) -> None:
        wait = min(_RETRY * 2**self._failures, _RETRY_MOST)
        self._failures += 1
        self._federation.failures += 1
        self._not_before = self._federation.clock.steady() + wait
        logger.warning("no way to another server", domain=self.remote, reason=reason)

    async def _authenticate(self, connection: Connection) -> None:
        """Authenticates with SASL EXTERNAL if the other server offers it, else by dialback.

        Raises Refused.
        """
        mechanisms = connection.features.child(_MECHANISMS)
        offered = {m.text for m in mechanisms.findall(_MECHANISM)} if mechanisms is not None else set()
        if "EXTERNAL" in offered:
            identity = b64encode(self.local.encode()).decode()
            connection.write(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>{identity}</auth>".encode())
            answer = await connection.expect(_SUCCESS, _FAILURE)
            if answer.tag == _SUCCESS:
                await connection.open(self.local, self.remote)
                return
        key = self._federation.keys.make(self.remote, self.local, connection.id)
        connection.write(dialback.element("result", {"from": self.local, "to": self.remote}, key))
        answer = await connection.expect(dialback.RESULT)
        if answer.type != "valid":
            raise Refused(f"dialback: {answer.type or 'no answer'}")

    async def _pump(self, connection: Connection) -> None:
        """Sends what is queued, until the link is unused for long, or the other server closes the stream."""
        reading = asyncio.ensure_future(self._read(connection))
        try:
            while True:
                while self._queue:
                    batch = list(self._queue)
                    connection.write(b"".join(waiting.data for waiting in batch))
                    await connection.drain()
                    for waiting in batch:
                        self._queue.popleft()
                        self._size -= len(waiting.data)
                self._news.clear()
                news = asyncio.ensure_future(self._news.wait())
                done, _ = await asyncio.wait((news, reading), timeout=IDLE, return_when="FIRST_COMPLETED")
                news.cancel()
                if not done or reading in done:
                    return
        finally:
            reading.cancel()

    async def _read(self, connection: Connection) -> None:
        """Reads until the stream ends. The other server sends nothing else on it."""
        try:
            while True:
                await connection.next()
        except (Refused, OSError):
            return

    def _bounce(self, condition: str) -> None:
        """Answers queued stanzas with an error, even if their senders are offline now."""
        queue, self._queue, self._size = self._queue, deque(), 0
        for waiting in queue:
            answer = waiting.stanza.error(StanzaError(condition, type="wait"))
            if answer is not None:
                self._federation.post.route(answer, JID("", self.remote), waiting.sender)


class Outgoing:
    """The `Host` for all domains that are not on this server.

    ``streams``: how many streams are open. ``failures``: how often none could be opened.
    """

    def __init__(
        self, clock: Clock, tasks: Tasks, post: Post, connector: Connector, keys: dialback.Keys
    ) -> None:
        self.clock = clock
        self.tasks = tasks
        self.post = post
        self.connector = connector
        self.keys = keys
        self._links: dict[tuple[str, str], Link] = {}
        self.streams = 0
        self.failures = 0

    @property
    def waiting(self) -> int:
        """How many stanzas are queued."""
        return sum(link.waiting for link in self._links.values())

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Queues a stanza for its domain. Raises StanzaError."""
        pair = sender.domain, to.domain
        link = self._links.get(pair)
        if link is None:
            if len(self._links) >= MAX_LINKS:
                self._links.pop(next(iter(self._links)))
            link = self._links[pair] = Link(self, *pair)
        link.send(stanza, sender)

    async def verify(self, local: str, remote: str, stream: str, key: str) -> bool:
        """Asks the server of ``remote`` whether it has issued a dialback key (XEP-0220 §2.1.2).

        Raises NotFound, Unreachable, Refused.
        """
        connection = await self.connector.connect(local, remote)
        try:
            attrs = {"from": local, "to": remote, "id": stream}
            connection.write(dialback.element("verify", attrs, key))
            answer = await connection.expect(dialback.VERIFY)
        except (OSError, TimeoutError) as error:
            raise Unreachable(str(error) or "it does not answer") from None
        finally:
            connection.close()
        same = (answer.attrs.get("from"), answer.attrs.get("to"), answer.id) == (remote, local, stream)
        return same and answer.type == "valid"
