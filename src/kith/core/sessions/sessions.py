"""Opens and ends sessions, lets them resume, and writes their output."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from xml.etree.ElementTree import Element

import structlog

from kith.base.clock import Clock
from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors import sm
from kith.core.actors.account import Account, Session
from kith.core.actors.intake import Work
from kith.core.actors.outlet import Outlet
from kith.core.actors.refused import stream_refused
from kith.core.hooks.table import Hooks
from kith.core.log.marks import Marks
from kith.core.routing.post import Post
from kith.core.routing.presence import Presence
from kith.core.sessions.resumption import Resumption
from kith.core.sessions.tracing import Tracing
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")
#: How long a client waits for a session that is not ready to be resumed, in seconds.
_PATIENCE = 20.0


class Sessions:
    """All sessions of the node; implements `kith.core.actors.account.Keeper`.

    ``handle`` is the method of the router; the node sets it when it has built one.
    """

    handle: Callable[[Session, Stanza], Work]

    def __init__(
        self,
        clock: Clock,
        tasks: Tasks,
        figures: Figures,
        marks: Marks,
        hooks: Hooks,
        post: Post,
        presence: Presence,
        resumption: Resumption,
        tracing: Tracing,
    ) -> None:
        self._clock = clock
        self.tasks = tasks
        self.figures = figures
        self.changed = marks.changed
        self._hooks = hooks
        self._post = post
        self._presence = presence
        self._resumption = resumption
        self._tracing = tracing
        self._flushing: list[Outlet] = []
        self._closing: list[Outlet] = []

    # -- for all of them ---------------------------------------------------------------------------

    def flush_later(self, outlet: Outlet) -> None:
        """Writes the pending output of an outlet at the end of this turn of the loop."""
        if not self._flushing:
            self.tasks.soon(self._flush)
        self._flushing.append(outlet)

    def _flush(self) -> None:
        flushing, self._flushing = self._flushing, []
        for outlet in flushing:
            try:
                outlet.flush()
            except Exception as error:
                self.tasks.failed("flush failed", error)

    def close_later(self, outlet: Outlet) -> None:
        """Ends an outlet with too much pending output, after the current work.

        The log has all of its messages.
        """
        if not self._closing:
            self.tasks.soon(self._close_all)
        self._closing.append(outlet)

    def _close_all(self) -> None:
        closing, self._closing = self._closing, []
        for outlet in closing:
            outlet.fail(StreamError("resource-constraint", "too much waits to be read"))

    def element(self, session: Session, element: Stanza) -> None:
        """Gives the features an element that is neither a stanza nor stream management.

        Raises StreamError.
        """
        if not self._hooks.element(session, element):
            raise StreamError("unsupported-stanza-type")

    # -- life --------------------------------------------------------------------------------------

    def open(self, session: Session) -> None:
        """Adds a session for a resource that was bound. An older session with it ends with a conflict
        (RFC 6120 §7.7.2.2).
        """
        account = session.account
        old = account.sessions.get(session.jid.resource)
        if old is not None:
            self.end(old, StreamError("conflict", "the resource was bound again"))
        account.sessions[session.jid.resource] = session
        self._tracing.opened(session)
        self.figures.sessions += 1
        logger.debug("session opened", session=session.full)
        for hook in self._hooks.session_opened:
            hook(session)

    def end(self, session: Session, error: StreamError | None = None) -> None:
        """Ends the session, and its connection if it has one."""
        session.flush()
        sink, session.sink = session.sink, None
        if sink is not None:
            sink.close(stream_refused(self.figures, error, session.full) if error is not None else b"")
        self.close(session)

    def lost(self, session: Session) -> None:
        """Handles a lost connection: the session waits to be resumed, or ends."""
        session.sink = None
        session.out.clear()
        if session.sm is not None and session.sm.resumable and not session.closed:
            session.lost_at = self._clock.steady()
            self._resumption.wait(session)
        else:
            self.close(session)

    def close(self, session: Session) -> None:
        """Ends a session: unacknowledged stanzas are handled again, and contacts see it as unavailable."""
        if session.closed:
            return
        session.closed = True
        self.figures.sessions -= 1
        logger.debug("session closed", session=session.full)
        account = session.account
        self._resumption.forget(session)
        if account.sessions.get(session.jid.resource) is session:
            del account.sessions[session.jid.resource]
        self._presence.unavailable(session)
        self._hooks.session_closed(session)
        for data in session.give_up():
            if data.startswith(b"<iq "):
                self._iq_lost(data)
        session.holding = None

    def _iq_lost(self, data: bytes) -> None:
        """Answers, in place of the client, an iq request that never reached it."""
        iq = Stanza.from_bytes(data)
        if iq.type not in ("get", "set") or "@" not in iq.attrs.get("from", ""):
            return
        try:
            sender = parse_jid(iq.attrs["from"])
        except ValueError:
            return
        answer = iq.error(StanzaError("recipient-unavailable"))
        if answer is not None:
            self._post.route(answer, parse_jid(iq.attrs["to"]), sender)

    # -- resumption (XEP-0198) ---------------------------------------------------------------------

    def enable(self, session: Session, element: Stanza) -> None:
        """Handles ``<enable/>`` (XEP-0198 §3)."""
        if session.sm is not None:
            if session.sink is not None:
                session.flush()
                session.sink.send([sm.failed("unexpected-request")])
            return
        token, answer = self._resumption.agree(session, element.attrs)
        session.enable(token, *self._resumption.bounds, answer)

    def grant(self, session: Session, element: Element) -> bytes:
        """Enables stream management while the session is bound (XEP-0198 §6). Returns ``<enabled/>``."""
        token, answer = self._resumption.agree(session, element.attrib)
        session.sm = sm.Unacknowledged(token, *self._resumption.bounds)
        return answer

    async def resume(self, account: Account, token: str, h: str) -> Session:
        """Returns the session with a token, detached from its old connection and with its stanzas handled.

        ``h`` is how many stanzas the client has handled. If it can't be true, the session stays as it is,
        and the client may try again. Raises StanzaError, for ``<failed/>``.
        """
        session = self._resumption.get(token)
        if session is None or session.account is not account or session.closed or session.sm is None:
            raise StanzaError("item-not-found")
        if session.sm.resumable and not session.sm.possible(h):
            raise StanzaError("bad-request", "h is not what the client can have handled")
        self._resumption.detach(session)
        if not session.idle:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if session.when_idle is None:
                session.when_idle = []
            session.when_idle.append(lambda: None if settled.done() else settled.set_result(None))
            try:
                await asyncio.wait_for(settled, _PATIENCE)
            except TimeoutError:
                self.close(session)
            self._resumption.detach(session)  # another connection may have resumed it in the meantime
        if session.closed or session.sm is None or not session.sm.resumable:
            self.close(session)
            raise StanzaError("item-not-found")
        return session

    def resumed(self, session: Session) -> None:
        """Continues a resumed session on its new connection."""
        self._presence.show_online(session)
        self._hooks.session_resumed(session)

    def expire(self) -> None:
        """Ends sessions that were too long without a connection. Has to be called once a second."""
        self._resumption.expire(self._clock.steady(), self._presence.show_offline, self.close)
