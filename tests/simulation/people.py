"""People and their devices: they write, read, change things, and note what happens to them.

What those of `tests.chaos.people` do, one step of a schedule at a time: who writes keeps a message until the
server has acknowledged it, and sends it again under the same origin id; who reads resumes its session
(XEP-0198), or reads the archive after the last id that it has (XEP-0313). Besides, devices change rosters,
block people, publish events and show their presence.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from tests.chaos.people import Notebook, own_id
from tests.raw import CLIENT, Gone, body, condition
from tests.simulation.client import SM, Answered, Connection
from tests.simulation.node import DOMAIN

if TYPE_CHECKING:
    from tests.simulation.world import World

_MAM = "{urn:xmpp:mam:2}"
_RSM = "{http://jabber.org/protocol/rsm}"
_FORWARDED = f"{{urn:xmpp:forward:0}}forwarded/{CLIENT}message"
_CARBONS = ("{urn:xmpp:carbons:2}received", "{urn:xmpp:carbons:2}sent")
_ROSTER = "{jabber:iq:roster}"
_EVENT = "{http://jabber.org/protocol/pubsub#event}"
NODE = "urn:sim:mood"
_DISCO = "http://jabber.org/protocol/disco#info"
_HINTS = {
    "typing": "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    "receipt": "<received xmlns='urn:xmpp:receipts' id='x'/>",
}
_FEATURES = (f"{NODE}+notify", _DISCO)
_VER = base64.b64encode(
    hashlib.sha1(f"client/phone//Sim<{''.join(f'{name}<' for name in sorted(_FEATURES))}".encode()).digest()
).decode()
_CAPS = f"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:sim' ver='{_VER}'/>"
#: What ends a session: the person tries again.
LOST = (Gone, OSError, TimeoutError)
#: How long a node may hear nothing of a device that is gone until it learns that, in seconds.
SILENCE = 25.0
#: Messages that may be unacknowledged.
WINDOW = 20


@dataclass(slots=True)
class Written:
    """A message that a device has written. Times are of the simulation."""

    to: str  # an account
    address: str
    text: str
    first_sent: float = 0.0
    last_sent: float = 0.0
    times: int = 0
    acknowledged: bool = False
    bounced: bool = False  # refused for good
    refused: bool = False  # refused for now, at least once


@dataclass(slots=True)
class Change:
    """A request that changes something of the account: sent until it is answered.

    ``what`` and ``value`` say what is to be afterwards.
    """

    what: tuple[str, ...]
    value: str
    child: str
    begun: float = 0.0
    times: int = 0
    ended: float | None = None  # when the answer came
    failed: str = ""


@dataclass(slots=True)
class Said:
    """Something that is no message to be kept: presence, an event, typing, a receipt, a request, an answer.

    ``kind`` is ``show`` for presence. Times are of the simulation.
    """

    kind: str
    account: str  # whose it is
    first: float  # when it was sent
    last: float


@dataclass
class View:
    """What a device has been shown. ``presence``: status by full address; ``roster``: name by address;
    ``moods``: the last event by account."""

    presence: dict[str, str] = field(default_factory=dict)
    roster: dict[str, str] = field(default_factory=dict)
    moods: dict[str, str] = field(default_factory=dict)


class Device:
    """One installation of a client.

    ``manages``: whether it has stream management. ``reads``: whether it reads the archive; else it takes what
    the server sends when it becomes available. ``eager``: it becomes available first and reads then.
    ``modern``: it logs in by SASL2 and Bind 2.
    """

    def __init__(
        self,
        world: World,
        account: str,
        kind: str,
        *,
        manages: bool = True,
        reads: bool = True,
        eager: bool = False,
        modern: bool = False,
    ) -> None:
        self.world = world
        self.account = account
        self.kind = kind
        self.name = f"{account}.{kind}"
        self.manages, self.reads, self.eager, self.modern = manages, reads, eager, modern
        number = int.from_bytes(hashlib.sha1(self.name.encode()).digest()[:6])
        self.agent = f"d4565fa7-4d72-4749-b3d3-{number:012x}" if modern else ""
        self.online = True  # whether it wants to be
        self.ready = False  # whether it has a session, and has read what it missed
        self.connection: Connection | None = None
        self.token = ""
        self.jid = ""  # of its session
        self.received = 0
        self.resumptions = 0
        self.notebook = Notebook()
        self.forgotten = 0
        self.written: list[Written] = []
        self._new: deque[int] = deque()  # to be written, as numbers
        self._again: deque[int] = deque()  # to be sent once more before anything new
        self._sent: deque[tuple[str, int]] = deque()  # stanzas that wait for an acknowledgement; and numbers
        self._retry: set[int] = set()  # refused for now since they were last sent
        self._acknowledged = 0  # stanzas of this session
        self._handled: set[int] = set()  # by what `<resumed/>` said: errors may still follow
        self._pinged = False  # without stream management, an answer to a ping acknowledges
        self.asked: dict[str, Answered] = {}  # who waits for the answer to an iq of this session
        self._last_id = 0
        self.changes: deque[Change] = deque()
        self.done: list[Change] = []
        self._changing = False
        self.status = self._shown = "0"
        self.view = View()
        self._said = 0
        self._meanwhile: list[tuple[str, str]] | None = None
        self._wake = asyncio.Event()

    @property
    def bare(self) -> str:
        return f"{self.account}@{DOMAIN}"

    @property
    def rests(self) -> bool:
        """Whether all that it wants to say was said and answered."""
        waiting = any(number >= 0 for _, number in self._sent)
        return not (waiting or self._new or self._again or self.changes)

    # -- what the schedule has it do ------------------------------------------------------------------

    def write(self, to: str, address: str, count: int) -> None:
        """Messages to an account, or to one ``address`` of it."""
        for _ in range(count):
            self._new.append(len(self.written))
            self.written.append(Written(to, address or f"{to}@{DOMAIN}", f"{self.name} {len(self.written)}"))
        self._pump()

    def change(self, what: tuple[str, ...], value: str, child: str) -> None:
        self.changes.append(Change(what, value, child))
        self._next_change()

    def _says(self, kind: str) -> str:
        """The id of something that is said now, by which it is known wherever it arrives."""
        self._said += 1
        id = f"{kind}-{self.name}-{self._said}"
        now = self.world.time.now
        self.world.said[id] = Said(kind, self.account, now, now)
        return id

    def hint(self, kind: str, to: str) -> None:
        """Sends something that nobody waits for: ``typing``, a ``receipt``, or a ``question``."""
        if not self.ready or self.connection is None:
            return
        id = self._says(kind)
        if kind == "question":
            self.world.asked[id] = to.partition("@")[0]
            self.connection.stanza(f"<iq type='get' id='{id}' to='{to}'><query xmlns='{_DISCO}'/></iq>")
        else:
            child = _HINTS[kind]
            self.connection.stanza(f"<message type='chat' id='{id}' to='{to}'>{child}</message>")

    def asked_for(self, id: str) -> None:
        """It is asked by another device, and answers now."""
        now = self.world.time.now
        self.world.said[f"answer to {id}"] = Said("answer", self.account, now, now)

    def show(self, status: str) -> None:
        """Sends its presence."""
        self.status = status
        if self.ready:
            self._send_presence()

    def rest(self, inactive: bool) -> None:
        """Nobody looks at it, or somebody does (XEP-0352). A new or resumed session begins active."""
        if self.ready and self.connection is not None:
            self.connection.send(f"<{'inactive' if inactive else 'active'} xmlns='urn:xmpp:csi:0'/>")

    def cut(self, silence: float) -> None:
        if self.connection is not None:
            self.connection.cut(silence)

    def leave(self, politely: bool) -> None:
        """Goes offline, and stays so until `come`."""
        self.online = False
        connection = self.connection
        if connection is not None:
            if politely and self.ready:
                self.token = ""
                connection.stanza("<presence type='unavailable'/>")
                connection.send("</stream:stream>")
            else:
                connection.cut(self.world.rng.random() * SILENCE)
        self._wake.set()

    def come(self) -> None:
        self.online = True
        self._wake.set()

    # -- life -----------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Connects again and again, at longer intervals while nobody answers."""
        pause = 0.1
        while True:
            if not self.online:
                self._wake.clear()
                await self._wake.wait()
                continue
            connection = Connection(self)
            try:
                self.connection = connection
                resumed = await connection.enter()
                if not resumed:
                    await self._begin(connection)
                else:
                    self.resumptions += 1
                self.ready = True
                pause = 0.1
                if self._shown != self.status:
                    self._send_presence()
                self._pump()
                self._next_change()
                await connection.end(1e9)
            except LOST:
                pass
            finally:
                self.ready = False
                self.connection = None
                connection.abort()
            await asyncio.sleep(pause * (0.2 + self.world.rng.random()))
            pause = min(3.0, 2 * pause)

    async def _begin(self, connection: Connection) -> None:
        """A new session."""
        try:
            self.view = View()
            self._meanwhile = []
            if self.eager:
                self._send_presence()
            if self.reads:
                await self._catch_up(connection)
            meanwhile, self._meanwhile = self._meanwhile, None
            for id, text in meanwhile:
                self.notebook.note(id, text)
            roster = await connection.request("get", "<query xmlns='jabber:iq:roster'/>")
            self._roster(roster)
            if not self.eager:
                self._send_presence()
        except BaseException:
            self.begin_anew()  # the session was not ready for messages
            raise
        finally:
            self._meanwhile = None  # if it was cut off, the archive has it

    def _send_presence(self) -> None:
        if self.connection is not None:
            self._shown = self.status
            id = self._says("show")
            self.connection.stanza(f"<presence id='{id}'><status>{self.status}</status>{_CAPS}</presence>")

    async def _catch_up(self, connection: Connection) -> None:
        """Page by page."""
        while True:
            last = self.notebook.last
            after = f"<after>{last}</after>" if last else ""
            paging = f"<set xmlns='http://jabber.org/protocol/rsm'><max>50</max>{after}</set>"
            answer = await connection.request("set", f"<query xmlns='urn:xmpp:mam:2'>{paging}</query>")
            if answer.get("type") == "error":
                if condition(answer) == "item-not-found" and last:
                    self.forgotten += 1
                    self.notebook.last = ""
                    continue
                raise Gone
            fin = answer.find(f"{_MAM}fin")
            assert fin is not None
            self.notebook.last = fin.findtext(f".//{_RSM}last") or last
            if fin.get("complete") == "true":
                return

    # -- sessions -------------------------------------------------------------------------------------

    def begin_anew(self) -> None:
        """There is no session any more: what was not acknowledged is to be sent in the next one."""
        unacknowledged = {number for _, number in self._sent if number >= 0}
        self._again = deque(sorted({*unacknowledged, *self._again}))
        self._sent.clear()
        self._retry.clear()
        self._handled.clear()
        self._acknowledged = 0
        self._pinged = self._changing = False
        self.asked.clear()
        self.token = ""
        self.received = 0

    def resumed(self, h: int) -> None:
        """The session goes on; the server has handled so many of its stanzas."""
        connection = self.connection
        assert connection is not None
        self._handled |= set(self._taken_off(h))
        again, self._sent = self._sent, deque()
        for text, number in again:
            self._transmit(connection, text, number)
        connection.send(f"<r xmlns='{SM}'/>")

    def new_id(self) -> str:
        """The id of its next iq."""
        self._last_id += 1
        return f"q{self._last_id}"

    def note_sent(self, text: str, number: int) -> None:
        """A stanza was sent that the server will acknowledge."""
        self._sent.append((text, number))

    def _taken_off(self, h: int) -> list[int]:
        """The messages among the stanzas that the server has handled since it said so last."""
        found = []
        while self._acknowledged < h and self._sent:
            self._acknowledged += 1
            found.append(self._sent.popleft()[1])
        return [number for number in found if number >= 0]

    def handled(self, h: int) -> None:
        """The server has handled so many stanzas of the session; their errors came before."""
        for number in (*sorted(self._handled), *self._taken_off(h)):
            if number in self._retry:
                self._retry.discard(number)
                self._again.append(number)
            elif not self.written[number].bounced:
                self.written[number].acknowledged = True
        self._handled.clear()
        if self._again:
            asyncio.get_running_loop().call_later(0.2, self._pump)
        else:
            self._pump()

    # -- messages -------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Sends what there is to send, and asks for an acknowledgement."""
        connection = self.connection
        if not self.ready or connection is None or self._pinged:
            return
        sent = False
        waiting = sum(number >= 0 for _, number in self._sent)
        while (self._again or self._new) and waiting < WINDOW:
            waiting += 1
            number = (self._again or self._new).popleft()
            written = self.written[number]
            id = written.text.replace(" ", "-")
            text = (
                f"<message to='{written.address}' type='chat' id='{id}'>"
                f"<body>{written.text}</body><origin-id xmlns='urn:xmpp:sid:0' id='{id}'/></message>"
            )
            self._transmit(connection, text, number)
            sent = True
        if sent:
            self._ask_for_acknowledgement(connection)

    def _transmit(self, connection: Connection, text: str, number: int) -> None:
        if number >= 0:
            written = self.written[number]
            written.last_sent = self.world.time.now
            written.first_sent = written.first_sent or written.last_sent
            written.times += 1
        connection.stanza(text, number)

    def _ask_for_acknowledgement(self, connection: Connection) -> None:
        if self.manages:
            connection.send(f"<r xmlns='{SM}'/>")
            return
        self._pinged = True

        def answered(_: Element) -> None:
            self._pinged = False
            self.handled(upto)

        connection.ask("get", "<ping xmlns='urn:xmpp:ping'/>", answered)
        upto = self._acknowledged + len(self._sent)

    def got(self, message: Element) -> None:
        """A message came."""
        if message.get("type") == "error":
            self._got_error(message)
            return
        self.world.noticed(self, message.get("id") or "")
        event = message.find(f"{_EVENT}event/{_EVENT}items/{_EVENT}item")
        if event is not None:
            sender = (message.get("from") or "").partition("@")[0]
            self.view.moods[sender] = event.findtext("{urn:sim}mood") or ""
            self.world.noticed_mood(self, sender, self.view.moods[sender])
            return
        result = message.find(f"{_MAM}result")
        if result is not None:
            inner = result.find(_FORWARDED)
            if inner is not None and body(inner):
                self.notebook.note(result.get("id") or "", body(inner))
            return
        for carbon in _CARBONS:
            found = message.find(f"{carbon}/{_FORWARDED}")
            if found is not None:
                message = found
        if body(message):
            noted = own_id(message, self.bare), body(message)
            self.world.heard(self, message)
            if self._meanwhile is not None:
                self._meanwhile.append(noted)
            else:
                self.notebook.note(*noted)

    def _got_error(self, message: Element) -> None:
        """If the device that has written is gone, another one of the same person is told."""
        id = message.get("id") or ""
        if id in self.world.said and self.world.said[id].account == self.account:
            return  # nobody waits for it
        error = message.find(f"{CLIENT}error")
        name, _, number = id.rpartition("-")
        writer = self.world.devices.get(name)
        if writer is None or writer.account != self.account or error is None:
            self.world.complain(f"{self.name} got an error that is not for it")
        elif error.get("type") == "wait":
            writer.written[int(number)].refused = True
            writer._retry.add(int(number))
        else:
            writer.written[int(number)].bounced = True

    # -- everything else ------------------------------------------------------------------------------

    def saw(self, presence: Element) -> None:
        """A presence came."""
        sender, type = presence.get("from") or "", presence.get("type")
        if type is None:
            self.world.noticed(self, presence.get("id") or "")
        if type == "unavailable" and "/" in sender:
            self.view.presence.pop(sender, None)
        elif type == "unavailable":  # the contact has no session (RFC 6121 §4.3.2)
            for jid in [jid for jid in self.view.presence if jid.startswith(f"{sender}/")]:
                del self.view.presence[jid]
        elif type is None:
            self.view.presence[sender] = presence.findtext(f"{CLIENT}status") or ""

    def answer(self, iq: Element) -> str | None:
        """A request of the server's or of another client: what to answer, None for an error."""
        child = iq[0]
        if child.tag == f"{_ROSTER}query":
            self._roster(iq)
            return ""
        if child.tag == f"{{{_DISCO}}}query":
            features = "".join(f"<feature var='{name}'/>" for name in _FEATURES)
            node = f" node='{child.get('node')}'" if child.get("node") else ""
            return (
                f"<query xmlns='{_DISCO}'{node}><identity category='client' type='phone' name='Sim'/>"
                f"{features}</query>"
            )
        return "" if child.tag.startswith(("{urn:xmpp:blocking}", "{urn:xmpp:ping}")) else None

    def _roster(self, iq: Element) -> None:
        for item in iq.findall(f"{_ROSTER}query/{_ROSTER}item"):
            if item.get("subscription") == "remove":
                self.view.roster.pop(item.get("jid") or "", None)
            else:
                self.view.roster[item.get("jid") or ""] = item.get("name") or ""

    def _next_change(self) -> None:
        """One at a time, again until it is answered."""
        connection = self.connection
        if not self.ready or connection is None or self._changing or not self.changes:
            return
        change = self.changes[0]
        self._changing = True
        change.begun = change.begun or self.world.time.now
        change.times += 1
        connection.ask("set", change.child, self._changed)

    def _changed(self, answer: Element) -> None:
        self._changing = False
        error = answer.find(f"{CLIENT}error")
        if error is not None and error.get("type") == "wait":
            asyncio.get_running_loop().call_later(0.3, self._next_change)
            return
        change = self.changes.popleft()
        change.ended = self.world.time.now
        change.failed = condition(answer) if error is not None else ""
        self.done.append(change)
        self._next_change()
