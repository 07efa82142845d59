"""The incoming side of a stream: handles stanzas in order (RFC 6120 §10.1).

Messages for the log are pipelined: many may wait for one commit. Everything else waits in ``backlog`` until
they are committed. So the count of handled stanzas (XEP-0198) never includes a message that is not durable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors import sm
from kith.core.actors.refused import stanza_refused
from kith.ports.connection import Sink
from kith.ports.store import Unavailable
from kith.wire.errors import StanzaError, StreamError
from kith.wire.stanza import Stanza

#: Reading pauses when this many stanzas are waiting, and continues at half of it.
PIPELINE = 512
#: The same in bytes, so that one peer can't fill the memory or the shared queue of the writer.
PIPELINE_BYTES = 64 * 1024
_CHILD_BYTES = 64  # what a child's name takes, beside its text


class Commit:
    """`Intake.handle` returns this for a message that was queued for the log."""


class Later:
    """`Intake.handle` returns this for a stanza that has to wait until earlier messages are committed."""


COMMITTING = Commit()
LATER = Later()
Work = Commit | Later | Coroutine[Any, Any, None] | None


class _Ahead:
    """Counts stanzas that were handled while earlier ones waited for commits, and that count only after
    those.

    ``commits``: how many commits have to happen until all count.
    """

    __slots__ = ("_runs", "commits")

    def __init__(self) -> None:
        self._runs: deque[list[int]] = deque()  # commits since the run before, stanzas that count then
        self.commits = 0

    def add(self, committing: int) -> None:
        """Adds a stanza that counts after ``committing`` more commits."""
        if committing > self.commits:
            self._runs.append([committing - self.commits, 1])
            self.commits = committing
        else:
            self._runs[-1][1] += 1

    def committed(self) -> int:
        """A commit has happened. Returns how many stanzas count now."""
        self.commits -= 1
        self._runs[0][0] -= 1
        return self._runs.popleft()[1] if not self._runs[0][0] else 0


class Intake:
    """The incoming side of a session, or of a link to another server or a component.

    ``received`` and ``handled`` count stanzas as in XEP-0198 §4.
    """

    __slots__ = (
        "_ack_at",
        "_ack_early",
        "_ack_next",
        "_ahead",
        "_before",
        "_mark",
        "_paused",
        "_taken",
        "backlog",
        "busy",
        "committing",
        "ending",
        "figures",
        "handled",
        "received",
        "sink",
        "tasks",
        "when_idle",
    )

    def __init__(self, tasks: Tasks, figures: Figures, sink: Sink | None) -> None:
        self.tasks = tasks
        self.figures = figures
        self.sink = sink
        self.backlog: deque[Stanza] | None = None
        self.busy = False
        self.committing = 0
        self.received = 0
        self.handled = 0
        self.ending = False
        self.when_idle: list[Callable[[], None]] | None = None
        self._ack_at = -1
        self._ack_next = -1
        self._ack_early = -1
        self._ahead: _Ahead | None = None
        self._paused = False
        self._taken = 0  # size of waiting stanzas; includes handled ones until `_mark` is reached
        self._before = 0  # the part of `_taken` received before `_mark` was set
        self._mark = 0  # a count of received stanzas; when they are handled, `_before` is subtracted

    # -- implemented by subclasses ----------------------------------------------------------

    def handle(self, stanza: Stanza) -> Work:
        """Handles a stanza, or returns what has to happen first. Raises StanzaError, StreamError."""
        raise NotImplementedError

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Answers a stanza with an error, unless it was itself an answer."""
        raise NotImplementedError

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""
        raise NotImplementedError

    def raw(self, data: bytes) -> None:
        """Sends an element that is not a stanza."""
        raise NotImplementedError

    def ended(self) -> None:
        """Called when everything was handled after `ending` was set."""
        raise NotImplementedError

    def send_count(self) -> None:
        """Sends the count of handled stanzas, which was requested."""
        self.raw(sm.answer(self.handled))

    # -- order -----------------------------------------------------------------------------------

    def take(self, stanza: Stanza) -> None:
        """Takes a stanza that was received. Raises StreamError."""
        self.received += 1
        if self.busy or self.backlog or (self.committing and stanza.kind != "message"):
            self._wait(stanza)
        else:
            self._handle(stanza)
        self._taken += len(stanza.inner) + _CHILD_BYTES * len(stanza.children)
        if self.committing > PIPELINE or self._taken > PIPELINE_BYTES:
            if self.idle:
                self._taken = self._before = self._mark = 0
            else:
                self._pause()

    def _wait(self, stanza: Stanza) -> None:
        if self.backlog is None:
            self.backlog = deque()
        self.backlog.append(stanza)
        if len(self.backlog) > PIPELINE:
            self._pause()

    def _pause(self) -> None:
        if not self._paused and self.sink is not None:
            self._paused = True
            self.sink.pause()

    def _handle(self, stanza: Stanza) -> None:
        try:
            work = self.handle(stanza)
        except StanzaError as error:
            self._refuse(stanza, error)
            work = None
        except StreamError as error:
            self.fail(error)
            return
        except Exception as error:
            self._failed(stanza, error)
            work = None
        if work is None:
            self._done()
        elif work is COMMITTING:
            self.committing += 1
        elif work is LATER:
            if self.backlog is None:
                self.backlog = deque()
            self.backlog.appendleft(stanza)
        else:
            assert isinstance(work, Coroutine)
            self.busy = True
            self.tasks.spawn(self._work(work, stanza))

    def _refuse(self, stanza: Stanza, error: StanzaError) -> None:
        stanza_refused(self.figures, stanza, error)
        self.refuse(stanza, error)

    def _done(self) -> None:
        """A stanza was handled. It counts once all earlier messages are committed."""
        if not self.committing:
            self.handled += 1
            return
        if self._ahead is None:
            self._ahead = _Ahead()
        self._ahead.add(self.committing)

    async def _work(self, work: Coroutine[Any, Any, None], stanza: Stanza) -> None:
        try:
            await work
        except StanzaError as error:
            self._refuse(stanza, error)
        except StreamError as error:
            self.fail(error)
        except Exception as error:
            self._failed(stanza, error)
        finally:
            self.busy = False
            self.handled += 1
            self._progress()

    def _failed(self, stanza: Stanza, error: Exception) -> None:
        self.tasks.failed("stanza failed", error)
        if isinstance(error, Unavailable):
            refusal = StanzaError(error.condition, type="wait")
        else:
            refusal = StanzaError("internal-server-error")
        refusal.__cause__ = error
        self._refuse(stanza, refusal)

    def pipelined(self) -> None:
        """Asynchronous work has queued a message for the log, so that a commit follows."""
        self.committing += 1
        self.handled -= 1  # `_work` counts it

    def committed(self) -> None:
        """The oldest message that waited for a commit was handled."""
        self.committing -= 1
        self.handled += 1
        if self._ahead is not None:
            self.handled += self._ahead.committed()
            if not self._ahead.commits:
                self._ahead = None
        if self.handled >= self._mark:
            self._before = self._taken = self._taken - self._before
            self._mark = self.received
        if self.backlog or self._ack_at >= 0 or self._paused or self.ending or self.when_idle:
            self._progress()

    def _progress(self) -> None:
        """Handles waiting stanzas."""
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
            self.send_count()
        waiting = self.committing + (len(backlog) if backlog else 0)
        if self._paused and waiting < PIPELINE // 2 and (not waiting or self._taken < PIPELINE_BYTES // 2):
            self._paused = False
            if self.sink is not None:
                self.sink.resume()
        if not waiting and not self.busy:
            self.backlog = None
            self._taken = self._before = self._mark = 0
            callbacks, self.when_idle = self.when_idle, None
            for callback in callbacks or ():
                callback()
            if self.ending:
                self.ended()

    @property
    def idle(self) -> bool:
        """Whether everything that was received was handled."""
        return not (self.busy or self.backlog or self.committing)

    def ask_after(self, tag: str) -> bool:
        """The peer has requested the count of handled stanzas after an element that still waits.

        False if none does.
        """
        for behind, waiting in enumerate(reversed(self.backlog or ())):
            if waiting.tag == tag:
                self._ack_early = behind
                return True
        return False

    def asked_before(self) -> None:
        """Counting has started: answers the requests that came in the meantime (`ask_after`)."""
        self._ack_at, self._ack_next, self._ack_early = self._ack_early, -1, -1

    def count_from_here(self) -> None:
        """From now on, `received` and `handled` count what follows the present element."""
        self.handled -= self.received
        self.received = self._mark = 0

    def asked(self) -> None:
        """The peer requests the count of handled stanzas (XEP-0198 §4), of those that it has sent so far."""
        if self.handled >= self.received:
            self.send_count()
        elif self._ack_at < 0:
            self._ack_at = self.received
        else:
            self._ack_next = self.received
