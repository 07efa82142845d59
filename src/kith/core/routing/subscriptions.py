"""Subscriptions to presence, and the roster pushes that go with them (RFC 6121 §3)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from xml.etree.ElementTree import Element

from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import MAX_ITEMS, Item, Roster
from kith.core.hooks.table import Hooks
from kith.core.routing.foreign import Foreign
from kith.core.routing.post import Post
from kith.core.routing.presence import Presence
from kith.ports.store import Store
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

#: The maximum size of a request, which is kept until it is answered (RFC 6121 §3.1.3).
MAX_REQUEST = 8 * 1024
#: How many contacts are written in one batch when an account is removed, so that other writes get their turn.
_BATCH = 100
SUBSCRIPTION_TYPES = frozenset(("subscribe", "subscribed", "unsubscribe", "unsubscribed"))


class Subscriptions:
    """Handles subscription stanzas between users and contacts of this and other servers."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        post: Post,
        presence: Presence,
        hooks: Hooks,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._post = post
        self._presence = presence
        self._hooks = hooks

    async def handle(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Handles a subscription stanza from a client (RFC 6121 §3). Raises StanzaError."""
        if to == session.account.address:
            return
        _check_size(stanza)
        if self._post.elsewhere(to) is None and not to.local:
            raise StanzaError("item-not-found")
        await self.send(session.account, stanza, to)

    async def admit(self, sender: Foreign, stanza: Stanza, to: JID) -> None:
        """Handles a subscription stanza from another domain. Raises StanzaError."""
        _check_size(stanza)
        user = sender.jid.to_bare()
        attrs = {**stanza.attrs, "from": user.bare, "to": to.bare}
        await self._receive(user, to, Stanza(stanza.tag, attrs, stanza.inner, stanza.children))

    async def send(self, user: Account, stanza: Stanza, to: JID) -> None:
        """Sends a subscription stanza of ``user`` to ``to``, a bare address. Raises StanzaError."""
        roster = await self._accounts.roster(user.jid)
        item = roster[to.bare]
        type = stanza.type
        if type == "subscribe" and not item.listed and len(roster) >= MAX_ITEMS:
            raise StanzaError("resource-constraint", "the roster is full")
        had_from, had_request = item.from_, item.request is not None
        changed = getattr(item, f"send_{type}")()
        if changed:
            await roster.save(self._store, item)
            if item.listed:
                self.push(user, roster, item)
        routed = {
            "subscribe": True,
            "unsubscribe": True,
            "subscribed": changed and had_request,
            "unsubscribed": had_from or had_request,
        }[type]
        if not routed:
            return
        bare = Stanza(
            stanza.tag, {**stanza.attrs, "from": user.jid, "to": to.bare}, stanza.inner, stanza.children
        )
        if type == "unsubscribed" and had_from:
            self._presence.hide(user, to)
            self._hooks.access_changed(user.address, to)
        await self._pass_on(bare, user.address, to)
        if type == "subscribed":
            self._presence.show(user, to)
            self._hooks.subscription_approved(user.address, to)

    async def befriend(self, one: str, other: str) -> None:
        """Subscribes two accounts of this server to each other, as if both had requested and approved it."""
        for bare, contact in ((one, other), (other, one)):
            account = await self._accounts.load(bare)
            if account is None:
                return
            roster = await self._accounts.roster(bare)
            item = roster[contact]
            item.to = item.from_ = item.listed = True
            item.ask, item.request, item.approved = False, None, False
            await roster.save(self._store, item)
            self.push(account, roster, item)

    async def leave(self, user: Account) -> None:
        """Ends all subscriptions of an account that is removed next, both ways (RFC 6121 §3.2 and §3.3).

        Its own roster, which goes with it, is not written. Each contact's is written once, many at a time.
        """
        user.leaving = True
        roster = await self._accounts.roster(user.jid)
        items = list(roster)
        for start in range(0, len(items), _BATCH):
            await asyncio.gather(*(self._part(user, item) for item in items[start : start + _BATCH]))

    async def _part(self, user: Account, item: Item) -> None:
        contact, stanzas = parse_jid(item.jid), []
        for type, needed in (("unsubscribe", item.to or item.ask), ("unsubscribed", item.from_)):
            if needed:
                getattr(item, f"send_{type}")()
                attrs = {"type": type, "from": user.jid, "to": contact.bare}
                stanzas.append(Stanza.build("presence", attrs))
                if type == "unsubscribed":
                    self._presence.hide(user, contact)
        if not self._post.is_owned(contact.bare):
            for stanza in stanzas:
                self._post.route(stanza, user.address, contact)
        elif stanzas:
            with suppress(StanzaError):  # the contact's account is being handed over to another node
                await self._receive(user.address, contact, *stanzas)

    async def _pass_on(self, stanza: Stanza, user: JID, to: JID) -> None:
        if self._post.is_owned(to.bare):
            await self._receive(user, to, stanza)
        else:
            self._post.route(stanza, user, to)

    async def _receive(self, user: JID, to: JID, *stanzas: Stanza) -> None:
        """Handles subscription stanzas on the side of their recipient (RFC 6121 §3), with one write."""
        contact = await self._accounts.load(to.bare)
        if contact is None:
            return  # §8.5.1: silently ignored
        allowed = [stanza for stanza in stanzas if self._post.allows(user, to, stanza)]
        if not allowed:
            return
        roster = await self._accounts.roster(to.bare)
        item = roster[user.bare]
        if allowed[0].type == "subscribe":
            await self._receive_subscribe(allowed[0], contact, roster, item, user)
            return
        had_from = item.from_
        changed = [stanza for stanza in allowed if getattr(item, f"receive_{stanza.type}")()]
        if not changed:
            return
        await roster.save(self._store, item)
        for stanza in changed:
            for session in contact.available():
                session.send(stanza)
        if item.listed:
            self.push(contact, roster, item)
        if had_from and not item.from_:
            self._presence.hide(contact, user)
            self._hooks.access_changed(contact.address, user)

    async def _receive_subscribe(
        self, stanza: Stanza, contact: Account, roster: Roster, item: Item, user: JID
    ) -> None:
        invited = not (item.from_ or item.approved) and await self._hooks.subscription_wanted(
            contact.address, user, stanza
        )
        item.approved = item.approved or invited
        todo = item.receive_subscribe(stanza.to_bytes())
        if todo in ("approve", "ask"):
            await roster.save(self._store, item)
        if todo == "approve":
            self.push(contact, roster, item)
        if todo in ("approve", "reply"):
            yes = Stanza.build("presence", {"type": "subscribed", "from": contact.jid, "to": user.bare})
            await self._pass_on(yes, contact.address, user)
            self._presence.show(contact, user)
            self._hooks.subscription_approved(contact.address, user)
            if invited:
                back = Stanza.build("presence", {"type": "subscribe", "from": contact.jid, "to": user.bare})
                await self.send(contact, back, user)
        elif todo == "ask":
            if (excess := roster.excess_request()) is not None:
                excess.request = None
                await roster.save(self._store, excess)
            for session in contact.available():
                session.send(stanza)

    def push(self, account: Account, roster: Roster, item: Item) -> None:
        """Sends a roster push to the sessions that have requested the roster (RFC 6121 §2.1.6)."""
        query = Element(ns.tag(ns.ROSTER, "query"), {"ver": str(roster.version)})
        query.append(item.element())
        for session in account.sessions.values():
            if session.interested:
                session.send(
                    Stanza.build(
                        "iq", {"type": "set", "id": f"push{roster.version}", "to": session.full}, query
                    )
                )


def _check_size(stanza: Stanza) -> None:
    """Checks the size of a request, which strangers can send. Raises StanzaError."""
    if stanza.type == "subscribe" and len(stanza.to_bytes()) > MAX_REQUEST:
        raise StanzaError("policy-violation", f"a request has at most {MAX_REQUEST} bytes")
