"""Keeps sessions that can be resumed, and ends those that were too long without a connection (XEP-0198
§5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kith.base.randomness import Randomness
from kith.config import Config
from kith.core.actors.account import Session
from kith.wire import ns

#: The part of ``timeout`` after which a session without a connection appears unavailable to others: 30 of 300
#: seconds. Clients that only changed the network are back within a few seconds.
_ABSENT_AFTER = 0.1


class Resumption:
    """Sessions by their tokens, and those that wait for a connection.

    ``timeout``: how long a session waits, in seconds; with 0 none can be resumed. ``bounds``: how many
    stanzas, and how many bytes, a session may have unacknowledged.
    """

    def __init__(self, config: Config, randomness: Randomness) -> None:
        self._randomness = randomness
        self.timeout = config.resume_timeout
        self.bounds = (config.resume_stanzas, 4 * config.stanza_bytes)
        self._tokens: dict[str, Session] = {}
        self._waiting: dict[Session, None] = {}  # in the order in which they lost their connections
        self._lately: dict[
            Session, None
        ] = {}  # those of them that others still see as available, in the same order

    def agree(self, session: Session, attrs: Mapping[str, str]) -> tuple[str, bytes]:
        """Answers ``<enable/>`` with the given attributes (XEP-0198 §3).

        Returns the token for resumption (empty if the session can't be resumed) and ``<enabled/>``.
        """
        resume = attrs.get("resume") in ("true", "1") and self.timeout > 0
        token = self._randomness.token(24) if resume else ""
        extra = f" id='{token}' resume='true' max='{self.timeout:g}'" if resume else ""
        answer = f"<enabled xmlns='{ns.STREAM_MANAGEMENT}'{extra}/>".encode()
        if resume:
            self._tokens[token] = session
        return token, answer

    @property
    def waiting(self) -> int:
        """How many sessions are waiting for a connection."""
        return len(self._waiting)

    def get(self, token: str) -> Session | None:
        """The session with a token, or None."""
        return self._tokens.get(token)

    def wait(self, session: Session) -> None:
        """Lets a session wait that has lost its connection."""
        self._waiting[session] = None
        self._lately[session] = None

    def add(self, sessions: Sequence[Session]) -> None:
        """Lets sessions wait that were restored after a restart."""
        for session in sessions:
            assert session.sm is not None
            self._tokens[session.sm.token] = session
        for waiting in (self._waiting, self._lately):
            ordered = sorted((*waiting, *sessions), key=lambda session: session.lost_at)
            waiting.clear()
            waiting.update(dict.fromkeys(ordered))

    def detach(self, session: Session) -> None:
        """Detaches the session from its connection, if it has one, without letting it wait for another."""
        old, session.sink = session.sink, None
        if old is not None:
            session.out.clear()
            old.abort()
        self._waiting.pop(session, None)
        self._lately.pop(session, None)

    def forget(self, session: Session) -> None:
        """Removes a session that has ended."""
        self._waiting.pop(session, None)
        self._lately.pop(session, None)
        if session.sm is not None:
            self._tokens.pop(session.sm.token, None)

    def expire(
        self, now: float, show_offline: Callable[[Session], None], close: Callable[[Session], None]
    ) -> None:
        """Calls ``show_offline`` with sessions that have waited for a while, and ``close`` when their time is
        over.

        ``now`` is a time of the monotonic clock, as is `Session.lost_at`.
        """
        for session in list(self._lately):
            if session.lost_at > now - _ABSENT_AFTER * self.timeout:
                break
            del self._lately[session]
            show_offline(session)
        for session in list(self._waiting):
            if session.lost_at > now - self.timeout:
                break
            close(session)
