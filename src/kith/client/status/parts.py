"""Builds what a client has for statuses, and keeps their settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError

from kith.client.catchup import CatchUp
from kith.client.contacts import Contacts
from kith.client.database import Database
from kith.client.encryption import Encryption
from kith.client.events import Event
from kith.client.key_work import KeyWork
from kith.client.status import wire
from kith.client.status.encryption import StatusEncryption
from kith.client.status.posting import StatusPosting
from kith.client.status.records import StatusRecords
from kith.client.status.sync import StatusSync
from kith.client.status.values import Audience
from kith.client.stream import Stream

#: Only our own devices read the node of settings (XEP-0223).
_OPTIONS = {
    "FORM_TYPE": "http://jabber.org/protocol/pubsub#publish-options",
    "pubsub#persist_items": "true",
    "pubsub#access_model": "whitelist",
    "pubsub#max_items": "max",
}


class StatusParts:
    """The parts of a client for statuses, which `Lifecycle` makes."""

    __slots__ = ("_contacts", "_db", "_own", "_stream", "posting", "records", "sync")

    def __init__(
        self,
        stream: Stream,
        database: Database,
        encryption: Encryption,
        key_work: KeyWork,
        catch_up: CatchUp,
        contacts: Contacts,
        publish: Callable[[Event], None],
    ) -> None:
        self._own = str(stream.requested_jid.bare)
        self._stream = stream
        self._db = database
        self._contacts = contacts
        self.records = StatusRecords(database, self._own)
        self.sync = StatusSync(stream, database, self.records, catch_up, contacts.is_mutual, publish)
        self.posting = StatusPosting(
            *(stream, database, self.records, self.sync),
            StatusEncryption(encryption, self._own),
            key_work,
        )

    def mutual(self) -> list[str]:
        """The contacts who see us, and whom we see."""
        return [one.peer for one in self._contacts.everybody() if one.sees_us and one.shows_us]

    async def begin(self) -> None:
        """Sets up a new session, with what other devices of ours have set. Raises IqTimeout."""
        await self.sync.begin()
        if not self.sync.supported:
            return
        items = await self._items()
        if items is None:
            return
        muted = {
            id for id, payload in items.items() if payload is not None and payload.tag == wire.tag("muted")
        }
        self.records.set_muted(muted)
        payload = items.get(wire.AUDIENCE)
        found = None if payload is None else wire.audience_of(payload)
        if found is not None and found[1] > self.records.audience()[1]:
            self.records.set_audience(*found)
        self._db.commit()

    async def _items(self) -> dict[str, Element | None] | None:
        """The items of the node of settings; None if it could not be read."""
        pubsub: Any = self._stream.plugin["xep_0060"]
        try:
            answer = await pubsub.get_items(self._own, wire.SETTINGS, timeout=self._stream.timeout)
        except IqError as error:
            return {} if error.condition == "item-not-found" else None
        return {str(item["id"]): item["payload"] for item in answer["pubsub"]["items"]}

    async def mute(self, person: str, on: bool) -> None:
        """Mutes a person on all our devices, or not any more. Raises IqError, IqTimeout."""
        pubsub: Any = self._stream.plugin["xep_0060"]
        if on:
            payload = Element(wire.tag("muted"), {"set": str(_now())})
            await self._publish(person, payload)
        elif person in self.records.muted():
            await pubsub.retract(self._own, wire.SETTINGS, person, timeout=self._stream.timeout)
        people = self.records.muted()
        self.records.set_muted(people | {person} if on else people - {person})
        self._db.commit()

    async def set_audience(self, audience: Audience) -> None:
        """Changes our audience, on all our devices. Raises IqError, IqTimeout."""
        at = _now()
        await self._publish(wire.AUDIENCE, wire.audience_element(audience, at))
        self.records.set_audience(audience, at)
        self._db.commit()

    async def _publish(self, id: str, payload: Element) -> None:
        pubsub: Any = self._stream.plugin["xep_0060"]
        forms: Any = self._stream.plugin["xep_0004"]
        form = forms.make_form(ftype="submit")
        for var, value in _OPTIONS.items():
            form.add_field(var=var, value=value, ftype="hidden" if var == "FORM_TYPE" else None)
        await pubsub.publish(
            self._own, wire.SETTINGS, id=id, payload=payload, options=form, timeout=self._stream.timeout
        )


def _now() -> int:
    return int(time.time() * 1000)
