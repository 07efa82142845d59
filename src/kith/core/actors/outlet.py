"""The outgoing side of a session: what is sent, what waits to be sent, and what is not acknowledged yet."""

from __future__ import annotations

from typing import Protocol

from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors import sm
from kith.core.actors.delivery import Delivery
from kith.core.actors.intake import Intake
from kith.ports.connection import Sink
from kith.wire.stanza import Stanza

#: What waits for a client that does not read what goes before it, in bytes; past this its stream ends.
HELD_BYTES = 4 * 1024 * 1024


class Quiet(Protocol):
    """Decides what of a stream can wait (XEP-0352)."""

    def offer(self, data: bytes, id: int) -> None:
        """Takes what `Outlet.push` would send."""

    def release(self) -> None:
        """Sends what it holds."""


class Outlets(Protocol):
    """What an outgoing side asks of those who write for all of them (`kith.core.sessions.sessions`)."""

    tasks: Tasks
    figures: Figures

    def flush_later(self, outlet: Outlet) -> None:
        """Writes what it has to send at the end of this turn of the loop."""

    def close_later(self, outlet: Outlet) -> None:
        """Ends one that is owed too much, once the current work is done."""

    def changed(self, delivery: Delivery) -> None:
        """An account's delivery mark is to be written soon."""


class Outlet(Intake):
    """What goes to one client, over the connection that it has at the moment, or over its next one.

    ``delivery`` is the account's: entries of its log that are sent count there, once `counted` is set.
    """

    __slots__ = ("counted", "delivery", "held", "holding", "keeper", "out", "quiet", "seen", "sm")

    keeper: Outlets

    def __init__(self, keeper: Outlets, delivery: Delivery, sink: Sink | None) -> None:
        super().__init__(keeper.tasks, keeper.figures, sink)
        self.keeper = keeper
        self.delivery = delivery
        self.out: list[bytes] = []
        self.sm: sm.Unacknowledged | None = None
        self.holding: list[tuple[bytes, int]] | None = None  # while stored messages are sent first
        self.held = 0  # bytes in it
        self.quiet: Quiet | None = None  # set while the client does not want to be disturbed
        self.counted = False  # takes part in the account's delivery mark
        self.seen: set[int] | None = None  # got before it took part

    def send(self, stanza: Stanza) -> None:
        """Sends a stanza that is no entry of the account's log."""
        self.push(stanza.to_bytes())

    def push(self, data: bytes, id: int = 0) -> None:
        """Sends a stanza; ``id`` if it is an entry of the account's log."""
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
        """Sends it now, although stored messages may be on their way.

        ``handed``: the account's delivery counts the entry as under way to this session already.
        """
        if id:
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
        """What is pushed from here on waits for `release`."""
        if self.holding is None:
            self.holding = []
            self.held = 0

    def release(self, after: int = 0) -> None:
        """Sends what was held back, but for entries of the log up to ``after``."""
        held, self.holding = self.holding, None
        for data, id in held or ():
            if not id or id > after:
                self.transmit(data, id)

    def raw(self, data: bytes) -> None:
        """Sends an element that is not counted."""
        if self.sink is not None:
            if not self.out:
                self.keeper.flush_later(self)
            self.out.append(data)

    def flush(self) -> None:
        """Writes what waits, once per turn of the loop."""
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
        """The client has handled ``h`` stanzas (XEP-0198 §4). Raises StreamError."""
        assert self.sm is not None
        ids = self.sm.receive(h)
        if ids and self.counted:
            for id in ids:
                self.delivery.acknowledged(id)
            self.keeper.changed(self.delivery)
        if self.sm.due:
            self.keeper.flush_later(self)

    def enable(self, token: str, limit: int, limit_bytes: int, answer: bytes) -> None:
        """Stanzas count from here on, in both directions (XEP-0198 §3)."""
        self.raw(answer)
        self.flush()
        self.sm = sm.Unacknowledged(token, limit, limit_bytes)
        self.received = len(self.backlog) if self.backlog else 0
        self.handled = -1  # the element itself is not counted, but its handling will be
        self.asked_before()

    def confirm(self) -> None:
        """Says how much was handled, unasked (XEP-0198 §4), after all that waits to be sent."""
        self.raw(sm.answer(self.handled))
        self.flush()

    def give_up(self) -> list[bytes]:
        """The client is gone for good: what it has not acknowledged was not delivered (XEP-0198 §5).

        Entries of the log go back to the undelivered part. Returns the other stanzas.
        """
        manage = self.sm
        if manage is None:
            return []
        others: list[bytes] = []
        for data, id in manage.queue:
            if id:
                self.delivery.given_up(id)
            else:
                others.append(data)
        manage.queue.clear()
        self.keeper.changed(self.delivery)
        return others
