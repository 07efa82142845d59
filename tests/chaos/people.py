"""People who write and read while their server and their connections die, and note what happens to them.

They do what good clients do: senders keep a message until the server has acknowledged it and send it again
with the same origin id, over a resumed session or a new one; receivers resume, or read the archive after the
last id that they have. They speak to any server (RFC 6120, XEP-0198, XEP-0313, XEP-0359).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from xml.etree.ElementTree import Element

from tests.raw import CLIENT, Gone, RawClient, body

SM = "urn:xmpp:sm:3"
_SM = f"{{{SM}}}"
_SID = "{urn:xmpp:sid:0}"
_MAM = "{urn:xmpp:mam:2}"
_FORWARDED = f"{{urn:xmpp:forward:0}}forwarded/{CLIENT}message"
_RSM = "{http://jabber.org/protocol/rsm}"
_STANZAS = (f"{CLIENT}message", f"{CLIENT}presence", f"{CLIENT}iq")
#: What ends a session: the person tries again.
LOST = (Gone, OSError, TimeoutError, AssertionError)
PATIENCE = 60.0


class Server(Protocol):
    """What people need to know of a server."""

    port: int
    domain: str


class Device(RawClient):
    """A connection that counts, acknowledges and hands on what it gets."""

    def __init__(self, person: Person) -> None:
        super().__init__(person.server.port, person.server.domain)
        self.person = person
        self.managed = False

    def send(self, text: str) -> None:
        if self._writer.transport.is_closing():
            raise Gone
        super().send(text)

    def arrived(self, element: Element) -> None:
        person = self.person
        if element.tag in _STANZAS:
            if self.managed:
                person.received += 1
            if element.tag != _STANZAS[0]:
                self.inbox.append(element)
            else:
                person.got(element)
        elif element.tag == f"{_SM}r" and not self._writer.transport.is_closing():
            self.send(f"<a xmlns='{SM}' h='{person.received}'/>")
        else:
            self.inbox.append(element)


class Person:
    """An account's one client. ``run`` it until `stop`."""

    def __init__(self, server: Server, name: str, rng: random.Random) -> None:
        self.server = server
        self.name = name
        self.rng = rng
        self.device: Device | None = None
        self.token = ""  # of a session that can be resumed
        self.received = 0  # stanzas of that session
        self.stopping = False
        self.resumptions = 0
        self.refusals = 0  # of resumption
        self.errors: list[str] = []

    @property
    def bare(self) -> str:
        return f"{self.name}@{self.server.domain}"

    def got(self, message: Element) -> None:
        """A message came."""

    def new_device(self) -> Device:
        return Device(self)

    async def work(self, device: Device, resumed: bool) -> None:
        """What it does while it is connected; ends when the person is to stop."""
        raise NotImplementedError

    async def run(self) -> None:
        """Connects again and again."""
        while not self.stopping:
            device = self.new_device()
            try:
                async with asyncio.timeout(PATIENCE):
                    await device.connect()
                    await device.login(self.name)
                    resumed = await self._resume(device)
                self.device = device
                if not self.stopping:
                    await self.work(device, resumed)
            except LOST:
                pass
            finally:
                self.device = None
                if hasattr(device, "_task"):
                    device.abort()
            await asyncio.sleep(0.02 + 0.05 * self.rng.random())

    async def _resume(self, device: Device) -> bool:
        if not self.token:
            return False
        device.managed = True  # counts from `<resumed/>` on
        device.send(f"<resume xmlns='{SM}' previd='{self.token}' h='{self.received}'/>")
        answer = await device.take(lambda e: e.tag in (f"{_SM}resumed", f"{_SM}failed"), PATIENCE)
        if answer.tag == f"{_SM}resumed":
            self.resumptions += 1
            self.handled(int(answer.get("h") or 0))
            return True
        self.refusals += 1
        self.token = ""
        device.managed = False
        return False

    def handled(self, h: int) -> None:
        """The server has handled so many stanzas of the session."""

    async def enable(self, device: Device) -> None:
        device.managed, self.received = False, 0
        device.send(f"<enable xmlns='{SM}' resume='true'/>")
        answer = await device.take(lambda e: e.tag in (f"{_SM}enabled", f"{_SM}failed"), PATIENCE)
        assert answer.tag == f"{_SM}enabled"
        self.token = answer.get("id") or ""
        device.managed = True

    def drop(self) -> None:
        """The connection is cut."""
        if self.device is not None:
            self.device.abort()
            self.device.closed = True
            self.device._news.set()


