"""A parsed pubsub request, and the service that it is for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.routing.inquiries import Inquiries
from kith.features.pubsub.access import affiliation, refusal, roster_of, subscribed
from kith.features.pubsub.cache import NodeCache
from kith.features.pubsub.config import NodeConfig
from kith.features.pubsub.errors import pubsub_error
from kith.features.pubsub.nodes import Node, Nodes
from kith.features.pubsub.notify import Notifier
from kith.wire.errors import StanzaError
from kith.wire.jid import JID

#: Called after items of a node have changed, with the owner, the id of its account, and the name of the node.
Changed = Callable[[JID, int, str], Awaitable[None]]
#: How often per hour the owners of a node are asked to approve subscriptions of one person.
MAX_ASKED = 3
#: How often per minute somebody may request its subscriptions or affiliations at all nodes.
MAX_LISTED = 30
#: The maximum length of the name of a node or item, in bytes.
MAX_NAME = 1023


_STORIES_NODE = "urn:xmpp:pubsub-social-feed:stories:0"
_STORIES = NodeConfig(max_items=100, item_expire=86_400)


class Service:
    """What the use cases need of a pubsub service. This class is the one for nodes of accounts (XEP-0163)."""

    #: The configuration of a node that nobody has configured.
    defaults = NodeConfig()
    #: Whether publishing creates the node.
    auto_create = True
    access_models: tuple[str, ...] = ("presence", "open", "roster", "whitelist", "authorize")

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        accounts: Accounts,
        inquiries: Inquiries,
        nodes: NodeCache,
        notifier: Notifier,
    ) -> None:
        self.clock = clock
        self.randomness = randomness
        self.accounts = accounts
        self.inquiries = inquiries
        self.nodes = nodes
        self.notifier = notifier
        self.listeners: list[Changed] = []
        self.asked = RateLimit(MAX_ASKED, 3600.0)
        self.listed = RateLimit(MAX_LISTED, 60.0)

    def defaults_for(self, name: str) -> NodeConfig:
        """The configuration of a node that publishing creates. Stories are there for a day (XEP-0501)."""
        return _STORIES if name == _STORIES_NODE else self.defaults

    async def changed(self, request: Request, name: str) -> None:
        """Notifies listeners that items of a node have changed."""
        for listener in self.listeners:
            await listener(request.owner, request.account, name)

    def must_create(self, request: Request) -> None:
        """Checks that the asker may create nodes. Raises StanzaError."""
        if request.asker != request.owner.bare:
            raise StanzaError("forbidden")

    async def create(self, request: Request, name: str, config: NodeConfig) -> None:
        """Creates a node. Raises StanzaError, also if it exists."""
        async with self.nodes.writing(request.account) as nodes:
            if name in nodes.nodes:
                raise StanzaError("conflict", "the node exists")
            await nodes.create(name, config)

    def instant_name(self) -> str:
        """A name for a node that is created without one. Raises StanzaError if that is not supported."""
        raise pubsub_error("not-acceptable", "nodeid-required")

    async def deleted(self, name: str) -> None:
        """Does what is needed after a node was deleted."""

    async def all(self, request: Request) -> Iterable[Node]:
        """All nodes of the service."""
        return list((await self.nodes.load(request.account)).nodes.values())


@dataclass(frozen=True, slots=True)
class Request:
    """A request. ``command``: the element that names the use case. ``parent``: the ``<pubsub/>`` around it.

    ``owner``: the bare address that owns the nodes. ``account``: the id of its account.
    """

    sender: Sender
    owner: JID
    account: int
    parent: Element
    command: Element

    @property
    def asker(self) -> str:
        """The bare address of the sender."""
        return self.sender.bare

    def owned(self, nodes: Nodes) -> Node:
        """The requested node. Raises StanzaError if it does not exist or the asker does not own it."""
        name = self.node()
        node = nodes.nodes.get(name)
        if node is None and self.owner.local and self.asker != self.owner.bare:
            raise StanzaError("forbidden")
        node = nodes[name]
        if self.standing(node) != "owner":
            raise StanzaError("forbidden")
        return node

    def standing(self, node: Node) -> str:
        """The affiliation of the asker."""
        return affiliation(node, self.owner.bare, self.asker)

    def must_publish(self, node: Node) -> None:
        """Checks that the asker may publish (XEP-0060 §7.1.3.1). Raises StanzaError."""
        standing = self.standing(node)
        if standing in ("owner", "publisher"):
            return
        model = node.config.publish_model
        if standing != "outcast" and (
            model == "open" or (model == "subscribers" and subscribed(node, self.asker))
        ):
            return
        raise StanzaError("forbidden")

    def node(self) -> str:
        """The name of the node. Raises StanzaError if the request has none."""
        name = self.command.get("node", "")
        if not name:
            raise pubsub_error("bad-request", "nodeid-required")
        if len(name.encode()) > MAX_NAME:
            raise StanzaError("not-acceptable", "the name of the node is too long")
        return name

    async def must_read(self, service: Service, node: Node) -> None:
        """Checks that the asker may read the node. Raises StanzaError."""
        roster = await roster_of(service.accounts, self.owner)
        error = refusal(node, roster, self.owner.bare, self.asker)
        if error is not None:
            raise error
