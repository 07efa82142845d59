"""A session: a bound resource, with or without a connection at the moment.

Stanzas are handled in the order in which they came (RFC 6120 §10.1). Messages for the log are
pipelined: many may wait for one commit. Everything else waits in ``backlog`` until they are
committed, so the count of handled stanzas never covers one that is not (promise 1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from kith.core import sm
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.account import Account
    from kith.core.domain import Domain
    from kith.core.ports import Sink

#: Reading pauses when so many stanzas wait, and goes on at half of it.
PIPELINE = 512


class Commit:
    """What `Router.handle` returns for a message that is on its way to the log."""


class Later:
    """What `Router.handle` returns for a stanza that has to wait until the log is committed."""


COMMITTING = Commit()
LATER = Later()
Work = Commit | Later | Coroutine[Any, Any, None] | None


class Session:
    """``jid`` is the full address. ``state`` is for features, by their class."""

    __slots__ = (
        "_ack_at",
        "_ack_next",
        "_paused",
        "account",
        "backlog",
        "busy",
        "closed",
        "committing",
        "counted",
        "directed",
        "domain",
        "ending",
        "full",
        "handled",
        "holding",
        "interested",
        "jid",
        "lang",
        "lost_at",
        "out",
        "presence",
        "priority",
        "received",
        "seen",
        "sink",
        "sm",
        "state",
        "synced",
        "when_idle",
    )

    def __init__(self, domain: Domain, account: Account, jid: JID, sink: Sink, lang: str = "") -> None:
        self.domain = domain
        self.account = account
        self.jid = jid
        self.full = str(jid)
        self.lang = lang  # of the stream, for stanzas that do not say theirs (RFC 6120 §8.1.5)
        self.sink: Sink | None = sink
        self.out: list[bytes] = []
        # RFC 6121
        self.presence: Stanza | None = None
        self.priority = 0
        self.directed: set[JID] | None = None
        self.interested = False  # has asked for the roster, so it gets pushes
        # incoming
        self.backlog: deque[Stanza] | None = None
        self.busy = False
        self.committing = 0
        self.received = 0
        self.handled = 0
        self._ack_at = -1
        self._ack_next = -1
        self._paused = False
        self.when_idle: list[Callable[[], None]] | None = None
        # outgoing
        self.sm: sm.Unacknowledged | None = None
        self.holding: list[tuple[bytes, int]] | None = None  # while stored messages are sent first
        self.counted = False  # takes part in the account's delivery mark
        self.seen: set[int] | None = None  # got before it took part
        self.synced = 0  # what it has read from the archive by itself, as a log id
        self.lost_at = 0.0  # when the connection went, in the loop's time
        self.ending = False
        self.closed = False
        self.state: dict[object, object] = {}

    # -- in ---------------------------------------------------------------------------------

    def receive(self, stanza: Stanza) -> None:
        """A stanza or a stream-management element came. Raises StreamError."""
        if not stanza.kind and stanza.tag != sm.ENABLE:
            self._manage(stanza)
            return
        self.received += 1
        if self.busy or self.backlog or (self.committing and stanza.kind != "message"):
            self._wait(stanza)
        else:
            self._handle(stanza)
        if self.committing > PIPELINE and not self._paused and self.sink is not None:
            self._paused = True
            self.sink.pause()

    def _wait(self, stanza: Stanza) -> None:
        if self.backlog is None:
            self.backlog = deque()
        self.backlog.append(stanza)
        if len(self.backlog) > PIPELINE and not self._paused and self.sink is not None:
            self._paused = True
            self.sink.pause()

    def _handle(self, stanza: Stanza) -> None:
        try:
            work = self.domain.router.handle(self, stanza)
        except StanzaError as error:
            self.refuse(stanza, error)
            work = None
        except StreamError as error:
            self.fail(error)
            return
        except Exception as error:
            self.domain.log_error("stanza failed", error)
            self.refuse(stanza, StanzaError("internal-server-error"))
            work = None
        if work is None:
            self.handled += 1
        elif work is COMMITTING:
            self.committing += 1
        elif work is LATER:
            if self.backlog is None:
                self.backlog = deque()
            self.backlog.appendleft(stanza)
        else:
            assert isinstance(work, Coroutine)
            self.busy = True
            self.domain.spawn(self._work(work, stanza))

    async def _work(self, work: Coroutine[Any, Any, None], stanza: Stanza) -> None:
        try:
            await work
        except StanzaError as error:
            self.refuse(stanza, error)
        except StreamError as error:
            self.fail(error)
        except Exception as error:
            self.domain.log_error("stanza failed", error)
            self.refuse(stanza, StanzaError("internal-server-error"))
        finally:
            self.busy = False
            self.handled += 1
            self._progress()

    def pipelined(self) -> None:
        """Work that began as asynchronous turned into a commit: the log's answer will come."""
        self.committing += 1
        self.handled -= 1  # `_work` counts it

    def committed(self) -> None:
        """The oldest message that waited for the log is handled."""
        self.committing -= 1
        self.handled += 1
        if self.backlog or self._ack_at >= 0 or self._paused or self.ending or self.when_idle:
            self._progress()

    def _progress(self) -> None:
        """Goes on with what waits."""
        backlog = self.backlog
        while backlog and not self.busy:
            if self.committing and backlog[0].kind != "message":
                break
            before = len(backlog)
            self._handle(backlog.popleft())
            if len(backlog) >= before:  # it has to wait for the commits
                break
        if 0 <= self._ack_at <= self.handled:
            self._ack_at = self._ack_next if self._ack_next > self.handled else -1
            self._raw(sm.answer(self.handled))
        waiting = self.committing + (len(backlog) if backlog else 0)
        if self._paused and waiting < PIPELINE // 2:
            self._paused = False
            if self.sink is not None:
                self.sink.resume()
        if not waiting and not self.busy:
            self.backlog = None
            callbacks, self.when_idle = self.when_idle, None
            for callback in callbacks or ():
                callback()
            if self.ending and not self.closed:
                self.domain.close_session(self)

    @property
    def idle(self) -> bool:
        """Whether all that was received is handled."""
        return not (self.busy or self.backlog or self.committing)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Answers a stanza with an error, unless it was itself an answer."""
        answer = stanza.error(error)
        if answer is not None:
            answer.attrs["to"] = self.full
            if not answer.attrs.get("from"):
                answer.attrs["from"] = self.account.jid
            self.send(answer)

    # -- stream management ---------------------------------------------------------------------

    def _manage(self, element: Stanza) -> None:
        if self.sm is None or element.tag not in (sm.ACK, sm.ASK):
            if element.tag in (sm.ACK, sm.ASK, sm.RESUME):
                self._raw(sm.failed("unexpected-request"))
                return
            raise StreamError("unsupported-stanza-type")
        if element.tag == sm.ACK:
            self.sm.asked = False
            self.acknowledge(element.attrs.get("h", ""))
        elif self.handled >= self.received:
            self._raw(sm.answer(self.handled))
        elif self._ack_at < 0:
            self._ack_at = self.received
        else:
            self._ack_next = self.received

    def acknowledge(self, h: str) -> None:
        """The client has handled ``h`` stanzas. Raises StreamError."""
        assert self.sm is not None
        delivery = self.account.delivery
        ids = self.sm.receive(h)
        if ids and self.counted:
            for id in ids:
                delivery.acknowledged(id)
            self.domain.changed_delivery(self.account)
        if self.sm.queue and not self.sm.asked:
            self.domain.flush_later(self)

    def enable(self, token: str, limit: int, limit_bytes: int, answer: bytes) -> None:
        """Stanzas count from here on, in both directions (XEP-0198 §3)."""
        self._raw(answer)
        self.flush()
        self.sm = sm.Unacknowledged(token, limit, limit_bytes)
        self.received = len(self.backlog) if self.backlog else 0
        self.handled = -1  # the element itself is not counted, but its handling will be

    # -- out ----------------------------------------------------------------------------------

    def send(self, stanza: Stanza) -> None:
        self.push(stanza.to_bytes())

    def push(self, data: bytes, id: int = 0) -> None:
        """Sends a stanza; ``id`` if it is an entry of the account's log."""
        if self.holding is not None:
            self.holding.append((data, id))
        else:
            self.transmit(data, id)

    def transmit(self, data: bytes, id: int = 0) -> None:
        """Sends it now, although stored messages may be on their way."""
        if id:
            delivery = self.account.delivery
            if not self.counted:
                if self.seen is None:
                    self.seen = set()
                self.seen.add(id)
            elif self.sm is not None:
                delivery.handed(id)
            elif self.sink is not None:
                delivery.acknowledged(id)
                self.domain.changed_delivery(self.account)
        if self.sm is not None:
            self.sm.sent(data, id)
        if self.sink is None:
            if self.sm is not None and self.sm.forgotten:
                self.domain.close_later(self)
            return
        if not self.out:
            self.domain.flush_later(self)
        self.out.append(data)

    def _raw(self, data: bytes) -> None:
        """Sends an element that is not counted."""
        if self.sink is not None:
            if not self.out:
                self.domain.flush_later(self)
            self.out.append(data)

    def flush(self) -> None:
        """Writes what waits, once per turn of the loop."""
        sink = self.sink
        if sink is None:
            self.out.clear()
            return
        manage = self.sm
        if manage is not None and manage.queue and not manage.asked:
            manage.asked = True
            self.out.append(sm.REQUEST)
        if self.out:
            out, self.out = self.out, []
            sink.send(out)

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""
        self.domain.end_stream(self, error)

    def __repr__(self) -> str:
        return f"<Session {self.full}>"