class Sender(Person):
    """Writes numbered messages to people chosen at random.

    ``to[n]`` got message n. ``acknowledged``: those that the server said it has. ``window``: how many may
    be unacknowledged. ``pause``: how long it is still between two flights, in seconds, at most.
    """

    pause = 0.03

    def __init__(
        self, server: Server, name: str, rng: random.Random, recipients: list[str], window: int = 40
    ) -> None:
        super().__init__(server, name, rng)
        self.recipients = recipients
        self.window = window
        self.to: list[str] = []
        self.acknowledged: set[int] = set()
        self.refused: set[int] = set()  # answered with an error since they were last sent
        self.waiting: deque[int] = deque()  # sent in this session and not acknowledged, oldest first
        self.again: deque[int] = deque()  # to be sent (once more) before anything new
        self.count = 0  # acknowledged stanzas of this session
        self.enough = False  # nothing new is to be written

    def got(self, message: Element) -> None:
        if message.get("type") == "error":
            error = message.find(f"{CLIENT}error")
            assert error is not None
            self.errors.append(f"{error.get('type')} {error[0].tag.partition('}')[2]}")
            self.refused.add(int((message.get("id") or "").rpartition("-")[2]))

    def handled(self, h: int) -> None:
        for _ in range(h - self.count):
            number = self.waiting.popleft()
            if number in self.refused:
                self.refused.discard(number)
                self.again.append(number)
            else:
                self.acknowledged.add(number)
        self.count = h

    def _send(self, device: Device, number: int) -> None:
        id = f"{self.name}-{number}"
        device.send(
            f"<message to='{self.to[number]}@{self.server.domain}' type='chat' id='{id}'>"
            f"<body>{self.name} {number}</body><origin-id xmlns='urn:xmpp:sid:0' id='{id}'/></message>"
        )

    async def work(self, device: Device, resumed: bool) -> None:
        if resumed:
            for number in self.waiting:
                self._send(device, number)
        else:
            self.again = deque(sorted({*self.waiting, *self.again}))
            self.waiting.clear()
            self.count = 0
            await device.bind()
            await self.enable(device)
        while not (self.enough and not self.waiting and not self.again):
            room = min(self.window - len(self.waiting), self.rng.randint(1, 8))
            for _ in range(room):
                if self.again:
                    number = self.again.popleft()
                elif self.enough:
                    break
                else:
                    number = len(self.to)
                    self.to.append(self.rng.choice(self.recipients))
                self.waiting.append(number)
                self._send(device, number)
            device.send(f"<r xmlns='{SM}'/>")
            answer = await device.take(lambda e: e.tag == f"{_SM}a", PATIENCE)
            self.handled(int(answer.get("h") or 0))
            await asyncio.sleep(0.2 if self.again else self.rng.random() * self.pause)
        self.stopping = True


@dataclass
class Notebook:
    """What one device has seen, in order: (stanza id, text)."""

    seen: list[tuple[str, str]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    repeated: int = 0  # came once more with the same id
    last: str = ""

    def note(self, id: str, text: str) -> None:
        if id and id in self.ids:
            self.repeated += 1
            return
        self.ids.add(id)
        self.seen.append((id, text))
        self.last = id or self.last


class Receiver(Person):
    """Resumes; where it can't, it reads the archive after the last id that it has.

    ``manages``: whether it has stream management. ``reads``: whether it reads the archive; else it takes
    what the server sends when it becomes available. ``eager``: it becomes available first and reads then, as
    clients do that know their messages again by the ids; what comes meanwhile waits. ``form``: a form for its
    queries.
    """

    form = ""

    def __init__(
        self,
        server: Server,
        name: str,
        rng: random.Random,
        *,
        manages: bool = True,
        reads: bool = True,
        eager: bool = False,
    ) -> None:
        super().__init__(server, name, rng)
        self.manages = manages
        self.reads = reads
        self.eager = eager
        self.notebook = Notebook()
        self.forgotten = 0  # times that the archive did not know the last id
        self.hearing = asyncio.Event()
        self._meanwhile: list[tuple[str, str]] | None = None

    def got(self, message: Element) -> None:
        result = message.find(f"{_MAM}result")
        inner = message if result is None else result.find(_FORWARDED)
        if inner is None or not body(inner) or inner.get("type") == "error":
            return
        id = (result.get("id") if result is not None else own_id(message, self.bare)) or ""
        if result is None and self._meanwhile is not None:
            self._meanwhile.append((id, body(inner)))
        else:
            self.notebook.note(id, body(inner))

    async def work(self, device: Device, resumed: bool) -> None:
        if not resumed:
            try:
                await self._begin(device)
            except BaseException:
                self.token = ""  # of a session that is not ready for messages
                raise
        self.hearing.set()
        try:
            await device.end(1e6)
        finally:
            self.hearing.clear()

    async def _begin(self, device: Device) -> None:
        await device.bind()
        if self.manages:
            await self.enable(device)
        if not self.eager:
            if self.reads:
                await self._catch_up(device)
            device.send("<presence/>")
            return
        self._meanwhile = []
        try:
            device.send("<presence/>")
            await self._catch_up(device)
            for id, text in self._meanwhile:
                self.notebook.note(id, text)
        finally:
            self._meanwhile = None  # if it was cut off, the archive has it

    async def _catch_up(self, device: Device) -> None:
        """Page by page."""
        while True:
            last = self.notebook.last
            after = f"<after>{last}</after>" if last else ""
            paging = f"<set xmlns='http://jabber.org/protocol/rsm'><max>100</max>{after}</set>"
            answer = await device.iq(
                "set", f"<query xmlns='urn:xmpp:mam:2'>{self.form}{paging}</query>", timeout=PATIENCE
            )
            if answer.get("type") == "error":
                assert last, "no archive"
                self.forgotten += 1
                self.notebook.last = ""
                continue
            fin = answer.find(f"{_MAM}fin")
            assert fin is not None
            self.notebook.last = fin.findtext(f".//{_RSM}last") or last
            if fin.get("complete") == "true":
                return

    def hang_up(self) -> None:
        self.stopping = True
        self.drop()


def own_id(message: Element, bare: str) -> str:
    """The id under which the archive of ``bare`` has a message (XEP-0359)."""
    for element in message.findall(f"{_SID}stanza-id"):
        if element.get("by") == bare:
            return element.get("id") or ""
    return ""


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits for it. Raises TimeoutError."""
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(what)
