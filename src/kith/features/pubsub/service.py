"""XEP-0060: a pubsub service at ``pubsub.DOMAIN``, for nodes that do not belong to one account.

Accounts of the domain can create nodes. The owners decide who reads and publishes, which may be people of
other servers. A node is stored with the account that has created it, and is deleted with that account; the
service stores which account it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.hosts import Hosts
from kith.core.routing.inquiries import Inquiries
from kith.core.routing.post import Post
from kith.features.disco import Identity, Items, item
from kith.features.forms import find_form
from kith.features.pubsub.access import refusal, roster_of
from kith.features.pubsub.cache import NodeCache
from kith.features.pubsub.config import MAX_ITEMS, NodeConfig
from kith.features.pubsub.description import node_description
from kith.features.pubsub.members import authorize
from kith.features.pubsub.nodes import Node, Spaces
from kith.features.pubsub.notify import AUTHORIZATION, Notifier
from kith.features.pubsub.request import Request, Service
from kith.features.pubsub.use_cases import FEATURES, find
from kith.ports.store import Store
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

SPACES = Spaces("service-nodes", "service:")
#: The space of the documents that say which account has created a node. They belong to no account.
_INDEX_SPACE = "service-index"
_INDEX = 0
#: How many nodes the service, and one account, may have.
MAX_NODES = 20_000
MAX_OWN = 64


class DomainService(Service):
    """The pubsub service of the domain.

    ``creators``: ids of the accounts that have created nodes, by node.
    """

    defaults = NodeConfig(access_model="open", max_items=MAX_ITEMS, send_last_published_item="never")
    auto_create = False
    access_models = ("open", "whitelist", "authorize")

    def __init__(
        self,
        store: Store,
        clock: Clock,
        randomness: Randomness,
        accounts: Accounts,
        inquiries: Inquiries,
        notifier: Notifier,
    ) -> None:
        nodes = NodeCache(store, clock, spaces=SPACES)
        super().__init__(clock, randomness, accounts, inquiries, nodes, notifier)
        self._store = store
        self.creators: dict[str, int] = {}
        self._creating = asyncio.Lock()

    async def load(self) -> None:
        for document in await self._store.documents(_INDEX, _INDEX_SPACE):
            self.creators[document.key] = int(document.value)

    def must_create(self, request: Request) -> None:
        if request.sender.account is None:
            raise StanzaError("forbidden", "only accounts of this server have nodes")

    def instant_name(self) -> str:
        return self.randomness.hex(16)

    async def create(self, request: Request, name: str, config: NodeConfig) -> None:
        account = request.sender.account
        assert account is not None
        async with self._creating:
            if await self._exists(name):
                raise StanzaError("conflict", "the node exists")
            if len(self.creators) >= MAX_NODES:
                raise StanzaError("resource-constraint", "the service has no room for more nodes")
            async with self.nodes.writing(account.id) as nodes:
                if len(nodes.nodes) >= MAX_OWN:
                    raise StanzaError("resource-constraint", f"an account has at most {MAX_OWN} nodes here")
                await nodes.create(name, config, account.jid)
            await self._store.put(_INDEX, _INDEX_SPACE, name, str(account.id).encode())
            self.creators[name] = account.id

    async def _exists(self, name: str) -> bool:
        """Whether a node exists. After a crash, the name of a deleted node may still be stored."""
        creator = self.creators.get(name)
        return creator is not None and name in (await self.nodes.load(creator)).nodes

    async def deleted(self, name: str) -> None:
        self.creators.pop(name, None)
        await self._store.remove(_INDEX, _INDEX_SPACE, name)

    async def forget(self) -> None:
        """Forgets the nodes of accounts that no longer exist."""
        known = set(self.creators.values())
        store = self._store
        there = {record.id for jid in await store.accounts() if (record := await store.account(jid))}
        for name in [name for name, creator in self.creators.items() if creator in known - there]:
            self.nodes.drop(self.creators[name])
            await self.deleted(name)

    async def all(self, request: Request) -> Iterable[Node]:
        found: list[Node] = []
        for account in set(self.creators.values()):
            found.extend((await self.nodes.load(account)).nodes.values())
        return found


class PubSubService(Feature):
    """The pubsub service. It is off if a component has the same domain."""

    service = "pubsub"

    def __init__(
        self,
        domain: Domain,
        clock: Clock,
        randomness: Randomness,
        store: Store,
        accounts: Accounts,
        inquiries: Inquiries,
        post: Post,
        hosts: Hosts,
        tasks: Tasks,
    ) -> None:
        self._domain = domain
        self._accounts = accounts
        self._post = post
        self._hosts = hosts
        self._tasks = tasks
        self.jid = JID("", f"{self.service}.{domain.name}")
        notifier = Notifier(randomness, accounts, post, lambda _: frozenset(), lambda _: ())
        self._service = DomainService(store, clock, randomness, accounts, inquiries, notifier)

    async def start(self) -> None:
        await self._service.load()

    async def account_deleted(self, account: JID) -> None:
        await self.accounts_changed()

    async def accounts_changed(self) -> None:
        if self._service.creators:
            await self._service.forget()

    @handles_iq("get", ns.PUBSUB, "pubsub", to="service")
    @handles_iq("set", ns.PUBSUB, "pubsub", to="service")
    @handles_iq("get", ns.PUBSUB_OWNER, "pubsub", to="service")
    @handles_iq("set", ns.PUBSUB_OWNER, "pubsub", to="service")
    async def request(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Runs the use case that the request names."""
        use_case, parent, command = find(iq)
        account = self._service.creators.get(command.get("node", ""), _INDEX)
        return await use_case(self._service, Request(sender, self.jid, account, parent, command))

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Handles an owner's answer to a subscription request (XEP-0060 §8.6)."""
        if stanza.kind != "message":
            return
        form = find_form(stanza.element)
        if form is None or form.form_type != AUTHORIZATION:
            raise StanzaError("service-unavailable")
        account = self._service.creators.get(form.one("pubsub#node"))
        if account is None:
            raise StanzaError("item-not-found")
        self._tasks.spawn(self._authorize(stanza, sender, account))

    async def _authorize(self, stanza: Stanza, sender: JID, account: int) -> None:
        form = find_form(stanza.element)
        assert form is not None
        try:
            await authorize(self._service, self.jid, account, sender.bare, form)
        except StanzaError as error:
            answer = stanza.error(error)
            if answer is not None:
                self._post.route(answer, self.jid, sender)

    # -- discovery ---------------------------------------------------------------------------------

    def disco_items(self, to: JID) -> Sequence[Element]:
        here = to == self._domain.jid and self._hosts.here(self.jid.domain) is self
        return (item(self.jid.domain, name="Publish and subscribe"),) if here else ()

    def service_disco(self) -> tuple[Sequence[Identity], Sequence[str]]:
        """The identities and features of the service (XEP-0060 §5.1)."""
        names = (*FEATURES, "instant-nodes")
        found = (ns.PUBSUB, *(f"{ns.PUBSUB}#{name}" for name in names))
        return (Identity("pubsub", "service", "Publish and subscribe"),), found

    async def _node(self, name: str) -> Node | None:
        account = self._service.creators.get(name)
        return (await self._service.nodes.load(account)).nodes.get(name) if account is not None else None

    async def node_info(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        """Describes a node to everybody, so that people can request a subscription (XEP-0060 §5.3)."""
        found = await self._node(node) if to == self.jid else None
        if found is None:
            return None
        owners = [jid for jid, standing in found.record.affiliations.items() if standing == "owner"]
        return node_description(found, {"owner": owners[0]} if owners else {})

    async def node_items(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        if to != self.jid:
            return None
        if not node:
            return Items(self.jid.domain, list(self._service.creators))
        found = await self._node(node)
        if found is None:
            return None
        error = refusal(found, await roster_of(self._accounts, self.jid), self.jid.bare, sender.bare)
        if error is not None:
            raise error
        nodes = await self._service.nodes.load(self._service.creators[node])
        return [item(self.jid.domain, name=id) for id in await self._service.nodes.items(nodes, found)]
