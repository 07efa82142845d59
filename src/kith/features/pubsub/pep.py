"""XEP-0163: Personal Eventing Protocol. Every account is a pubsub service (XEP-0060) at its bare address.

This file receives the requests, answers service discovery, and sends the last items to clients that come
online. The use cases are in `items`, `owner` and `members`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.inquiries import Inquiries
from kith.core.routing.post import Post
from kith.features.caps import Caps
from kith.features.disco import Identity, item
from kith.features.foreign_interests import ForeignInterests
from kith.features.forms import Form, X, find_form
from kith.features.pubsub.access import refusal
from kith.features.pubsub.cache import NodeCache
from kith.features.pubsub.description import node_description
from kith.features.pubsub.inside import Inside
from kith.features.pubsub.members import authorize, drop_subscriber
from kith.features.pubsub.nodes import Node
from kith.features.pubsub.notify import AUTHORIZATION, NOTIFY, Notifier
from kith.features.pubsub.request import Request, Service
from kith.features.pubsub.use_cases import FEATURES, find
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

#: Further features of the nodes of accounts (XEP-0060 §10).
_FEATURES = (
    "access-presence",
    "access-roster",
    "auto-create",
    "auto-subscribe",
    "filtered-notifications",
    "presence-notifications",
    "presence-subscribe",
)


class Pep(Feature):
    """The nodes of accounts. `Caps` and `ForeignInterests` tell which clients want which events."""

    disco = (ns.PUBSUB, *(f"{ns.PUBSUB}#{name}" for name in (*FEATURES, *_FEATURES)))

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        store: DocumentStore,
        accounts: Accounts,
        inquiries: Inquiries,
        post: Post,
        tasks: Tasks,
        caps: Caps,
        foreign: ForeignInterests | None,
    ) -> None:
        self._accounts = accounts
        self._post = post
        self._tasks = tasks
        self._caps = caps
        self._foreign = foreign
        caps.listeners.append(self._known)
        if foreign is not None:
            foreign.listeners.append(self._known_elsewhere)
        self._nodes = NodeCache(store, clock)
        self._notifier = Notifier(randomness, accounts, post, self._interests, self._elsewhere)
        self._service = Service(clock, randomness, accounts, inquiries, self._nodes, self._notifier)
        self.inside = Inside(self._service)
        self.listeners = self._service.listeners

    def _interests(self, session: Session) -> frozenset[str]:
        return self._caps.features_of(session)

    def _elsewhere(self, bare: str) -> Iterable[tuple[JID, frozenset[str]]]:
        return self._foreign.of(bare) if self._foreign is not None else ()

    # -- requests ----------------------------------------------------------------------------------

    @handles_iq("get", ns.PUBSUB, "pubsub", to="account", hidden_error="item-not-found")
    @handles_iq("set", ns.PUBSUB, "pubsub", to="account")
    @handles_iq("get", ns.PUBSUB_OWNER, "pubsub", to="account")
    @handles_iq("set", ns.PUBSUB_OWNER, "pubsub", to="account")
    async def request(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Runs the use case that the request names."""
        account = await self._accounts.id_of(to)
        if account is None:
            raise StanzaError("service-unavailable")
        use_case, parent, command = find(iq)
        return await use_case(self._service, Request(sender, to.to_bare(), account, parent, command))

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Handles an owner's answer to a subscription request, which is a message to its own account."""
        if stanza.kind != "message" or X not in stanza.children or sender.bare != to.bare:
            return True
        form = find_form(stanza.element)
        if form is None or form.form_type != AUTHORIZATION or form.type == "form":
            return True
        self._tasks.spawn(self._authorize(to.to_bare(), form))
        return False

    async def _authorize(self, owner: JID, form: Form) -> None:
        account = await self._accounts.id_of(owner)
        if account is not None:
            with suppress(StanzaError):
                await authorize(self._service, owner, account, owner.bare, form)

    # -- the last items ----------------------------------------------------------------------------

    async def privacy_changed(self, account: Account) -> None:
        """Drops the nodes, which are read again with the access that is now allowed."""
        async with self._nodes.writing(account.id):
            self._nodes.drop(account.id)

    def slot_lost(self, slot: int) -> None:
        self._nodes.clear()  # it does not know whose they are; they are read again

    def presence_changed(self, session: Session, stanza: Stanza) -> None:
        if stanza.type == "unavailable":
            session.state.pop(Pep, None)

    def session_saved(self, session: Session) -> object:
        served = session.state.get(Pep)
        return sorted(served) if isinstance(served, frozenset) else None

    def session_restored(self, session: Session, saved: Any) -> None:
        session.state[Pep] = frozenset(saved)

    def _known(self, session: Session) -> None:
        """Sends the last items when the interests of a client become known (XEP-0163 §5.3.4)."""
        wanted = {name for name in self._interests(session) if name.endswith(NOTIFY)}
        served = session.state.get(Pep)
        new = wanted - served if isinstance(served, frozenset) else wanted
        session.state[Pep] = frozenset(wanted)
        if new and session.presence is not None:
            names = {name.removesuffix(NOTIFY) for name in new}
            self._tasks.spawn(self._send_last(session, names))

    async def _send_last(self, session: Session, names: set[str]) -> None:
        roster = await self._accounts.roster(session.account.jid)
        for bare in (session.account.jid, *roster.contacts_to()):
            if session.closed or session.presence is None:
                return
            owner = parse_jid(bare)
            if self._post.is_local(owner):
                await self._send_last_of(owner, session, names)

    def events_missed(self, account: JID, client: JID) -> None:
        found = self._accounts.get(client.bare)
        session = found.sessions.get(client.resource) if found is not None else None
        if session is None:
            if self._foreign is not None:
                self._known_elsewhere(client, account)
        elif names := {f.removesuffix(NOTIFY) for f in self._interests(session) if f.endswith(NOTIFY)}:
            self._tasks.spawn(self._send_last_of(account, session, names))

    def _known_elsewhere(self, client: JID, owner: JID) -> None:
        """Sends the last items to a client on another server that has sent presence to an account here."""
        assert self._foreign is not None
        wanted = {f.removesuffix(NOTIFY) for f in self._foreign.features_of(client) if f.endswith(NOTIFY)}
        if wanted:
            self._tasks.spawn(self._send_last_to(owner, client, wanted))

    async def _send_last_of(self, owner: JID, session: Session, names: set[str]) -> None:
        if session.presence is not None:
            await self._send_last_to(owner, session.jid, names, session)

    async def _send_last_to(
        self, owner: JID, to: JID, names: set[str], session: Session | None = None
    ) -> None:
        """Sends the last items of an account's nodes to a client that may read them.

        ``session``: its session, if local.
        """
        account = await self._accounts.id_of(owner)
        if account is None:
            return
        nodes = await self._nodes.load(account)
        found = [node for name in names if (node := nodes.nodes.get(name)) is not None]
        if not found:
            return
        roster = await self._accounts.roster(owner.bare)
        for node in found:
            config = node.config
            if config.send_last_published_item != "on_sub_and_presence" or not config.deliver_notifications:
                continue
            if refusal(node, roster, owner.bare, to.bare) is not None:
                continue
            if owner.bare != to.bare and not roster.subscription_from(to.bare):
                continue
            items = await self._nodes.items(nodes, node)
            if items and (session is None or session.presence is not None):
                id = next(reversed(items))
                self._notifier.last(owner, to, node, id, items[id])

    def subscription_approved(self, account: JID, contact: JID) -> None:
        """Sends the last items to a contact that gets the presence of the account from now on (XEP-0163
        §5.3.4).
        """
        self._tasks.spawn(self._welcome(account, contact))

    def access_changed(self, account: JID, contact: JID) -> None:
        """Ends the subscriptions of a contact that may no longer read some nodes (XEP-0163 §7.1)."""
        self._tasks.spawn(self._close(account, contact))

    async def _close(self, account: JID, contact: JID) -> None:
        id = await self._accounts.id_of(account)
        if id is not None:
            await drop_subscriber(self._service, account, id, contact.bare)

    async def _welcome(self, account: JID, contact: JID) -> None:
        for session in self._accounts.sessions(contact.bare):
            wanted = {name for name in self._interests(session) if name.endswith(NOTIFY)}
            if wanted and session.presence is not None:
                names = {name.removesuffix(NOTIFY) for name in wanted}
                await self._send_last_of(account, session, names)

    # -- discovery ---------------------------------------------------------------------------------

    def disco_identities(self, account: bool) -> Sequence[Identity]:
        return (Identity("pubsub", "pep"),)

    async def _visible(self, sender: Sender, to: JID, name: str) -> list[Node]:
        """The nodes that the sender may read: the one with this name, or all."""
        account = await self._accounts.id_of(to)
        if account is None:
            return []
        nodes = (await self._nodes.load(account)).nodes
        chosen = [node for node in (nodes.get(name),) if node is not None] if name else list(nodes.values())
        roster = await self._accounts.roster(to.bare)
        return [node for node in chosen if refusal(node, roster, to.bare, sender.bare) is None]

    async def node_info(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        found = await self._visible(sender, to, node)
        if not found:
            return None
        automatic = {"creator": to.bare, "owner": to.bare}
        return node_description(found[0], automatic)

    async def node_items(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        found = await self._visible(sender, to, node)
        if not node:
            return [item(to.bare, visible.name, visible.config.title) for visible in found]
        if not found:
            return None
        account = await self._accounts.id_of(to)
        assert account is not None
        items = await self._nodes.items(await self._nodes.load(account), found[0])
        return [item(to.bare, name=id) for id in items]
