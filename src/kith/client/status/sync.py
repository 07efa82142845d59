"""Keeps the statuses of this device in step with the server: asks for them, and takes what comes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from kith.client import stanzas
from kith.client.database import Database
from kith.client.decrypted import Undecryptable
from kith.client.events import Event, StatusDeleted, StatusPosted, StatusSeen
from kith.client.key_work import Interrupted
from kith.client.reader import Reader
from kith.client.sealed import unseal_members
from kith.client.status import wire
from kith.client.status.content import content_of
from kith.client.status.records import StatusRecords
from kith.client.stream import Stream

if TYPE_CHECKING:
    from kith.client.catchup import CatchUp

_INFO = "http://jabber.org/protocol/disco#info"


class StatusSync:
    """``supported``: the server has status, and sends its entries to this session.

    ``taken``: called with the id of each status of ours, retraction or sight that the server has taken;
    ``refused``: with the id of a stanza, and the error.
    """

    __slots__ = (
        *(
            "_catch_up",
            "_current",
            "_db",
            "_domains",
            "_is_contact",
            "_own",
            "_publish",
            "_reader",
            "_stream",
            "_wake",
        ),
        *("records", "refused", "supported", "taken"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        records: StatusRecords,
        catch_up: CatchUp,
        is_contact: Callable[[str], bool],
        publish: Callable[[Event], None],
    ) -> None:
        self._stream = stream
        self._db = database
        self._catch_up = catch_up
        self._is_contact = is_contact
        self._publish = publish
        self._own = str(stream.requested_jid.bare)
        self._reader: Reader
        self._current = False
        self._domains: dict[str, bool] = {}
        self._wake = asyncio.Event()
        self.records = records
        self.supported = False
        self.taken: Callable[[str], None] = lambda id: None
        self.refused: Callable[[str, str], None] = lambda id, error: None

    def connect(self, reader: Reader) -> None:
        """Says who decrypts."""
        self._reader = reader

    # a session

    @property
    def service(self) -> str:
        """The address of our server's service."""
        return service_of(self._own)

    async def begin(self) -> None:
        """Asks for statuses. Called once for each new session, before presence is sent. Raises IqTimeout."""
        self._current = False
        self._domains.clear()
        try:
            answer = await self.request("set", self._own, Element(wire.tag("status")))
        except IqError:
            self.supported = False
            return
        self.supported = True
        element = answer.find(wire.tag("status"))
        last = "" if element is None else element.get("last", "")
        self._current = not last or last <= self.records.place
        for author, id in self.records.untold():
            self.tell_seen(author, id)

    async def read(self) -> None:
        """Reads what this device has missed. Raises Interrupted; the next session reads it then."""
        place = self.records.place
        while self.supported and not self._current:
            try:
                page, complete, last = await self._catch_up.page_of(wire.STATUS, place)
            except IqError:
                return
            except IqTimeout:
                raise Interrupted from None
            for found in page:
                await self.take(found.message, found.archive, found.time)
            place = last or place
            self.records.note_place(place)
            self._db.commit()
            self._current = complete
        self.wake()

    async def request(self, kind: Literal["get", "set"], to: str, *children: Element) -> Any:
        """Sends a request, and returns the answer as XML. Raises IqError, IqTimeout."""
        iq: Any = self._stream.make_iq(ito=to, itype=kind)
        iq["id"] = uuid.uuid4().hex
        for child in children:
            iq.append(child)
        return (await iq.send(timeout=self._stream.timeout)).xml

    async def serves(self, domain: str) -> bool:
        """Whether another server has status. Raises IqTimeout."""
        if domain not in self._domains:
            try:
                info = await self.request("get", f"status.{domain}", Element(f"{{{_INFO}}}query"))
                features = {one.get("var") for one in info.iter(f"{{{_INFO}}}feature")}
            except IqError:
                features = set()
            self._domains[domain] = wire.STATUS in features
        return self._domains[domain]

    def tell_seen(self, author: str, id: str) -> None:
        """Tells the server that this device has shown a status."""
        self.send(self.service, *wire.about("seen", author=author, id=id))

    def send(self, to: str, *children: Element) -> str:
        """Sends a message to a service. Returns the id of the stanza."""
        stanza: Any = self._stream.make_message(to, mtype="normal")
        stanza["id"] = uuid.uuid4().hex
        for child in children:
            stanza.append(child)
        stanza.send()
        return str(stanza["id"])

    # entries

    def concerns(self, message: Element, sender: str) -> bool:
        """Whether a stanza is of status: an entry that our server has sent, or an error of a service."""
        if message.get("type") == "error":
            return sender.startswith("status.") and "@" not in sender
        if not self.supported or wire.entry(message) is None:
            return False
        return sender == self._own or self._is_contact(sender)

    async def take_live(self, message: Element) -> None:
        """Takes a stanza that came by itself. Raises Interrupted."""
        if message.get("type") == "error":
            self.refused(message.get("id", ""), stanzas.error_text(message))
            return
        id = stanzas.stanza_id(message, self._own)
        await self.take(message, id, None)
        if id is not None and self._current:
            self.records.note_place(id)

    async def take(self, message: Element, id: str | None, time: datetime | None) -> None:
        """Takes an entry. ``time``: of the log, if it is known. Raises Interrupted."""
        found = wire.entry(message)
        if found is None:
            return
        name, element = found
        author, now = message.get("from", "").partition("/")[0], datetime.now(UTC)
        time = min(time or now, now)
        if name == "status":
            await self._posted(message, element, author, time)
        elif name == "retract":
            self._deleted(author, element.get("id", ""))
        else:
            self._seen(author, element, time)
        if author == self._own:
            self.taken(element.get("id", ""))

    async def _posted(self, message: Element, element: Element, author: str, time: datetime) -> None:
        until = stanzas.parse_time(element.get("until"))
        id = element.get("id", "")
        encrypted = message.find(f"{{{stanzas.OMEMO}}}encrypted")
        if until is None or until <= datetime.now(UTC) or encrypted is None:
            return
        if self.records.find(author, id) is not None:
            return
        try:
            decrypted = await self._reader.decrypt(encrypted, author)
        except Undecryptable:
            return  # it was sent before this device existed, or by one that is distrusted
        content = content_of(decrypted.body or "", unseal_members(message, decrypted.key))
        if content is None:
            return
        added = self.records.add(author, id, content, time.timestamp(), until.timestamp())
        if added is not None:
            self.wake()
            self._publish(StatusPosted(added))

    def _deleted(self, author: str, id: str) -> None:
        found = self.records.delete(author, id)
        if found is not None:
            self._publish(StatusDeleted(found))

    def _seen(self, viewer: str, element: Element, time: datetime) -> None:
        id, author = element.get("id", ""), element.get("author", "")
        at = stanzas.parse_time(element.get("at"))
        time = min(at or time, datetime.now(UTC))
        if viewer == self._own:
            news = self.records.set_seen(author, id, told=True)
        else:
            news = author == self._own and self.records.add_viewer(id, viewer, time.timestamp())
        found = self.records.find(author, id) if news else None
        if found is not None:
            self._publish(StatusSeen(found, viewer))

    # expiry

    def wake(self) -> None:
        """Statuses may expire at other times."""
        self._wake.set()

    async def run(self) -> None:
        """Deletes statuses when they expire, until it is cancelled."""
        while True:
            self._wake.clear()
            first = self.records.expire()
            self._db.commit()
            wait: Awaitable[object] = self._wake.wait()
            if first is None:
                await wait
            else:
                seconds = max(1.0, first - datetime.now(UTC).timestamp())
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(wait, min(seconds, 3600.0))


def service_of(jid: str) -> str:
    """The address of the service of somebody's server."""
    return f"status.{jid.rpartition('@')[2]}"
