"""Sessions that have lost their connection and wait for it (XEP-0198 §5)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from kith.core.actors import sm
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.actors.account import Account
    from kith.core.actors.session import Session
    from kith.core.node import Node

#: How long a client may be asked to wait before it is told that its session is not ready.
_PATIENCE = 20.0
#: Share of the time that a session waits after which it is unavailable to others: of 300 s, 30. Clients
#: that only changed the network are back within a few seconds.
_ABSENT_AFTER = 0.1


class Resumption:
    """Tokens of sessions with resumption, and the time that those without a connection have left."""

    def __init__(self, domain: Node) -> None:
        self._domain = domain
        self._tokens: dict[str, Session] = {}
        self._waiting: dict[Session, None] = {}  # in the order in which they lost their connections
        self._lately: dict[Session, None] = {}  # those of them that others still see, in the same order

    def enable(self, session: Session, element: Stanza) -> None:
        """``<enable/>`` (XEP-0198 §3)."""
        if session.sm is not None:
            refuse(session, "unexpected-request")
            return
        token, answer = self._agree(session, element.attrs)
        session.enable(token, *self.bounds(), answer)

    def grant(self, session: Session, element: Element) -> bytes:
        """The same while the session is bound (XEP-0198 §6); ``<enabled/>``."""
        token, answer = self._agree(session, element.attrib)
        session.sm = sm.Unacknowledged(token, *self.bounds())
        return answer

    def bounds(self) -> tuple[int, int]:
        """How many stanzas, and bytes, a session may have unacknowledged."""
        config = self._domain.config
        return config.resume_stanzas, 4 * config.stanza_bytes

    def _agree(self, session: Session, attrs: Mapping[str, str]) -> tuple[str, bytes]:
        """The token for resumption, empty if there is to be none, and ``<enabled/>``."""
        config = self._domain.config
        resume = attrs.get("resume") in ("true", "1") and config.resume_timeout > 0
        token = secrets.token_urlsafe(24) if resume else ""
        extra = f" id='{token}' resume='true' max='{config.resume_timeout}'" if resume else ""
        answer = f"<enabled xmlns='{ns.STREAM_MANAGEMENT}'{extra}/>".encode()
        if resume:
            self._tokens[token] = session
        return token, answer

    @property
    def waiting(self) -> int:
        """How many sessions wait for a connection."""
        return len(self._waiting)

    def wait(self, session: Session) -> None:
        """The session has lost its connection."""
        self._waiting[session] = None
        self._lately[session] = None

    def returned(self, session: Session) -> None:
        """The session has a connection again."""
        self._domain.presence.reveal(session)

    def take_up(self, session: Session) -> None:
        """A session of before the restart waits; to be called in the order of ``lost_at``."""
        assert session.sm is not None
        self._tokens[session.sm.token] = session
        self._waiting[session] = None
        self._lately[session] = None

    def forget(self, session: Session) -> None:
        """The session has ended."""
        self._waiting.pop(session, None)
        self._lately.pop(session, None)
        if session.sm is not None:
            self._tokens.pop(session.sm.token, None)

    def expire(self) -> None:
        """Ends those whose time is over; those that have been away for a while are unavailable to others."""
        now = asyncio.get_running_loop().time()
        for session in list(self._lately):
            if session.lost_at > now - _ABSENT_AFTER * self._domain.config.resume_timeout:
                break
            del self._lately[session]
            self._domain.presence.conceal(session)
        limit = now - self._domain.config.resume_timeout
        for session in list(self._waiting):
            if session.lost_at > limit:
                break
            self._domain.sessions.close(session)

    async def find(self, account: Account, token: str, h: str) -> Session:
        """The session to resume, taken off its old connection, with all that it received handled.

        Raises StanzaError, for ``<failed/>``. A session that can be resumed stays as it is if ``h``, what
        the client has handled, can't be true: it may come again with another.
        """
        session = self._tokens.get(token)
        if session is None or session.account is not account or session.closed or session.sm is None:
            raise StanzaError("item-not-found")
        if session.sm.resumable and not session.sm.possible(h):
            raise StanzaError("bad-request", "h is not what the client can have handled")
        self._take_off(session)
        if not session.idle:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if session.when_idle is None:
                session.when_idle = []
            session.when_idle.append(lambda: None if settled.done() else settled.set_result(None))
            try:
                await asyncio.wait_for(settled, _PATIENCE)
            except TimeoutError:
                self._domain.sessions.close(session)
            self._take_off(session)  # another connection may have been faster
        if session.closed or session.sm is None or not session.sm.resumable:
            self._domain.sessions.close(session)
            raise StanzaError("item-not-found")
        return session

    def _take_off(self, session: Session) -> None:
        """Parts the session from its connection, if it has one."""
        old, session.sink = session.sink, None
        if old is not None:
            session.out.clear()
            old.abort()
        self._waiting.pop(session, None)
        self._lately.pop(session, None)


def refuse(session: Session, condition: str) -> None:
    """Answers with ``<failed/>``; the stream goes on."""
    if session.sink is not None:
        session.flush()
        session.sink.send([sm.failed(condition)])
