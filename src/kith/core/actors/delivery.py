"""What an account's devices have got: the delivery mark, and the messages that are under way.

While a session that takes messages is there, everything that was handed to it and not yet
acknowledged is counted here; what no session acknowledged goes back to the log's undelivered part.
"""

from __future__ import annotations

from kith.ports.store import Store


class Delivery:
    """The delivery mark of one account. Marks are written lazily: `flush` queues what has changed.

    ``under_way`` maps an id to how many sessions have it unacknowledged. ``floor``: the mark stays below it,
    since what comes after it could not be read.
    """

    __slots__ = ("_account", "_late", "_lost", "_mark", "_top", "floor", "under_way")

    def __init__(self, account: int, mark: int) -> None:
        self._account = account
        self._mark = mark  # as stored
        self._top = mark  # the greatest id that was acknowledged
        self._late: list[int] = []  # acknowledged, but below the mark and perhaps flagged
        self._lost: set[int] = set()  # to be flagged when the mark passes them
        self.under_way: dict[int, int] = {}
        self.floor: int | None = None

    @property
    def mark(self) -> int:
        """Incoming entries up to it were delivered, but for those flagged."""
        return self._mark

    def handed(self, id: int) -> None:
        """A session got it and will acknowledge it."""
        self.under_way[id] = self.under_way.get(id, 0) + 1

    def acknowledged(self, id: int) -> None:
        """A device has it."""
        known = self.under_way.pop(id, None) is not None
        if id > self._top:
            self._top = id
        elif known and id <= self._mark:
            self._late.append(id)
        if self._lost:
            self._lost.discard(id)

    def given_up(self, id: int) -> None:
        """A session ended without acknowledging it."""
        left = self.under_way.get(id)
        if left is None:
            return  # another session has acknowledged it
        if left > 1:
            self.under_way[id] = left - 1
        else:
            del self.under_way[id]
            self._lost.add(id)

    def flush(self, store: Store) -> None:
        """Queues the new mark: below it, everything was delivered or is flagged."""
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
