"""How sessions begin, are written to, and end."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors import sm
from kith.core.actors.refused import stream_refused
from kith.core.actors.session import Session
from kith.core.hooks import Hooks
from kith.core.log.marks import Marks
from kith.core.routing.presence import Presence
from kith.core.sessions.resumption import Resumption
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")


class Sessions:
    """``route`` sends a stanza of the server's own: who is told that a request has got lost."""

    def __init__(
        self,
        tasks: Tasks,
        figures: Figures,
        marks: Marks,
        hooks: Hooks,
        presence: Presence,
        resumption: Resumption,
        route: Callable[[Stanza, JID, JID], None],
    ) -> None:
        self._tasks = tasks
        self._figures = figures
        self._marks = marks
        self._hooks = hooks
        self._presence = presence
        self._resumption = resumption
        self._route = route
        self._flushing: list[Session] = []
        self._closing: list[Session] = []

    def flush_later(self, session: Session) -> None:
        """Writes what the session has to send at the end of this turn of the loop."""
        if not self._flushing:
            self._tasks.soon(self._flush)
        self._flushing.append(session)

    def _flush(self) -> None:
        flushing, self._flushing = self._flushing, []
        for session in flushing:
            try:
                session.flush()
            except Exception as error:
                self._tasks.failed("flush failed", error)

    def open(self, session: Session) -> None:
        """A resource was bound. A session that had it before ends with a conflict (RFC 6120 §7.7.2.2)."""
        account = session.account
        old = account.sessions.get(session.jid.resource)
        if old is not None:
            self.end(old, StreamError("conflict", "the resource was bound again"))
        account.sessions[session.jid.resource] = session
        self._figures.sessions += 1
        logger.debug("session opened", session=session.full)
        self._hooks.session_opened(session)

    def end(self, session: Session, error: StreamError | None = None) -> None:
        """The session is over, and so is its connection, if it has one."""
        session.flush()
        sink, session.sink = session.sink, None
        if sink is not None:
            sink.close(stream_refused(self._figures, error, session.full) if error is not None else b"")
        self.close(session)

    def lost(self, session: Session) -> None:
        """The connection went without a word: the session waits, or ends."""
        session.sink = None
        session.out.clear()
        if session.sm is not None and session.sm.resumable and not session.closed:
            session.lost_at = self._tasks.now()
            self._resumption.wait(session)
        else:
            self.close(session)

    def close_later(self, session: Session) -> None:
        """Ends a session that is owed too much, once the current work is done: the log has it all."""
        if not self._closing:
            self._tasks.soon(self._close_all)
        self._closing.append(session)

    def _close_all(self) -> None:
        closing, self._closing = self._closing, []
        for session in closing:
            self.end(session, StreamError("resource-constraint", "too much waits to be read"))

    def close(self, session: Session) -> None:
        """The session is over: what was not acknowledged goes back, contacts see it leave."""
        if session.closed:
            return
        session.closed = True
        self._figures.sessions -= 1
        logger.debug("session closed", session=session.full)
        account = session.account
        self._resumption.forget(session)
        if account.sessions.get(session.jid.resource) is session:
            del account.sessions[session.jid.resource]
        self._presence.unavailable(session)
        self._hooks.session_closed(session)
        if session.sm is not None:
            self._give_up(session, session.sm)
        session.holding = None

    def _give_up(self, session: Session, manage: sm.Unacknowledged) -> None:
        """XEP-0198 §5: what the client has not acknowledged was not delivered."""
        for data, id in manage.queue:
            if id:
                session.account.delivery.given_up(id)
            elif data.startswith(b"<iq "):
                self._iq_lost(data)
        manage.queue.clear()
        self._marks.changed(session.account.delivery)

    def _iq_lost(self, data: bytes) -> None:
        """A request that never arrived is answered for the client that is gone."""
        iq = Stanza.from_bytes(data)
        if iq.type not in ("get", "set") or "@" not in iq.attrs.get("from", ""):
            return
        try:
            sender = parse_jid(iq.attrs["from"])
        except ValueError:
            return
        answer = iq.error(StanzaError("recipient-unavailable"))
        if answer is not None:
            self._route(answer, parse_jid(iq.attrs["to"]), sender)
