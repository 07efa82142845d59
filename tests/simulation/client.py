"""One connection of one device: it counts, acknowledges, resumes, and hands on what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from tests.raw import CLIENT, SASL2, Gone, RawClient, authenticate
from tests.simulation.network import Line
from tests.simulation.node import DOMAIN

if TYPE_CHECKING:
    from tests.simulation.people import Device

SM = "urn:xmpp:sm:3"
_SM = f"{{{SM}}}"
_BOUND = "{urn:xmpp:bind:0}bound"
MESSAGE, PRESENCE, IQ = f"{CLIENT}message", f"{CLIENT}presence", f"{CLIENT}iq"
ENABLE = f"<enable xmlns='{SM}' resume='true'/>"
#: How long a person waits for an answer, in seconds.
PATIENCE = 15.0
Answered = Callable[[Element], None]


class Connection(RawClient):
    """What `tests.raw.RawClient` is over a socket, over a `Line`.

    ``managed``: stanzas are counted.
    """

    def __init__(self, device: Device) -> None:
        super().__init__(0, DOMAIN)
        self.device = device
        self.managed = False
        self._gathered: list[str] = []

    async def connect(self) -> None:
        world = self.device.world
        self._loop = asyncio.get_running_loop()
        self._line = Line(world.home, self, world.rng)
        if not world.node_for(self.device).take(self._line):
            raise Gone
        self._restart()

    def send(self, text: str) -> None:
        """What is sent in one turn of the loop goes in one flight."""
        if self.closed:
            return
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(text)

    def _flush(self) -> None:
        text, self._gathered = "".join(self._gathered), []
        self._line.send(text.encode())

    def cut(self, silence: float) -> None:
        """The connection breaks; the node learns of it after so many seconds."""
        self._line.cut(silence)
        self.ended()

    def abort(self) -> None:
        if hasattr(self, "_line"):
            self.cut(0.0)

    # -- what comes -----------------------------------------------------------------------------------

    def arrived(self, element: Element) -> None:
        device, tag = self.device, element.tag
        if tag in (MESSAGE, PRESENCE, IQ):
            if self.managed:
                device.received += 1
            if tag == MESSAGE:
                device.got(element)
            elif tag == PRESENCE:
                device.saw(element)
            else:
                self._iq(element)
        elif tag == f"{_SM}r":
            self.send(f"<a xmlns='{SM}' h='{device.received}'/>")
        elif tag == f"{_SM}a":
            device.handled(int(element.get("h") or 0))
        else:
            self._counts_from(element)
            self.inbox.append(element)

    def _counts_from(self, element: Element) -> None:
        """Stanzas count from this element on, if it says that a session begins or goes on."""
        device = self.device
        if element.tag == f"{_SM}resumed" or element.find(f"{_SM}resumed") is not None:
            self.managed = True
            return
        if element.tag == f"{{{SASL2}}}success":
            device.begin_anew()
        for found in element.iter(f"{_SM}enabled"):
            device.token, device.received, self.managed = found.get("id") or "", 0, True

    def _iq(self, element: Element) -> None:
        type, id = element.get("type"), element.get("id") or ""
        if type == "result":
            self.device.world.noticed(self.device, f"answer to {id}")
            self.device.world.noticed_answer(self.device, id)
        if type in ("result", "error"):
            answered = self.device.asked.pop(id, None)
            if answered is not None:
                answered(element)
            return
        self.device.world.noticed(self.device, id)
        self.device.asked_for(id)
        to = f" to='{element.get('from')}'" if element.get("from") else ""
        answer = self.device.answer(element)
        if answer is None:
            self.stanza(
                f"<iq type='error' id='{id}'{to}><error type='cancel'><service-unavailable "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            )
        else:
            self.stanza(f"<iq type='result' id='{id}'{to}>{answer}</iq>")

    # -- what goes ------------------------------------------------------------------------------------

    def stanza(self, text: str, number: int = -1) -> None:
        """Sends a stanza; ``number`` if it is a message of the device's own."""
        if self.managed or number >= 0:
            self.device.note_sent(text, number)
        self.send(text)

    def ask(self, type: str, child: str, answered: Answered) -> None:
        """Sends an iq; ``answered`` gets the answer, unless the session goes first."""
        id = self.device.new_id()
        self.device.asked[id] = answered
        self.stanza(f"<iq type='{type}' id='{id}'>{child}</iq>")

    async def request(self, type: str, child: str) -> Element:
        """Asks and waits. Raises Gone, TimeoutError."""
        future: asyncio.Future[Element] = asyncio.get_running_loop().create_future()
        self.ask(type, child, lambda answer: None if future.done() else future.set_result(answer))
        async with asyncio.timeout(PATIENCE):
            while not future.done():
                if self.closed:
                    raise Gone
                self._news.clear()
                await self._news.wait()
        return future.result()

    async def enter(self) -> bool:
        """Logs in and gets a session. Returns whether it is the one of before. Raises Gone, TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            await self.connect()
            return await (self._enter_at_once() if self.device.modern else self._enter_in_steps())

    async def _enter_at_once(self) -> bool:
        """SASL2 with Bind 2 and resumption, in one flight (XEP-0388, XEP-0386)."""
        device = self.device
        enable = ENABLE if device.manages else ""
        resume = f"<resume xmlns='{SM}' previd='{device.token}' h='{device.received}'/>"
        inline = (
            f"{resume if device.token else ''}<bind xmlns='urn:xmpp:bind:0'><tag>{device.kind}</tag>"
            f"{enable}<enable xmlns='urn:xmpp:carbons:2'/></bind>"
        )
        self.open(
            sender=f"{device.account}@{DOMAIN}",
            then=authenticate(device.account, inline=inline, agent=device.agent),
        )
        element = await self.take(lambda e: e.tag.startswith(f"{{{SASL2}}}"))
        if not element.tag.endswith("success"):
            raise Gone
        device.jid = element.findtext(f"{{{SASL2}}}authorization-identifier") or ""
        resumed = element.find(f"{_SM}resumed")
        if resumed is not None:
            device.resumed(int(resumed.get("h") or 0))
            return True
        bound = element.find(_BOUND)
        enabled = bound.find(f"{_SM}enabled") if bound is not None else None
        if bound is None or (enabled is None) == device.manages:
            raise Gone
        return False

    async def _enter_in_steps(self) -> bool:
        """RFC 6120, as most clients do it."""
        device = self.device
        await self.login(device.account)
        if device.token:
            self.send(f"<resume xmlns='{SM}' previd='{device.token}' h='{device.received}'/>")
            answer = await self.take(lambda e: e.tag in (f"{_SM}resumed", f"{_SM}failed"))
            if answer.tag == f"{_SM}resumed":
                device.resumed(int(answer.get("h") or 0))
                return True
        device.begin_anew()
        bind = f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{device.kind}</resource></bind>"
        answer = await self.request("set", bind)
        device.jid = answer.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid") or ""
        if not device.jid:
            raise Gone
        if device.manages:
            self.send(ENABLE)
            answer = await self.take(lambda e: e.tag in (f"{_SM}enabled", f"{_SM}failed"))
            if answer.tag != f"{_SM}enabled":
                raise Gone
        if device.reads:  # those that do not are older
            self.ask("set", "<enable xmlns='urn:xmpp:carbons:2'/>", lambda _: None)
        return False

    def received(self, data: bytes) -> None:
        if not self.closed:
            super().received(data)
