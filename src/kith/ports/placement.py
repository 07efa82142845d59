"""The interface of a placement, which says which slots this node owns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol


class Placement(Protocol):
    """Says which node owns a slot.

    Everything with a name (an account, a pubsub node, a link to another server) is in one of
    `kith.base.slots.SLOTS` slots, by a hash of its name. At any time at most one node can *write* for a
    slot: the store refuses writes of a node that has lost it, even if the node does not know that yet. So
    `owns` may be out of date; only a commit proves that it was right.
    """

    def slot(self, key: str) -> int:
        """The slot of a name: the bare address of an account, or another name with a prefix such as
        ``s2s:…``.
        """

    def owns(self, key: str) -> bool:
        """Whether this node owns the slot of a name. Fast, since it is called for each message."""

    async def run(self, gained: Callable[[int], Awaitable[None]], lost: Callable[[int], None]) -> None:
        """Gains and loses slots, until it is cancelled.

        ``gained`` is awaited before `owns` returns True for a slot; meanwhile no other node owns it.
        ``lost`` is called when `owns` returns False; everything in memory for the slot has to be dropped
        then. Neither is called for slots that this node owns from the start.
        """
