"""Answers roster requests of clients (RFC 6121 §2)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.base.tasks import Tasks
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import ITEM, MAX_ITEMS, QUERY, Item
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.hooks.table import Hooks
from kith.core.routing.subscriptions import Subscriptions
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_GROUP = ns.tag(ns.ROSTER, "group")
#: Limits of a contact: characters of its name and of each group, and groups.
MAX_NAME = 1023
MAX_GROUPS = 64


class Rosters(Feature):
    """Roster get with versions (RFC 6121 §2.1.3, §2.6), set and remove (§2.3 to §2.5)."""

    account_disco = (ns.ROSTER,)

    def __init__(
        self,
        store: DocumentStore,
        accounts: Accounts,
        subscriptions: Subscriptions,
        hooks: Hooks,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._subscriptions = subscriptions
        self._hooks = hooks
        self._tasks = tasks

    def stream_features(self) -> Sequence[Element]:
        """Announces roster versions (RFC 6121 §2.6.1) and pre-approval (§3.4)."""
        return (Element(ns.tag(ns.ROSTER_VERSIONING, "ver")), Element(ns.tag(ns.PRE_APPROVAL, "sub")))

    @handles_iq("get", ns.ROSTER, "query", to="own")
    async def get(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        roster = await self._accounts.roster(session.account.jid)
        session.interested = True
        query = iq.child(QUERY)
        known = query.get("ver") if query is not None else None
        if known is not None and known.isascii() and known.isdecimal() and len(known) < 20:
            changes = roster.changes(int(known))
            if changes is not None:
                self._tasks.spawn(self._push_changes(session, changes))
                return ()
        result = Element(QUERY, {"ver": str(roster.version)})
        result.extend(item.element() for item in roster)
        return (result,)

    async def _push_changes(self, session: Session, changes: Sequence[Item]) -> None:
        """Sends a push for each change since the client's version (RFC 6121 §2.6.3)."""
        for item in changes:
            if item.listed or item.request is None:
                query = Element(QUERY, {"ver": str(item.seq)})
                query.append(item.element())
                session.send(
                    Stanza.build("iq", {"type": "set", "id": f"push{item.seq}", "to": session.full}, query)
                )

    @handles_iq("set", ns.ROSTER, "query", to="own")
    async def set(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        query = iq.child(QUERY)
        items = query.findall(ITEM) if query is not None else []
        if len(items) != 1:
            raise StanzaError("bad-request", "one item at a time")
        element = items[0]
        try:
            jid = parse_jid(element.get("jid", ""))
        except ValueError:
            raise StanzaError("bad-request" if not element.get("jid") else "jid-malformed") from None
        if jid.bare == session.account.jid:
            raise StanzaError("not-allowed", "one's own address")
        if element.get("subscription") == "remove":
            await self._remove(session, jid)
        else:
            await self._update(session, jid, element)
        return ()

    async def _update(self, session: Session, jid: JID, element: Element) -> None:
        """Adds or changes an item (RFC 6121 §2.3, §2.4).

        Its ``subscription`` and ``ask`` are ignored (§2.1.2.5).
        """
        name = element.get("name", "")
        groups = [group.text or "" for group in element.findall(_GROUP)]
        if len(set(groups)) != len(groups):
            raise StanzaError("bad-request", "a group twice")
        if "" in groups or len(name) > MAX_NAME or any(len(group) > MAX_NAME for group in groups):
            raise StanzaError("not-acceptable", "a name is empty or too long")
        if len(groups) > MAX_GROUPS:
            raise StanzaError("not-acceptable", "too many groups")
        account = session.account
        roster = await self._accounts.roster(account.jid)
        item = roster[jid.bare]
        if not item.listed and len(roster) >= MAX_ITEMS:
            raise StanzaError("resource-constraint", "the roster is full")
        moved = set(item.groups) != set(groups)
        item.name, item.groups, item.listed = name, groups, True
        await roster.save(self._store, item)
        self._subscriptions.push(account, roster, item)
        if moved:
            self._hooks.access_changed(account.address, jid.to_bare())

    async def _remove(self, session: Session, jid: JID) -> None:
        """Removes an item, and ends subscriptions in both directions (RFC 6121 §2.5)."""
        account = session.account
        roster = await self._accounts.roster(account.jid)
        item = roster[jid.bare]
        if not item.listed:
            raise StanzaError("item-not-found")
        for type, needed in (
            ("unsubscribe", item.to or item.ask),
            ("unsubscribed", item.from_ or item.request is not None),
        ):
            if needed:
                stanza = Stanza.build("presence", {"type": type, "from": account.jid, "to": jid.bare})
                await self._subscriptions.send(account, stanza, jid.to_bare())
        item.name, item.groups, item.listed, item.approved = "", [], False, False
        await roster.save(self._store, item)
        self._subscriptions.push(account, roster, item)
