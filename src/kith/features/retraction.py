"""XEP-0424: Message Retraction. A tombstone replaces a message that its author has retracted."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.ids import stamp
from kith.base.tasks import Tasks
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.core.log.envelope import Envelope
from kith.core.log.log import Keep
from kith.ports.store import LogQuery, LogStore
from kith.wire import ns
from kith.wire.jid import parse_jid
from kith.wire.serialize import escape_attribute, serialize
from kith.wire.stanza import Stanza

RETRACT = ns.tag(ns.RETRACT, "retract")
_RETRACTED = ns.tag(ns.RETRACT, "retracted")
#: How many messages of a conversation are searched for the retracted one.
MAX_SEARCHED = 10_000
#: Limits: queued searches in total and of one author, and searches at the same time. A retraction beyond them
#: replaces nothing, but is in the archive.
MAX_WAITING = 1000
MAX_OWN = 50
_MAX_CONCURRENT = 2
_PAGE = 250
_HEAD = ("from", "to", "type", "id", "{http://www.w3.org/XML/1998/namespace}lang")


class Retraction(Feature):
    """Replaces retracted messages in the logs of both accounts. The retraction itself is kept too."""

    keeps = {RETRACT: Keep.ARCHIVE}  # noqa: RUF012  # declared as ClassVar in Feature
    disco = (ns.RETRACT,)
    account_disco = (f"{ns.RETRACT}#tombstone",)

    def __init__(self, clock: Clock, store: LogStore, accounts: Accounts, tasks: Tasks) -> None:
        self._clock = clock
        self._store = store
        self._accounts = accounts
        self._tasks = tasks
        self._waiting: Counter[str] = Counter()
        self._free = asyncio.Semaphore(_MAX_CONCURRENT)

    def message_sent_committed(self, envelope: Envelope, account: Account) -> None:
        self._note(envelope, account.jid)

    def message_received_committed(self, envelope: Envelope, account: Account) -> None:
        if envelope.sender is not None and envelope.sender.account is None:
            self._note(envelope, envelope.sender.jid.domain)

    def _note(self, envelope: Envelope, author: str) -> None:
        """Queues a retraction. The number of queued ones is limited, in total and for each author."""
        sender = envelope.sender
        if not envelope.id or sender is None or RETRACT not in envelope.stanza.children:
            return
        if self._waiting[author] >= MAX_OWN or self._waiting.total() >= MAX_WAITING:
            return
        self._waiting[author] += 1
        self._tasks.spawn(self._in_turn(envelope, sender, author))

    async def _in_turn(self, envelope: Envelope, sender: Sender, author: str) -> None:
        try:
            async with self._free:
                await self._replace(envelope, sender)
        finally:
            self._waiting[author] -= 1
            if not self._waiting[author]:
                del self._waiting[author]

    async def _replace(self, envelope: Envelope, sender: Sender) -> None:
        """Replaces the message in the archive of its author, or else in that of its recipient."""
        element = envelope.stanza.child(RETRACT)
        wanted = element.get("id", "") if element is not None else ""
        if not wanted:
            return
        for account, peer in (
            (sender.account, envelope.to.bare),
            (self._accounts.get(envelope.to.bare), sender.bare),
        ):
            if account is not None and await self._replace_in(account, peer, envelope, wanted, sender.bare):
                return

    async def _replace_in(
        self, account: Account, peer: str, envelope: Envelope, wanted: str, author: str
    ) -> bool:
        """Finds the newest message with this id, of the same author and recipient (XEP-0424 §5), and
        replaces it.
        """
        before, needle = envelope.id, escape_attribute(wanted).encode()
        for _ in range(MAX_SEARCHED // _PAGE):
            query = LogQuery(account.id, peer, before=before, limit=_PAGE, backwards=True)
            page = await self._store.page(query)
            for entry in reversed(page.entries):
                if needle in entry.stanza and self._is(entry.stanza, wanted, author):
                    tombstone = self._tombstone(entry.stanza, envelope.stanza.id)
                    await self._store.rewrite(entry.id, tombstone)
                    return True
            if page.complete:
                break
            before = page.entries[0].id
        return False

    def _is(self, data: bytes, wanted: str, author: str) -> bool:
        stanza = Stanza.from_bytes(data)
        if stanza.id != wanted or RETRACT in stanza.children or _RETRACTED in stanza.children:
            return False
        return parse_jid(stanza.attrs.get("from", "")).bare == author

    def _tombstone(self, data: bytes, retraction: str) -> bytes:
        """Makes a tombstone, which has nothing of the content (XEP-0424 §4)."""
        stanza = Stanza.from_bytes(data)
        attrs = {"id": retraction, "stamp": stamp(datetime.fromtimestamp(self._clock.now(), UTC))}
        retracted = Element(_RETRACTED, {name: value for name, value in attrs.items() if value})
        head = {name: stanza.attrs[name] for name in _HEAD if name in stanza.attrs}
        return Stanza(stanza.tag, head, serialize(retracted), [_RETRACTED]).to_bytes()
