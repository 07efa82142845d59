"""Tracks which messages were delivered to an account: the delivery mark, and the messages in transit.

Messages that were sent to a session and are not acknowledged yet are counted here. If no session
acknowledges a message, it becomes undelivered in the log again.
"""

from __future__ import annotations

from kith.ports.store import Store


class Delivery:
    """The delivery mark of one account. `flush` writes it when it has changed.

    ``under_way``: how many sessions have not acknowledged a message, by log id. ``floor``: the mark stays
    below this id, since later messages could not be read from the store.
    """

    __slots__ = ("_account", "_late", "_lost", "_mark", "_top", "floor", "under_way")

    def __init__(self, account: int, mark: int) -> None:
        self._account = account
        self._mark = mark  # the mark in the store
        self._top = mark  # the greatest acknowledged id
        self._late: list[int] = []  # acknowledged ids below the mark, which may be flagged
        self._lost: set[int] = set()  # ids to flag when the mark passes them
        self.under_way: dict[int, int] = {}
        self.floor: int | None = None

    @property
    def mark(self) -> int:
        """Incoming messages up to this log id were delivered, except those that are flagged."""
        return self._mark

    def handed(self, id: int) -> None:
        """A message was sent to a session that will acknowledge it."""
        self.under_way[id] = self.under_way.get(id, 0) + 1

    def acknowledged(self, id: int) -> None:
        """A session has acknowledged a message."""
        known = self.under_way.pop(id, None) is not None
        if id > self._top:
            self._top = id
        elif known and id <= self._mark:
            self._late.append(id)
        if self._lost:
            self._lost.discard(id)

    def given_up(self, id: int) -> None:
        """A session has ended without acknowledging a message."""
        left = self.under_way.get(id)
        if left is None:
            return  # another session has acknowledged it
        if left > 1:
            self.under_way[id] = left - 1
        else:
            del self.under_way[id]
            self._lost.add(id)

    def flush(self, store: Store) -> None:
        """Queues the new mark for the store. Below it, everything was delivered or is flagged."""
        mark = self._top
        if self.under_way:
            mark = min(mark, min(self.under_way) - 1)
        if self.floor is not None:
            mark = min(mark, self.floor)
        mark = max(mark, self._mark)
        if self._lost and (passed := [id for id in self._lost if id <= mark]):
            store.mark_undelivered(self._account, passed)
            self._lost.difference_update(passed)
        if mark > self._mark or self._late:
            store.mark_delivered(self._account, mark, self._late)
            self._mark, self._late = mark, []
