"""XEP-0191: Blocking Command.

A blocked address can't reach the account, see its presence, or notice the block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol
from xml.etree.ElementTree import Element, SubElement

from kith.base.domain import Domain
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.presence import Presence
from kith.ports.store import Document, DocumentStore
from kith.records.moves import Moves
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.jingle import is_call_message
from kith.wire.stanza import Stanza

SPACE = "blocking"
#: How many addresses an account may block.
MAX_BLOCKED = 5000
_LIST = ns.tag(ns.BLOCKING, "blocklist")
_BLOCK = ns.tag(ns.BLOCKING, "block")
_UNBLOCK = ns.tag(ns.BLOCKING, "unblock")
_ITEM = ns.tag(ns.BLOCKING, "item")
_BLOCKED = ns.tag(ns.BLOCKING_ERRORS, "blocked")


def matches(blocked: Collection[JID], jid: JID) -> bool:
    """Whether an address, its account or its domain is blocked (XEP-0191 §5)."""
    return (
        jid in blocked
        or JID(jid.local, jid.domain) in blocked
        or JID("", jid.domain, jid.resource) in blocked
        or JID("", jid.domain) in blocked
    )


class BlockListener(Protocol):
    """A feature that handles what else an ``<item/>`` contains, such as reports (XEP-0377)."""

    def check_block(self, item: Element) -> None:
        """Checks an item before anything is changed. Raises StanzaError."""

    async def blocked(self, session: Session, jid: JID, item: Element) -> None:
        """Handles an item after its address was blocked."""


class Blocking(Feature):
    """Keeps block lists and applies them.

    The state of an account: its block list, in the order of blocking, unless it is empty.
    """

    in_memory = (SPACE,)

    server_disco = (ns.BLOCKING,)

    def __init__(self, domain: Domain, store: DocumentStore, accounts: Accounts, presence: Presence) -> None:
        self._domain = domain
        self._store = store
        self._accounts = accounts
        self._presence = presence
        self._used = False  # whether any account that was in memory had a list
        self._pushes = 0
        self._earlier: dict[str, set[str]] = {}  # earlier addresses of an account, by its current one
        self.listeners: list[BlockListener] = []

    def blocks(self, account: Account, jid: JID) -> bool:
        """Whether an account has blocked an address."""
        blocked: dict[JID, None] | None = account.state.get(Blocking)
        if blocked is None or jid == self._domain.jid or jid.bare == account.jid:
            return False  # own devices and the own server are never blocked
        return matches(blocked, jid)

    def _set(self, account: Account, blocked: dict[JID, None]) -> None:
        if blocked:
            account.state[Blocking] = blocked
            self._used = True
        else:
            account.state.pop(Blocking, None)

    # -- earlier addresses (XEP-0283) ----------------------------------------------------------------

    async def start(self) -> None:
        for old, move in (await Moves(self._store).all()).items():
            self._earlier.setdefault(move.new, set()).add(old)

    async def account_moved(self, account: Account, left: Account) -> None:
        """Blocks the same people at the earlier address, which would tell them the new one."""
        blocked: dict[JID, None] = account.state.get(Blocking, {})
        for jid in blocked:
            await self._store.put(left.id, SPACE, str(jid), b"")
        self._set(left, dict(blocked))
        known = self._earlier.setdefault(account.jid, set())
        known |= {left.jid, *self._earlier.pop(left.jid, ())}

    async def address_freed(self, address: JID) -> None:
        for new, known in list(self._earlier.items()):
            known.discard(address.bare)
            if not known:
                del self._earlier[new]

    async def _everywhere(self, session: Session) -> list[Account]:
        """The account and its earlier accounts, which it has moved from."""
        found = [session.account]
        for old in self._earlier.get(session.account.jid, ()):
            if (account := await self._accounts.load(old)) is not None:
                found.append(account)
        return found

    # -- the list ----------------------------------------------------------------------------------

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        self._set(account, {parse_jid(document.key): None for document in kept[SPACE]})

    def session_saved(self, session: Session) -> object:
        return True if Blocking in session.state else None

    def session_restored(self, session: Session, saved: Any) -> None:
        session.state[Blocking] = True

    @handles_iq("get", ns.BLOCKING, "blocklist", to="own")
    async def get(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        session.state[Blocking] = True
        result = Element(_LIST)
        for jid in session.account.state.get(Blocking, ()):
            SubElement(result, _ITEM, {"jid": str(jid)})
        return (result,)

    @handles_iq("set", ns.BLOCKING, "block", to="own")
    async def block(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        asked = self._asked(iq, _BLOCK)
        if not asked:
            raise StanzaError("bad-request", "nobody to block")
        items = self._items(iq, _BLOCK)
        for item in items:
            for listener in self.listeners:
                listener.check_block(item)
        bare = session.account.jid
        before: dict[JID, None] = session.account.state.get(Blocking, {})
        new = [jid for jid in asked if jid not in before]
        if len(before) + len(new) > MAX_BLOCKED:
            raise StanzaError("resource-constraint", "the block list is full")
        store, everywhere = self._store, await self._everywhere(session)
        await asyncio.gather(*(store.put(a.id, SPACE, str(jid), b"") for a in everywhere for jid in new))
        for jid in await self._viewers(bare, new):
            self._presence.hide(session.account, jid)
        for account in everywhere:
            self._set(account, account.state.get(Blocking, {}) | dict.fromkeys(new))
        self._push(session, _BLOCK, asked)
        for item in items:
            for listener in self.listeners:
                await listener.blocked(session, parse_jid(item.get("jid", "")), item)
        return ()

    @handles_iq("set", ns.BLOCKING, "unblock", to="own")
    async def unblock(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        asked = self._asked(iq, _UNBLOCK)
        bare = session.account.jid
        blocked: dict[JID, None] = session.account.state.get(Blocking, {})
        gone = [jid for jid in asked if jid in blocked] if asked else list(blocked)
        store, everywhere = self._store, await self._everywhere(session)
        await asyncio.gather(*(store.remove(a.id, SPACE, str(jid)) for a in everywhere for jid in gone))
        unblocked = set(gone)
        for account in everywhere:
            left: dict[JID, None] = account.state.get(Blocking, {})
            self._set(account, {jid: None for jid in left if jid not in unblocked})
        for jid in await self._viewers(bare, gone):
            if not self.blocks(session.account, jid):
                self._presence.show(session.account, jid)
        self._push(session, _UNBLOCK, asked)
        return ()

    def _asked(self, iq: Stanza, tag: str) -> list[JID]:
        items = self._items(iq, tag)
        if len(items) > MAX_BLOCKED:
            raise StanzaError("resource-constraint", "too many addresses at once")
        try:
            return list(dict.fromkeys(parse_jid(item.get("jid", "")) for item in items))
        except ValueError:
            raise StanzaError("jid-malformed") from None

    def _items(self, iq: Stanza, tag: str) -> list[Element]:
        command = iq.child(tag)
        return command.findall(_ITEM) if command is not None else []

    async def _viewers(self, bare: str, jids: Iterable[JID]) -> list[JID]:
        """Those of the addresses that get the account's presence; for a domain, the contacts of that
        domain.
        """
        roster = await self._accounts.roster(bare)
        viewers: list[JID] = []
        for jid in jids:
            if jid.local:
                if roster.subscription_from(jid.bare):
                    viewers.append(jid)
            else:
                blocked = {jid}
                contacts = map(parse_jid, roster.contacts_from())
                viewers.extend(contact for contact in contacts if matches(blocked, contact))
        return viewers

    def _push(self, session: Session, tag: str, jids: Iterable[JID]) -> None:
        """Sends a push to all sessions that have requested the list (XEP-0191 §3.3 to §3.5)."""
        command = Element(tag)
        for jid in jids:
            SubElement(command, _ITEM, {"jid": str(jid)})
        self._pushes += 1
        for other in self._accounts.sessions(session.account.jid):
            if Blocking in other.state:
                other.send(
                    Stanza.build(
                        "iq", {"type": "set", "id": f"block{self._pushes}", "to": other.full}, command
                    )
                )

    # -- the rule ----------------------------------------------------------------------------------

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        if not self._used:
            return True
        get = self._accounts.get  # a local variable, since this runs for every message
        account = get(sender.bare)
        if account is not None and Blocking in account.state and self.blocks(account, to):
            return False  # sent by the server for the blocking account, such as presence
        account = get(to.bare)
        if account is None or Blocking not in account.state or not self.blocks(account, sender):
            return True
        if stanza.kind == "presence" or stanza.type in ("error", "result"):
            return False
        if stanza.kind == "message" and is_call_message(stanza):
            return False  # as if nobody answered the call
        raise StanzaError("service-unavailable")

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        if to is not None and Blocking in session.account.state and self.blocks(session.account, to):
            raise StanzaError("not-acceptable", type="cancel", application=Element(_BLOCKED))

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        if Blocking in session.account.state:  # here at once, since every message passes
            self.stanza_out(session, stanza, to)
