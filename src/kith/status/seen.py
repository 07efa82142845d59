"""That somebody has seen a status: told to their own other devices, and to the author if both want that."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.ids import stamp
from kith.base.slots import slot_of
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import COMMITTING
from kith.core.actors.sender import Sender
from kith.core.log.log import Keep
from kith.core.routing.hosts import Hosts
from kith.features.privacy import PrivacySettings
from kith.groups.turns import Turns
from kith.ports.store import LogQuery, Store
from kith.status.audience import Audience
from kith.status.authors import Author, Authors, Posted
from kith.status.fanout import Entry, Fanout
from kith.status.inboxes import Inboxes
from kith.status.names import ORIGIN, SEEN
from kith.status.requests import SeenRequest, seen_of
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import attributes, serialize
from kith.wire.stanza import Stanza

_END = b"</message>"


class Seen:
    """Takes what devices say that they have shown."""

    def __init__(
        self,
        domain: Domain,
        clock: Clock,
        store: Store,
        accounts: Accounts,
        hosts: Hosts,
        inboxes: Inboxes,
        audience: Audience,
        authors: Authors,
        fanout: Fanout,
        turns: Turns,
        privacy: PrivacySettings | None,
    ) -> None:
        self._domain = domain
        self._clock = clock
        self._store = store
        self._accounts = accounts
        self._hosts = hosts
        self._inboxes = inboxes
        self._audience = audience
        self._authors = authors
        self._fanout = fanout
        self._turns = turns
        self._privacy = privacy

    def take(self, sender: Sender, stanza: Stanza) -> Coroutine[Any, Any, None]:
        """Takes a message from a reader of this server, or from another server. Raises StanzaError."""
        request = seen_of(stanza)
        if isinstance(sender, Session):
            return self._take_own(sender, request)
        return self._take_foreign(sender, request)

    async def _take_own(self, session: Session, request: SeenRequest) -> None:
        log = await self._inboxes.of_session(session)
        local = self._is_here(request)
        writer = await self._accounts.load(request.author.bare) if local else None
        if local and writer is None:
            raise StanzaError("item-not-found")
        if not await self._audience.may_read(session.account, request.author.bare):
            raise StanzaError("item-not-found")
        author, posted = await self._posted(request, writer)
        query = LogQuery(log, ids=posted.ids, limit=1, shared=True)
        if not (await self._store.page(query)).entries:
            raise StanzaError("item-not-found")
        audience = [log]
        tells = self._shows_reading(session.account) and request.author.bare != session.bare
        if tells and writer is not None and self._shows_reading(writer):
            audience += [other for _, other in (await self._inboxes.of([writer.jid])).values()]
        new = await self._add(session.bare, request, author, posted, audience)
        if new and tells and not local:
            await self._pass_on(session, request)

    async def _take_foreign(self, sender: Sender, request: SeenRequest) -> None:
        """What is not to be noted is dropped: an error would reach a device that has not sent this itself."""
        writer = await self._accounts.load(request.author.bare) if self._is_here(request) else None
        if writer is None or not await self._audience.are_contacts(writer, sender.bare):
            return
        try:
            author, posted = await self._posted(request, writer)
        except StanzaError:
            return
        if self._shows_reading(writer):
            logs = await self._inboxes.of([writer.jid])
            await self._add(sender.bare, request, author, posted, [log for _, log in logs.values()])

    def _is_here(self, request: SeenRequest) -> bool:
        return self._domain.holds(request.author)

    async def _posted(self, request: SeenRequest, writer: Account | None) -> tuple[Author, Posted]:
        """A status and its author. Raises StanzaError."""
        name, id = request.author.bare, writer.id if writer is not None else 0
        author = await self._turns.take(name, lambda: self._authors.load(name, id))
        return author, author.fresh(request.id, self._clock.now())

    async def _add(
        self, reader: str, request: SeenRequest, author: Author, posted: Posted, audience: list[int]
    ) -> bool:
        """Tells the devices that listen to some logs. Returns whether it is news."""
        at = stamp(datetime.fromtimestamp(self._clock.now(), UTC))
        seen = Element(SEEN, {"id": request.id, "author": request.author.bare, "at": at})
        data = b"<message%b>%b%b" % (attributes({"from": reader}).encode(), serialize(seen), _END)
        origin = f"seen {request.author.bare} {request.id}"
        id = self._fanout.next_id(slot_of(request.author.bare))
        return await self._fanout.add(Entry(id, author.log, reader, data, audience, {}, posted.until, origin))

    async def _pass_on(self, session: Session, request: SeenRequest) -> None:
        """Sends it to the author's server, by way of the reader's outbox."""
        remote = self._hosts.remote
        to = JID("", f"status.{request.author.domain}")
        if remote is None or self._hosts.here(to.domain) is not None:
            return
        seen = Element(SEEN, {"id": request.id, "author": request.author.bare})
        origin = Element(ORIGIN, {"id": f"seen {request.id}"[:100]})
        stanza = Stanza.build("message", {"from": session.full, "to": str(to)}, seen, origin)
        if remote.admit(session, stanza, to, Keep.QUEUE) is COMMITTING:
            session.pipelined()

    def _shows_reading(self, account: Account) -> bool:
        return self._privacy is None or self._privacy.of(account).read_receipts
