"""What is asked of a placement: which of the slots this node owns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol


class Placement(Protocol):
    """Which node owns a slot.

    Whatever has a name (an account, a node of the publish-subscribe service, a link to another server) lies
    in one of `kith.base.slots.SLOTS` slots, by a hash of its name. At any time at most one node can *write*
    for a slot: the store refuses the writes of a node that has lost it, whether the node knows that yet or
    not. So `owns` may be out of date: it says what this node believes, and a commit is what proves it.
    """

    def slot(self, key: str) -> int:
        """The slot of a name: the bare address of an account, or another name with a prefix (``s2s:…``)."""

    def owns(self, key: str) -> bool:
        """Whether this node owns the slot of a name. It is asked on the way of messages, and never waits."""

    async def run(self, gained: Callable[[int], Awaitable[None]], lost: Callable[[int], None]) -> None:
        """Takes slots and gives them up, until it is cancelled.

        ``gained`` is awaited before `owns` says yes for a slot: meanwhile no other node owns it. ``lost`` is
        called once `owns` says no; what is in memory of the slot is to be dropped then, at once. Neither is
        called for a slot for which `owns` says yes from the start.
        """
