"""Writes delivery marks once a second. If one is lost, a message is repeated, but none is lost."""

from __future__ import annotations

from kith.core.actors.delivery import Delivery
from kith.ports.store import Store


class Marks:
    """The deliveries of accounts that have changed since they were written."""

    __slots__ = ("_changed", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed: set[Delivery] = set()

    def changed(self, delivery: Delivery) -> None:
        """A delivery has changed, and will be written."""
        self._changed.add(delivery)

    def flush(self) -> None:
        """Queues the changed marks for the store."""
        changed, self._changed = self._changed, set()
        for delivery in changed:
            delivery.flush(self._store)
