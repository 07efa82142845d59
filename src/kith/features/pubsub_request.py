"""A request to an account's nodes, taken apart: who asks, whose nodes, and for what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from kith.core.domain import Domain
from kith.core.sender import Sender
from kith.features.pubsub_access import refusal
from kith.features.pubsub_errors import pubsub_error
from kith.features.pubsub_nodes import Item, Node, NodeCache
from kith.features.pubsub_notify import Notifier
from kith.wire.errors import StanzaError
from kith.wire.jid import JID

#: Called after a client has published: the owner, its account's id, node, id and item.
Published = Callable[[JID, int, str, str, Item], Awaitable[None]]
#: The longest name of a node or an item, in bytes.
MAX_NAME = 1023


@dataclass(frozen=True, slots=True)
class Service:
    """What the use cases share."""

    domain: Domain
    nodes: NodeCache
    notifier: Notifier
    published: list[Published] = field(default_factory=list)


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

    def must_own(self) -> None:
        """Raises StanzaError if it is not the owner who asks."""
        if self.asker != self.owner.bare:
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
        roster = await service.domain.roster(self.owner.bare)
        error = refusal(node, roster, self.owner.bare, self.asker)
        if error is not None:
            raise error
