"""Posts and deletes statuses, and waits until the server has them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from slixmpp.exceptions import IqTimeout

from kith.client import stanzas
from kith.client.database import Database
from kith.client.errors import NotOnline, Refused, TimedOut
from kith.client.key_work import Interrupted, KeyWork
from kith.client.status import wire
from kith.client.status.content import Content
from kith.client.status.encryption import StatusEncryption
from kith.client.status.records import StatusRecords
from kith.client.status.sync import StatusSync, service_of
from kith.client.status.values import Status
from kith.client.stream import Stream


class StatusPosting:
    """Sends statuses. What the server answers comes through `StatusSync`."""

    __slots__ = (
        "_db",
        "_encryption",
        "_key_work",
        "_own",
        "_records",
        "_stanzas",
        "_stream",
        "_sync",
        "_waiting",
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        records: StatusRecords,
        sync: StatusSync,
        encryption: StatusEncryption,
        key_work: KeyWork,
    ) -> None:
        self._stream = stream
        self._db = database
        self._own = str(stream.requested_jid.bare)
        self._records = records
        self._sync = sync
        self._encryption = encryption
        self._key_work = key_work
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._stanzas: dict[str, str] = {}  # by the id of a stanza: the id of the status
        sync.taken = self._taken
        sync.refused = self._refused

    async def post(self, contacts: Iterable[str], content: Content) -> Status:
        """Posts a status for contacts. Returns when it is in the logs of all who are on our server.

        Raises Refused, NotOnline, TimedOut.
        """
        id = str(uuid.uuid4())
        domains: dict[str, list[str]] = {self._own.rpartition("@")[2]: [self._own]}
        for jid in contacts:
            domains.setdefault(jid.rpartition("@")[2], []).append(jid)
        try:
            messages = []
            for domain, people in domains.items():
                if self._own in people or await self._sync.serves(domain):
                    made = self._encryption.encrypt(people, content)
                    messages += [(domain, *part) for part in await self._key_work.run(made)]
        except (IqTimeout, Interrupted):
            raise NotOnline("The status could not be posted: the connection was lost.") from None
        now = datetime.now(UTC).timestamp()
        self._records.add(self._own, id, content, now, now + content.seconds)
        self._db.commit()
        await self._db.flush()  # a key is used once
        done = self._expect(id)
        try:
            for domain, people, encrypted, sealed in messages:
                post = wire.post(people, content.seconds)
                origin = stanzas.leaf(stanzas.SID, "origin-id", id=id)
                stanza = self._sync.send(f"status.{domain}", post, encrypted, sealed, origin)
                if domain == self._own.rpartition("@")[2]:
                    self._stanzas[stanza] = id
            await self._wait(done, "The status could not be posted")
        except BaseException:
            if not done.done() or done.cancelled() or done.exception() is not None:
                self._records.delete(self._own, id)
                self._db.commit()
            raise
        finally:
            self._forget(id)
        found = self._records.find(self._own, id)
        if found is None:
            raise Refused("The status was deleted on another device.", {})
        return found

    async def delete(self, id: str, contacts: Iterable[str]) -> None:
        """Deletes a status of ours for everyone. Raises Refused, NotOnline, TimedOut."""
        done = self._expect(id)
        try:
            domains = {service_of(jid) for jid in contacts} | {self._sync.service}
            for service in sorted(domains):
                stanza = self._sync.send(service, *wire.about("retract", id=id))
                if service == self._sync.service:
                    self._stanzas[stanza] = id
            await self._wait(done, "The status could not be deleted")
        finally:
            self._forget(id)

    def _expect(self, id: str) -> asyncio.Future[None]:
        self._waiting[id] = asyncio.get_running_loop().create_future()
        return self._waiting[id]

    async def _wait(self, done: asyncio.Future[None], failed: str) -> None:
        try:
            await asyncio.wait_for(asyncio.shield(done), self._stream.timeout)
        except TimeoutError:
            raise TimedOut(f"{failed}: the server did not answer.") from None

    def _forget(self, id: str) -> None:
        self._waiting.pop(id, None)
        self._stanzas = {stanza: of for stanza, of in self._stanzas.items() if of != id}

    def _taken(self, id: str) -> None:
        done = self._waiting.get(id)
        if done is not None and not done.done():
            done.set_result(None)

    def _refused(self, stanza: str, error: str) -> None:
        done = self._waiting.get(self._stanzas.get(stanza, ""))
        if done is not None and not done.done():
            done.set_exception(Refused(error, {}))
