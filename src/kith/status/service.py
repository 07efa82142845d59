"""The service ``status.DOMAIN``: takes statuses from authors, and puts them into the logs of readers."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.ids import Ids, stamp
from kith.base.rates import RateLimit
from kith.base.slots import slot_of
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import LATER, Work
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.core.log.log import MAX_WAITING
from kith.core.routing.hosts import Hosts
from kith.features import disco
from kith.features.blocking import Blocking
from kith.features.disco import Identity
from kith.features.privacy import PrivacySettings
from kith.groups.keys import split
from kith.groups.service import GroupService
from kith.groups.turns import Turns
from kith.ports.store import Store
from kith.status.audience import Audience
from kith.status.authors import Author, Authors, Posted
from kith.status.fanout import Entry, Fanout
from kith.status.inboxes import Inboxes
from kith.status.names import ENTRY, POST, RETRACT, SEEN, STATUS
from kith.status.requests import PostRequest, delayed_since, post_of, retracted_of
from kith.status.seen import Seen
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import attributes, serialize
from kith.wire.stanza import Stanza

_END = b"</message>"
#: How many messages one person, and all of another server, may send at once, and as many again in a minute.
_MESSAGES, _FOREIGN_MESSAGES = 240, 2400


class StatusService(Feature):
    """The service of status (docs/status.md)."""

    service = "status"
    account_disco = (STATUS,)

    def __init__(
        self,
        domain: Domain,
        clock: Clock,
        store: Store,
        ids: Ids,
        accounts: Accounts,
        hosts: Hosts,
        groups: GroupService,
        inboxes: Inboxes,
        blocking: Blocking | None,
        privacy: PrivacySettings | None,
    ) -> None:
        self._domain = domain
        self._clock = clock
        self._store = store
        self._devices = groups.devices
        self._inboxes = inboxes
        self._turns = Turns()
        self._rates = RateLimit(_MESSAGES, 60.0)
        self._foreign_rates = RateLimit(_FOREIGN_MESSAGES, 60.0)
        self.address = f"{self.service}.{domain.name}"
        self.audience = Audience(domain, accounts, blocking)
        self.authors = Authors(store, clock)
        self.fanout = Fanout(store, ids, inboxes, self.audience, self.address)
        self._seen = Seen(
            *(domain, clock, store, accounts, hosts, inboxes),
            *(self.audience, self.authors, self.fanout, self._turns, privacy),
        )

    # -- stanzas ----------------------------------------------------------------------------------------

    def admit(self, sender: Sender, stanza: Stanza, to: JID) -> Work:
        """Takes a message to the service (`kith.core.routing.hosts.Keeping`)."""
        if stanza.type == "error":
            return None
        if to.local or to.resource or not sender.jid.local:
            raise StanzaError("service-unavailable")
        if self._domain.holds(sender.jid) and not isinstance(sender, Session):
            raise StanzaError("service-unavailable", "the account's own node has to ask")
        if sender.committing:
            return LATER
        now = self._clock.steady()
        if not self._rates.take(sender.bare, now) or not (
            isinstance(sender, Session) or self._foreign_rates.take(sender.jid.domain, now)
        ):
            raise StanzaError("resource-constraint", "too many messages in a short time", type="wait")
        if self._store.waiting_bytes > MAX_WAITING:
            raise StanzaError("resource-constraint", "the disk does not keep up", type="wait")
        return self._handle(sender, stanza)

    def _handle(self, sender: Sender, stanza: Stanza) -> Coroutine[Any, Any, None]:
        if POST in stanza.children:
            request = post_of(stanza, self._domain.name)
            return self._turns.take(sender.bare, lambda: self._post(sender, stanza, request))
        if RETRACT in stanza.children:
            id = retracted_of(stanza)
            return self._turns.take(sender.bare, lambda: self._retract(sender, id))
        if SEEN in stanza.children:
            return self._seen.take(sender, stanza)
        raise StanzaError("bad-request", "nothing that this service knows")

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Refuses everything but messages (`kith.core.routing.hosts.Host`)."""
        if stanza.type in ("get", "set"):
            raise StanzaError("service-unavailable")

    async def _author(self, sender: Sender, create: bool) -> Author:
        account = sender.account
        return await self.authors.load(sender.bare, account.id if account is not None else 0, create)

    # -- posting ----------------------------------------------------------------------------------------

    async def _post(self, sender: Sender, stanza: Stanza, request: PostRequest) -> None:
        now = self._clock.now()
        at = now
        if sender.account is None and (since := delayed_since(stanza, sender.jid.domain)) is not None:
            at = min(now, since.timestamp())
        until = int(at) + request.seconds
        people = await self.audience.of(sender.jid.to_bare(), request.people)
        logs = await self._inboxes.of(people)
        if not logs:
            return
        author = await self._author(sender, create=True)
        known = author.posts.get(request.id)
        if until <= now or (known is not None and (known.deleted or known.until <= now)):
            return  # it has gone before it came: that is no error of the author
        origin = f"post {' '.join(sorted(request.people))} {request.id}"
        try:
            author.check_post(request.id, len(request.people), now)
        except StanzaError:
            if await self.fanout.has(sender.bare, author.log, origin):
                return  # a retry
            raise
        if known is not None:
            until = known.until  # all parts of a status go at the same time
        head = attributes({"from": sender.bare, **({"id": stanza.id} if stanza.id else {})}).encode()
        entry = serialize(Element(ENTRY, {"id": request.id, "until": _time(until)}))
        encrypted, own = split(
            *(request.encrypted, await self._owners(logs), len(request.sealed) + len(_END)), others=False
        )
        data = b"<message%b>%b%b%b%b" % (head, entry, encrypted, request.sealed, _END)
        slot = slot_of(sender.bare)
        id = self.fanout.next_id(slot)
        posted = Posted(
            ids=[*(known.ids if known is not None else ()), id],
            at=known.at if known is not None else int(now),
            until=until,
            people=(known.people if known is not None else 0) + len(request.people),
        )
        documents = [*author.forget_old(now), author.note(request.id, posted)]
        await self._add(
            author,
            Entry(
                *(id, author.log, sender.bare, data, [log for _, log in logs.values()]),
                own={logs_of: own[account] for account, logs_of in logs.values() if account in own},
                until=until,
                origin=origin,
                documents=documents,
            ),
        )

    async def _owners(self, logs: Mapping[str, tuple[int, int]]) -> Mapping[int, Sequence[int]]:
        """The accounts of an audience, by the ids of their devices."""
        owners: dict[int, list[int]] = {}
        for account, _ in logs.values():
            for device in await self._devices.of(account):
                owners.setdefault(device, []).append(account)
        return owners

    async def _add(self, author: Author, entry: Entry) -> None:
        """Adds an entry with documents. If it was not stored, or is a retry, these are not either."""
        new = False
        try:
            new = await self.fanout.add(entry)
        finally:
            if not new:
                self.authors.forget(author)

    async def _retract(self, sender: Sender, id: str) -> None:
        now = self._clock.now()
        author = await self._author(sender, create=False)
        known = author.posts.get(id)
        if known is not None and known.deleted:
            return  # a retry
        posted = author.fresh(id, now)
        audience = await self._store.audience(posted.ids)
        retraction = serialize(Element(RETRACT, {"id": id}))
        data = b"<message%b>%b%b" % (attributes({"from": sender.bare}).encode(), retraction, _END)
        deleted = Posted([], posted.at, posted.until, posted.people, deleted=True)
        await self._add(
            author,
            Entry(
                *(self.fanout.next_id(slot_of(sender.bare)), author.log, sender.bare, data, audience, {}),
                until=posted.until,
                origin=f"retract {id}",
                documents=[author.note(id, deleted)],
                rewrites=[(message, data) for message in posted.ids],
            ),
        )

    # -- the service ------------------------------------------------------------------------------------

    def disco_items(self, to: JID) -> Sequence[Element]:
        """The service is an item of the domain, by which clients find it."""
        return (disco.item(self.address, name="Status"),) if to == self._domain.jid else ()

    def service_disco(self) -> tuple[Sequence[Identity], Sequence[str]]:
        return (Identity("component", "status", "Status"),), (STATUS,)

    # -- authors ------------------------------------------------------------------------------------

    async def account_deleted(self, account: JID) -> None:
        self.authors.clear()

    async def account_moved(self, account: Account, left: Account) -> None:
        self.authors.clear()

    async def accounts_changed(self) -> None:
        self.authors.clear()

    def slot_lost(self, slot: int) -> None:
        self.authors.clear()


def _time(seconds: int) -> str:
    return stamp(datetime.fromtimestamp(seconds, UTC))
