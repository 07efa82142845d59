"""Notes what happens to the messages of single accounts, for operators who look for a lost one.

It is off, and then costs nothing: only the sessions of a traced account have the class `TracedSession`.
What it notes is in memory only, bounded, and gone after a restart. It never has the content of a message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from kith.base.clock import Clock
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

#: How many accounts can be traced at the same time, and how many events of each are kept.
MAX_TRACED = 50
MAX_EVENTS = 1000
_MAX_ID = 128

What = Literal["received", "refused", "handed", "acknowledged"]


class TraceEvent(msgspec.Struct):
    """Something that happened to a message. ``at``: seconds since 1970.

    ``resource`` and ``device``: those of the session. ``message``: the id that its sender has given it.
    ``id``: its id in the log; 0 if it has none yet. ``peer``: the other bare address, if known. ``error``:
    the condition and the text of a refusal.
    """

    at: float
    what: What
    resource: str
    device: str
    message: str = ""
    id: int = 0
    peer: str = ""
    error: str = ""


class InTransit(msgspec.Struct):
    """A message (its id in the log) that a session was sent and has not acknowledged yet."""

    id: int
    account: str
    resource: str
    device: str


class _Traced:
    """A traced account. ``until``: when the tracing ends, in seconds since 1970."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.events: deque[TraceEvent] = deque(maxlen=MAX_EVENTS)


class Tracing:
    """Switches tracing on and off, and has the events."""

    def __init__(self, clock: Clock, accounts: Accounts) -> None:
        self._clock = clock
        self._accounts = accounts
        self._traced: dict[str, _Traced] = {}

    def start(self, bare: str, hours: float) -> float:
        """Traces an account for some hours from now. Returns when that ends, in seconds since 1970.

        Raises OverflowError if too many are traced.
        """
        self._expire()
        traced = self._traced.get(bare)
        if traced is None and len(self._traced) >= MAX_TRACED:
            raise OverflowError(f"{MAX_TRACED} accounts are traced already")
        until = self._clock.now() + hours * 3600
        if traced is None:
            self._traced[bare] = _Traced(until)
            for session in self._accounts.sessions(bare):
                self.opened(session)
        else:
            traced.until = until
        return until

    def stop(self, bare: str) -> bool:
        """Stops tracing an account, and forgets the events. Returns whether it was traced."""
        stopped = self._traced.pop(bare, None) is not None
        for session in self._accounts.sessions(bare):
            session.__class__ = Session
        return stopped

    def until(self, bare: str) -> float:
        """When the tracing of an account ends, in seconds since 1970; 0 if it is not traced."""
        self._expire()
        traced = self._traced.get(bare)
        return traced.until if traced is not None else 0.0

    def events(self, bare: str) -> Sequence[TraceEvent]:
        """The events of a traced account, the oldest first."""
        self._expire()
        traced = self._traced.get(bare)
        return list(traced.events) if traced is not None else ()

    def opened(self, session: Session) -> None:
        """A session was opened."""
        if session.bare in self._traced:
            session.__class__ = TracedSession
            session.state[Tracing] = self

    def note(
        self, session: Session, what: What, message: str = "", id: int = 0, peer: str = "", error: str = ""
    ) -> None:
        """Notes an event of a session of a traced account."""
        traced, now = self._traced.get(session.bare), self._clock.now()
        if traced is None or traced.until <= now:
            self.stop(session.bare)
            return
        event = TraceEvent(
            now, what, session.jid.resource, session.device, message[:_MAX_ID], id, peer, error
        )
        traced.events.append(event)

    def in_transit(self, accounts: Collection[str], ids: Collection[int]) -> list[InTransit]:
        """Which sessions of accounts have some messages, but have not acknowledged them yet.

        This does not need tracing.
        """
        return [
            InTransit(id, bare, session.jid.resource, session.device)
            for bare in accounts
            for session in self._accounts.sessions(bare)
            for _, id in (session.sm.queue if session.sm is not None else ())
            if id in ids
        ]

    def _expire(self) -> None:
        now = self._clock.now()
        for bare in [bare for bare, traced in self._traced.items() if traced.until <= now]:
            self.stop(bare)


class TracedSession(Session):
    """A session of a traced account. It has the same slots as other sessions, so they can become one.

    It may become an ordinary session again in the middle of a method, so no method uses ``super()``.
    """

    __slots__ = ()

    @property
    def _tracing(self) -> Tracing:
        tracing = self.state[Tracing]
        assert isinstance(tracing, Tracing)
        return tracing

    def take(self, stanza: Stanza) -> None:
        if stanza.kind == "message":
            self._tracing.note(self, "received", stanza.id or "", peer=_bare(stanza.attrs.get("to", "")))
        Session.take(self, stanza)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        if stanza.kind == "message":
            peer = _bare(stanza.attrs.get("to", ""))
            self._tracing.note(self, "refused", stanza.id or "", peer=peer, error=str(error))
        Session.refuse(self, stanza, error)

    def transmit(self, data: bytes, id: int = 0, *, handed: bool = False) -> None:
        if id:
            self._tracing.note(self, "handed", id=id)
        Session.transmit(self, data, id, handed=handed)

    def acknowledge(self, h: str) -> None:
        before = [id for _, id in self.sm.queue] if self.sm is not None else []
        Session.acknowledge(self, h)
        left = len(self.sm.queue) if self.sm is not None else 0
        for id in before[: len(before) - left]:
            if id:
                self._tracing.note(self, "acknowledged", id=id)


def _bare(text: str) -> str:
    """The bare address in an attribute; empty if it is none."""
    try:
        return parse_jid(text).bare if text else ""
    except ValueError:
        return ""
