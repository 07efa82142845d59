"""The outgoing side of a session: sends stanzas, holds those that have to wait, and tracks
acknowledgements.
"""

from __future__ import annotations

from typing import Protocol

from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors import sm
from kith.core.actors.delivery import Delivery
from kith.core.actors.intake import Intake
from kith.ports.connection import Sink
from kith.wire.stanza import Stanza

#: The maximum of bytes that wait for a client that does not read; beyond it, the stream ends.
HELD_BYTES = 4 * 1024 * 1024


class Quiet(Protocol):
    """Decides which stanzas can wait while a client is inactive (XEP-0352)."""

    def offer(self, data: bytes, id: int) -> None:
        """Takes a stanza that `Outlet.push` would send."""

    def release(self) -> None:
        """Sends the stanzas that it holds."""


class Outlets(Protocol):
    """What a session uses of the object that writes for all sessions (`kith.core.sessions.sessions`)."""

    tasks: Tasks
    figures: Figures

    def flush_later(self, outlet: Outlet) -> None:
        """Writes its output at the end of this iteration of the event loop."""

    def close_later(self, outlet: Outlet) -> None:
        """Ends a session with too much unsent output, once the current work is done."""

    def changed(self, delivery: Delivery) -> None:
        """An account's delivery mark has changed, and has to be written soon."""


class Outlet(Intake):
    """The output to one client, over its present connection or the next one.

    ``delivery``: tracks the account's deliveries. Log entries that are sent count there if `counted` is set.
    """

    __slots__ = ("counted", "delivery", "held", "holding", "keeper", "out", "quiet", "seen", "sm")

    keeper: Outlets

    def __init__(self, keeper: Outlets, delivery: Delivery, sink: Sink | None) -> None:
        super().__init__(keeper.tasks, keeper.figures, sink)
        self.keeper = keeper
        self.delivery = delivery
        self.out: list[bytes] = []
        self.sm: sm.Unacknowledged | None = None
        # stanzas that wait while stored messages are sent first
        self.holding: list[tuple[bytes, int]] | None = None
        self.held = 0  # bytes in `holding`
        self.quiet: Quiet | None = None  # set while the client is inactive
        self.counted = False  # whether it takes part in the account's delivery mark
        self.seen: set[int] | None = None  # log ids that it was sent before it took part

    def send(self, stanza: Stanza) -> None:
        """Sends a stanza that is not in the account's log."""
        self.push(stanza.to_bytes())

    def push(self, data: bytes, id: int = 0) -> None:
        """Sends a stanza. ``id``: its id in the account's log; 0 if it is not there.

        The id of a message that a group has shared is negative: such messages are in the log as well, but
        have no part in the account's delivery.
        """
        if self.holding is not None:
            self.holding.append((data, id))
            self.held += len(data)
            if self.held > HELD_BYTES:
                self.keeper.close_later(self)
        elif self.quiet is not None:
            self.quiet.offer(data, id)
        else:
            self.transmit(data, id)

    def transmit(self, data: bytes, id: int = 0, *, handed: bool = False) -> None:
        """Sends a stanza now, even if stored messages are being sent first.

        ``handed``: the account's delivery counts the message as in transit already.
        """
        if id > 0:
            if handed:
                if self.sm is None and self.sink is not None:
                    self.delivery.acknowledged(id)
            elif not self.counted:
                if self.seen is None:
                    self.seen = set()
                self.seen.add(id)
            elif self.sm is not None:
                self.delivery.handed(id)
            elif self.sink is not None:
                self.delivery.acknowledged(id)
                self.keeper.changed(self.delivery)
        if self.sm is not None:
            self.sm.sent(data, id)
        if self.sink is None:
            if self.sm is not None and self.sm.forgotten:
                self.keeper.close_later(self)
            return
        if not self.out:
            self.keeper.flush_later(self)
        self.out.append(data)

    def hold(self) -> None:
        """From now on, stanzas that are pushed wait for `release`."""
        if self.holding is None:
            self.holding = []
            self.held = 0

    def release(self, after: int = 0) -> None:
        """Sends the stanzas that waited, except log entries up to ``after``."""
        held, self.holding = self.holding, None
        for data, id in held or ():
            if not id or abs(id) > after:
                self.transmit(data, id)

    def raw(self, data: bytes) -> None:
        """Sends an element that is not counted."""
        if self.sink is not None:
            if not self.out:
                self.keeper.flush_later(self)
            self.out.append(data)

    def flush(self) -> None:
        """Writes the collected output. Called once per iteration of the event loop."""
        sink = self.sink
        if sink is None:
            self.out.clear()
            return
        manage = self.sm
        if manage is not None and manage.due:
            manage.asked = True
            self.out.append(sm.REQUEST)
        if self.out:
            out, self.out = self.out, []
            sink.send(out)

    def acknowledge(self, h: str) -> None:
        """The client has handled ``h`` stanzas (XEP-0198 §4). Raises StreamError if that is impossible."""
        assert self.sm is not None
        ids = self.sm.receive(h)
        if ids and self.counted:
            for id in ids:
                self.delivery.acknowledged(id)
            self.keeper.changed(self.delivery)
        if self.sm.due:
            self.keeper.flush_later(self)

    def enable(self, token: str, limit: int, limit_bytes: int, answer: bytes) -> None:
        """Starts counting stanzas in both directions (XEP-0198 §3)."""
        self.raw(answer)
        self.flush()
        self.sm = sm.Unacknowledged(token, limit, limit_bytes)
        self.received = len(self.backlog) if self.backlog else 0
        self.handled = -1  # the handling of the element itself will be counted, but must not be
        self.asked_before()

    def confirm(self) -> None:
        """Sends the count of handled stanzas without a request (XEP-0198 §4), after all other output."""
        self.raw(sm.answer(self.handled))
        self.flush()

    def give_up(self) -> list[bytes]:
        """The client will not come back: unacknowledged stanzas were not delivered (XEP-0198 §5).

        Log entries become undelivered again. Returns the other stanzas.
        """
        manage = self.sm
        if manage is None:
            return []
        others: list[bytes] = []
        for data, id in manage.queue:
            if id > 0:
                self.delivery.given_up(id)
            elif not id:
                others.append(data)
        manage.queue.clear()
        self.keeper.changed(self.delivery)
        return others
