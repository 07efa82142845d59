"""The devices of one account that want to be woken, and the messages that they may miss.

Messages are remembered only until it is clear that each device has them, was woken for them, or need not be.
After a restart they are read from the log (`kith.push.pushing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Protocol

from kith.core.actors.account import Session
from kith.push.registration import Marks, Registration
from kith.push.rules import Line, Place, Urgency, next_wake, urgency, wake_at
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: How many messages are remembered for one account.
_MOST = 64
_DISPLAYED = ns.tag(ns.MARKERS, "displayed")
_ANSWERS = frozenset(ns.tag(ns.JINGLE_MESSAGE, name) for name in ("accept", "proceed", "reject"))
_ENDS = frozenset(ns.tag(ns.JINGLE_MESSAGE, name) for name in ("retract", "finish", "reject", "accept"))


class Missed:
    """A message that a device may miss.

    ``peer``: the bare address of the person or group. ``ref``: the id by which a marker names it. ``came``: a
    time in seconds since 1970. ``positions``: for each session that was sent messages then, how many stanzas
    it has acknowledged once it has this one.
    """

    __slots__ = ("call", "came", "id", "peer", "positions", "ref")

    def __init__(self, id: int, peer: str, ref: str, came: float, call: bool) -> None:
        self.id = id
        self.peer = peer
        self.ref = ref
        self.came = came
        self.call = call
        self.positions: dict[Session, int] = {}


class Sleeper:
    """A device that wants to be woken.

    ``has``: messages that a session had which has ended since. ``busy``: a push is on its way. ``ended``: its
    registration was removed.
    """

    __slots__ = ("busy", "ended", "has", "marks", "registration")

    def __init__(self, registration: Registration, marks: Marks) -> None:
        self.registration = registration
        self.marks = marks
        self.has: set[int] = set()
        self.busy = False
        self.ended = False

    def owns(self, session: Session) -> bool:
        """Whether a session is one of this device."""
        wanted = self.registration
        if wanted.device:
            return session.device == wanted.device
        return session.jid.resource == wanted.resource


class Keeper(Protocol):
    """What `Sleepers` asks of the object that has all of them."""

    def now(self) -> float:
        """The time, in seconds since 1970."""

    def lost_since(self, session: Session) -> float:
        """When a session without a connection has lost it."""

    def opened(self, session: Session) -> tuple[int, float]:
        """The log id and the time when a session was opened or resumed; zeros if that is long ago."""

    def sessions(self, bare: str) -> Sequence[Session]: ...
    def later(self, seconds: float, sleepers: Sleepers) -> None:
        """Calls `Sleepers.on_time` after so many seconds."""

    def wake(self, sleepers: Sleepers, sleeper: Sleeper, upto: int, count: int, call: bool) -> None:
        """Wakes a device for messages up to a log id."""

    def changed(self, sleepers: Sleepers, sleeper: Sleeper) -> None:
        """The marks of a device have changed, and have to be written soon."""


class Sleepers:
    """The devices of an account; it is the account's `kith.core.actors.account.Waking`."""

    __slots__ = ("_keeper", "_messages", "_newest", "_planned", "account", "devices", "jid")

    def __init__(self, keeper: Keeper, account: int, jid: str) -> None:
        self._keeper = keeper
        self.account = account
        self.jid = jid
        self.devices: dict[str, Sleeper] = {}
        self._messages: list[Missed] = []
        self._newest = 0
        self._planned = inf

    # -- what happens ------------------------------------------------------------------------------

    def received(self, id: int, stanza: Stanza) -> None:
        peer = stanza.attrs.get("from", "").partition("/")[0]
        if not _ENDS.isdisjoint(stanza.children):
            self._call_is_over(self.jid if peer == self.jid else peer)
        elif peer != self.jid and (worth := urgency(stanza)):
            self.missed(id, peer, stanza.id, worth)

    def missed(self, id: int, peer: str, ref: str, worth: Urgency) -> None:
        """Something has come that deserves waking, and was sent to the sessions that get it."""
        message = Missed(id, peer, ref, self._keeper.now(), worth is Urgency.CALL)
        for session in self._keeper.sessions(self.jid):
            if session.presence is not None and session.priority >= 0 and session.holding is None:
                manage = session.sm
                sent = manage.acknowledged + len(manage.queue) if manage is not None else 0
                if manage is not None or session.sink is not None:
                    message.positions[session] = sent
        self._add(message)
        self.look()

    def recovered(self, found: Iterable[Missed]) -> None:
        """Adds messages that were read from the log after a restart."""
        known = {message.id for message in self._messages}
        for message in found:
            if message.id not in known:
                self._add(message)
        self._messages.sort(key=lambda message: message.id)
        self.look()

    def _add(self, message: Missed) -> None:
        self._newest = max(self._newest, message.id)
        self._messages.append(message)
        if len(self._messages) > _MOST:
            del self._messages[1]  # the oldest says since when, and the newest ones what for

    def sent(self, stanza: Stanza, to: JID) -> None:
        if not self._messages:
            return
        displayed = stanza.child(_DISPLAYED)
        if displayed is not None:
            self.read(to.bare, displayed.get("id", ""))
        elif not _ANSWERS.isdisjoint(stanza.children):
            self._call_is_over(to.bare)
        elif urgency(stanza):
            self.read_upto(to.bare, self._newest)

    def read(self, peer: str, ref: str) -> None:
        """A message was read on one of the account's devices, and with it all before it."""
        for message in self._messages:
            if message.peer == peer and message.ref == ref:
                self.read_upto(peer, message.id)
                return

    def read_upto(self, peer: str, id: int) -> None:
        """Everything of a person or group was read up to a log id."""
        self._forget([m for m in self._messages if m.peer != peer or m.id > id])

    @property
    def waiting_peers(self) -> set[str]:
        """The people and groups whose messages may be missed."""
        return {message.peer for message in self._messages}

    def _call_is_over(self, peer: str) -> None:
        """A call was answered or ended; with the account's own address, any of them."""
        self._forget([m for m in self._messages if not m.call or peer not in (self.jid, m.peer)])

    def _forget(self, rest: list[Missed]) -> None:
        if len(rest) < len(self._messages):
            self._messages = rest
            self.look()

    def is_here(self, session: Session) -> None:
        """A device has shown that it runs and is connected."""
        for sleeper in self.devices.values():
            if sleeper.marks.tries and sleeper.owns(session):
                sleeper.marks.tries = 0
                self._keeper.changed(self, sleeper)
        self.look()

    def left(self, session: Session) -> None:
        """A session has ended. What it had stays delivered to its device."""
        for sleeper in self.devices.values():
            if sleeper.owns(session):
                has = {m.id for m in self._messages if self._place(session, m).line is Line.HAS}
                sleeper.has |= has
                if has and sleeper.marks.tries:
                    sleeper.marks.tries = 0
                    self._keeper.changed(self, sleeper)
        for message in self._messages:
            message.positions.pop(session, None)
        self.look()

    def on_time(self) -> None:
        """The time of `Keeper.later` has come."""
        if self._planned <= self._keeper.now() + 0.01:
            self._planned = inf
            self.look()

    # -- what follows ------------------------------------------------------------------------------

    def look(self) -> None:
        """Wakes the devices whose time has come, and plans the next look."""
        now = self._keeper.now()
        sessions = self._keeper.sessions(self.jid)
        soonest = inf
        for sleeper in list(self.devices.values()):
            soonest = min(soonest, self._look_at(sleeper, sessions, now))
        if self._messages:
            settled = min((one.marks.settled for one in self.devices.values()), default=self._newest)
            self._messages = [message for message in self._messages if message.id > settled]
        if soonest < self._planned or self._planned <= now:
            self._planned = soonest
            if soonest < inf:
                self._keeper.later(max(soonest - now, 0.0), self)

    def _look_at(self, sleeper: Sleeper, sessions: Sequence[Session], now: float) -> float:
        """Wakes a device, or returns when to look again."""
        marks, own = sleeper.marks, [session for session in sessions if sleeper.owns(session)]
        others = len(sessions) > len(own) and any(_is_active(one) for one in sessions if one not in own)
        first, count, ready, soonest, here = 0, 0, 0, inf, False
        call = any_call = False
        for message in self._messages:
            if message.id <= marks.settled:
                continue
            at = None
            if message.id not in sleeper.has:
                place = max((self._place(session, message) for session in own), key=_rank, default=_AWAY)
                at = wake_at(message.came, message.call, place, others)
            if at is None:
                here = True
                continue
            first = first or message.id
            if message.id <= marks.pushed and not marks.again:
                continue
            soonest = min(soonest, at)
            any_call = any_call or message.call
            if at <= now:
                count, ready, call = count + 1, message.id, call or message.call
        self._settle(sleeper, first - 1 if first else self._newest, here)
        if sleeper.busy or soonest == inf:
            return inf
        due = max(soonest, marks.again or next_wake(marks.at, marks.tries, any_call))
        if due > now:
            return due
        if not ready:
            return soonest
        self._keeper.wake(self, sleeper, ready, count, call)
        return inf

    def _settle(self, sleeper: Sleeper, settled: int, here: bool) -> None:
        marks = sleeper.marks
        if settled > marks.settled or (here and marks.tries):
            marks.settled = max(settled, marks.settled)
            if here:
                marks.tries = 0
            if marks.settled >= marks.pushed and not marks.failures:
                marks.again = 0.0  # after a failure, the service still wants to be left alone
            sleeper.has = {id for id in sleeper.has if id > marks.settled}
            self._keeper.changed(self, sleeper)

    def _place(self, session: Session, message: Missed) -> Place:
        """Where a device is, going by one of its sessions."""
        opened, since = self._keeper.opened(session)
        position, manage = message.positions.get(session), session.sm
        if position is not None and (manage is None or manage.acknowledged >= position):
            return _HAS
        if position is None and opened >= message.id and session.received > 0:
            return _HAS
        if session.sink is None:
            return Place(Line.LOST, self._keeper.lost_since(session))
        if position is None and opened < message.id:
            return Place(Line.OTHERWISE, since)
        return Place(Line.SILENT, since, session.quiet is not None)


_HAS, _AWAY = Place(Line.HAS), Place(Line.AWAY)
_ORDER = {Line.HAS: 4, Line.OTHERWISE: 3, Line.SILENT: 2, Line.LOST: 1, Line.AWAY: 0}


def _rank(place: Place) -> tuple[int, float]:
    """How near a device is; of two sessions, the nearer one counts."""
    return _ORDER[place.line], place.since


def _is_active(session: Session) -> bool:
    """Whether somebody may be looking at a session (XEP-0352)."""
    return session.sink is not None and session.presence is not None and session.quiet is None
