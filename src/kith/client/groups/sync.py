"""Keeps the groups of this device in step with the server: the list of them, and the members of each."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Literal
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from kith.client.database import Database
from kith.client.events import Event, GroupChanged
from kith.client.groups import wire
from kith.client.groups.records import GroupRecords
from kith.client.stream import Stream

_DISCO_ITEMS, _DISCO_INFO = (f"http://jabber.org/protocol/disco#{name}" for name in ("items", "info"))
_SERVICE = "groups-service"
_MOST_SERVICES = 20


class GroupSync:
    """Asks for groups when a session begins, and for what has changed in one whenever that is not known.

    ``supported``: the server has groups, and sends their messages to this session.
    """

    __slots__ = (
        *("_changed", "_db", "_listing", "_own", "_publish", "_records", "_stream", "_to_accept", "_wake"),
        "supported",
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        records: GroupRecords,
        publish: Callable[[Event], None],
        changed: Callable[[str], None],
    ) -> None:
        """``changed(group)`` is called when the members of a group may be others."""
        self._stream = stream
        self._db = database
        self._records = records
        self._publish = publish
        self._changed = changed
        self._own = str(stream.requested_jid.bare)
        self._wake = asyncio.Event()
        self._to_accept: set[str] = set()
        self._listing = False
        self.supported = database.get(_SERVICE) is not None

    # asking

    async def request(self, kind: Literal["get", "set"], to: str, *children: Element) -> Any:
        """Sends a request, and returns the answer as XML. Raises IqError, IqTimeout."""
        iq: Any = self._stream.make_iq(ito=to, itype=kind)
        iq["id"] = uuid.uuid4().hex
        for child in children:
            iq.append(child)
        return (await iq.send(timeout=self._stream.timeout)).xml

    async def begin(self) -> None:
        """Asks for the messages of groups. Called once for each new session. Raises IqTimeout."""
        try:
            await self.request("set", self._own, Element(wire.tag("groupchat")))
            if self._db.get(_SERVICE) is None:
                self._db.set(_SERVICE, await self._find_service())
            self.supported = True
        except IqError:
            self.supported = False

    async def list(self) -> None:
        """Reads the list of all our groups. Raises IqTimeout."""
        if not self.supported:
            return
        try:
            answer = await self.request("get", self._own, Element(wire.tag("groups")))
        except IqError:
            return
        listed = [wire.summary(element) for element in answer.iter(wire.tag("group"))]
        changed = self._records.list_groups(one for one in listed if self.is_group(one.jid))
        self._db.commit()
        for jid in changed:
            self._publish(GroupChanged(jid))
        self._wake.set()

    async def _find_service(self) -> str:
        """The address of the service that has the groups. Raises IqError, IqTimeout."""
        domain = str(self._stream.requested_jid.domain)
        answer = await self.request("get", domain, Element(f"{{{_DISCO_ITEMS}}}query"))
        items = [str(item.get("jid", "")) for item in answer.iter(f"{{{_DISCO_ITEMS}}}item")]
        for jid in items[:_MOST_SERVICES]:
            try:
                info = await self.request("get", jid, Element(f"{{{_DISCO_INFO}}}query"))
            except IqError:
                continue
            if any(one.get("var") == wire.GROUPS for one in info.iter(f"{{{_DISCO_INFO}}}feature")):
                return jid
        return ""

    @property
    def service(self) -> str:
        """The address of the service that has the groups; empty if there is none."""
        return self._db.get(_SERVICE) or ""

    def is_group(self, jid: str) -> bool:
        """Whether an address is of a group of our server, which is believed about its members."""
        local, _, domain = jid.partition("@")
        return bool(local) and domain != "" and domain == self.service

    # keeping in step

    def wake(self) -> None:
        """Something may have to be asked for."""
        self._wake.set()

    async def run(self) -> None:
        """Asks groups for what has changed, whenever that is needed, until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._listing:
                self._listing = False
                with suppress(IqTimeout):  # the next session lists them
                    await self.list()
            await self._accept()
            await self._update(self._records.outdated())

    def accept_soon(self, jid: str) -> None:
        """Accepts the invitation to a group, beside other work."""
        self._to_accept.add(jid)
        self._wake.set()

    def list_soon(self) -> None:
        """Reads the list of groups again, beside other work: somebody has invited us."""
        self._listing = True
        self._wake.set()

    async def _accept(self) -> None:
        while self._to_accept:
            with suppress(IqError, IqTimeout):
                await self.request("set", self._to_accept.pop(), Element(wire.tag("accept")))

    async def _update(self, groups: Iterable[str]) -> None:
        for jid in groups:
            if not self._stream.is_connected():
                return  # the next session wakes this again
            with suppress(IqError, IqTimeout):
                await self.update(jid)

    async def update(self, jid: str) -> None:
        """Asks a group for what has changed; again later, if that fails. Raises IqError, IqTimeout."""
        number, _ = self._records.numbers(jid)
        self._records.set_unread(jid, False)
        try:
            answer = await self.request("get", jid, Element(wire.tag("group"), since=str(number)))
        except (IqError, IqTimeout):
            self._records.set_unread(jid)
            self._db.commit()
            raise
        found = answer.find(wire.tag("group"))
        if found is None:
            return
        state = wire.state(found)
        if state.summary.jid != jid:
            return
        self._records.put(state)
        self._db.commit()
        self._changed(jid)
        self._publish(GroupChanged(jid))
