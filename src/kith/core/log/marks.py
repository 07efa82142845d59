"""Delivery marks are written once a second: losing one costs a repetition, and no message."""

from __future__ import annotations

from kith.core.actors.delivery import Delivery
from kith.ports.store import Store


class Marks:
    """Which accounts' deliveries have changed since they were written last."""

    __slots__ = ("_changed", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed: set[Delivery] = set()

    def changed(self, delivery: Delivery) -> None:
        """It is to be written soon."""
        self._changed.add(delivery)

    def flush(self) -> None:
        """Queues what has changed."""
        changed, self._changed = self._changed, set()
        for delivery in changed:
            delivery.flush(self._store)
