"""A request to nodes, taken apart: who asks, whose nodes, and for what; and whose the nodes are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.rates import Rates
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

#: Called after a client has published, or taken away: the owner, its account's id, and the node's name.
Changed = Callable[[JID, int, str], Awaitable[None]]
#: How often in an hour the owners of a node are asked whether one person may subscribe.
MAX_ASKED = 3
#: How often in a minute one may have all nodes looked through for one's own subscriptions or affiliations.
MAX_LISTED = 30
#: The longest name of a node or an item, in bytes.
MAX_NAME = 1023


class Service:
    """What the use cases share, as it is where each account has nodes of its own (XEP-0163)."""

    #: What a node is that nobody has configured.
    defaults = NodeConfig()
    #: Who may publish creates the node by it.
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
        self.asked = Rates(MAX_ASKED, 3600.0)
        self.listed = Rates(MAX_LISTED, 60.0)

    async def changed(self, request: Request, name: str) -> None:
        """The items of a node are others now."""
        for listener in self.listeners:
            await listener(request.owner, request.account, name)

    def must_create(self, request: Request) -> None:
        """Raises StanzaError if the asker may not have nodes here."""
        if request.asker != request.owner.bare:
            raise StanzaError("forbidden")

    async def create(self, request: Request, name: str, config: NodeConfig) -> None:
        """Raises StanzaError, also if there is such a node."""
        async with self.nodes.writing(request.account) as nodes:
            if name in nodes.nodes:
                raise StanzaError("conflict", "the node exists")
            await nodes.create(name, config)

    def instant_name(self) -> str:
        """For a node that is created without a name. Raises StanzaError if that can't be."""
        raise pubsub_error("not-acceptable", "nodeid-required")

    async def deleted(self, name: str) -> None:
        """A node is gone."""

    async def all(self, request: Request) -> Iterable[Node]:
        """Every node that there is."""
        return list((await self.nodes.load(request.account)).nodes.values())


@dataclass(frozen=True, slots=True)
class Request:
    """``command`` is the element that says what to do, ``parent`` the ``<pubsub/>`` around it.

    ``owner`` is a bare address, ``account`` its id.
    """

    sender: Sender
    owner: JID
    account: int
    parent: Element
    command: Element

    @property
    def asker(self) -> str:
        """Who asks, as a bare address."""
        return self.sender.bare

    def owned(self, nodes: Nodes) -> Node:
        """The node. Raises StanzaError if there is none, or the asker does not own it."""
        name = self.node()
        node = nodes.nodes.get(name)
        if node is None and self.owner.local and self.asker != self.owner.bare:
            raise StanzaError("forbidden")
        node = nodes[name]
        if self.standing(node) != "owner":
            raise StanzaError("forbidden")
        return node

    def standing(self, node: Node) -> str:
        """The asker's affiliation."""
        return affiliation(node, self.owner.bare, self.asker)

    def must_publish(self, node: Node) -> None:
        """Raises StanzaError if the asker may not publish (XEP-0060 §7.1.3.1)."""
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
        """The name of the node. Raises StanzaError if there is none."""
        name = self.command.get("node", "")
        if not name:
            raise pubsub_error("bad-request", "nodeid-required")
        if len(name.encode()) > MAX_NAME:
            raise StanzaError("not-acceptable", "the name of the node is too long")
        return name

    async def must_read(self, service: Service, node: Node) -> None:
        """Raises StanzaError if the asker may not read the node."""
        roster = await roster_of(service.accounts, self.owner)
        error = refusal(node, roster, self.owner.bare, self.asker)
        if error is not None:
            raise error
