"""Saves sessions when the server stops, and restores them when it starts (XEP-0198 §5).

A session that can be resumed is a document in the store from the stop to the next start, which deletes it
before anybody can connect. So an outdated one is never restored: after a crash there are none, and devices
read their logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

import structlog

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.core.actors import sm
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.core.sessions.resumption import Resumption
from kith.core.sessions.sessions import Sessions
from kith.ports.store import Document, Store, Unavailable
from kith.records.readable import readable
from kith.wire.canonical import canonical
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")
#: The owner of these documents: no account, so that they can be found with one query.
_OWNER = 0
_SPACE = "sessions"
_FORMAT = 1
#: Total size of what is saved, in bytes; sessions that would exceed it end.
_MOST_BYTES = 256 * 1024 * 1024
#: How many ids of messages received before replay may be saved; a session with more ends.
_MOST_SEEN = 1000
#: How long to wait for work started by the last stanzas, in seconds.
_LAST_STANZAS = 0.1


def can_be_saved(session: Session) -> bool:
    """Whether the session can be resumed later, and no work for it is unfinished."""
    return (
        session.sm is not None
        and session.sm.resumable
        and session.idle
        and session.holding is None
        and not session.ending
        and not session.closed
        and len(session.seen or ()) <= _MOST_SEEN
    )


class Handover:
    """Saves and restores sessions."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        sessions: Sessions,
        resumption: Resumption,
        hooks: Hooks,
        tasks: Tasks,
        clock: Clock,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._resumption = resumption
        self._hooks = hooks
        self._tasks = tasks
        self._clock = clock

    async def wait_until_idle(self, seconds: float) -> None:
        """Waits until the stanzas sent by sessions are handled and committed, at most ``seconds``."""
        deadline = self._clock.steady() + seconds
        while self._clock.steady() < deadline:
            if all(session.idle and session.holding is None for session in self._all()):
                await asyncio.sleep(_LAST_STANZAS)
                if all(session.idle for session in self._all()):
                    return
            await asyncio.sleep(0.02)

    async def save(self) -> None:
        """Saves the sessions that can be resumed, and ends the rest. All connections must be closed."""
        for session in self._all():
            if session.quiet is not None:
                session.quiet.release()
            if not can_be_saved(session):
                self._sessions.close(session)  # others see this in presence
        # if a stanza can't be stored, its sender will send it again
        with contextlib.suppress(Unavailable):
            while self._store.waiting:  # stanzas of closed sessions may be for one that is saved
                await self._store.flush()
        now = self._clock.steady()
        writes = []
        size = 0
        for session in self._all():
            lost_at = session.lost_at if session.sink is None else now
            left = lost_at + self._resumption.timeout - now
            manage = session.sm
            if manage is None or not manage.resumable or left <= 0 or size > _MOST_BYTES:
                self._sessions.close(session)
                continue
            value = json.dumps(self._encode(session, self._clock.now() + left)).encode()
            size += len(value)
            writes.append(self._store.put(_OWNER, _SPACE, manage.token, value))
            for _, id in manage.queue:
                if id:  # undelivered if the session is not resumed
                    session.delivery.given_up(id)
            self._sessions.changed(session.delivery)
        try:
            await asyncio.gather(*writes)
        except Unavailable:
            return  # already logged for the operator; the messages are in the log
        if writes:
            logger.info("sessions wait for the next start", count=len(writes))

    async def restore(self) -> None:
        """Restores the sessions from before the restart. Has to be called before anybody connects."""
        documents = await self._store.documents(_OWNER, _SPACE)
        if not documents:
            return
        await self._store.remove(_OWNER, _SPACE)
        taken = 0
        for kept in sorted(_decode(documents), key=lambda kept: float(kept["until"])):
            left = float(kept["until"]) - self._clock.now()
            if 0 < left <= self._resumption.timeout:
                try:
                    taken += await self._make(kept, left)
                except (ValueError, KeyError, TypeError) as error:
                    self._tasks.failed("a session can't be taken up", error)
        logger.info("sessions taken up", count=taken, of=len(documents))

    def _all(self) -> list[Session]:
        return [session for account in self._accounts.all() for session in account.sessions.values()]

    def _encode(self, session: Session, until: float) -> dict[str, Any]:
        manage = session.sm
        assert manage is not None
        return {
            "format": _FORMAT,
            "until": until,
            "jid": session.full,
            "lang": session.lang,
            "handheld": session.handheld,
            "device": session.device,
            "credential": session.credential,
            "presence": session.presence.to_bytes().decode() if session.presence is not None else None,
            "priority": session.priority,
            "absent": session.appears_offline,
            "directed": [str(jid) for jid in session.directed or ()],
            "interested": session.interested,
            "counted": session.counted,
            "seen": sorted(session.seen or ()),
            "synced": session.synced,
            "caught_up": session.caught_up,
            "handled": session.handled,
            "acknowledged": manage.acknowledged,
            "queue": [(data.decode(), id) for data, id in manage.queue],
            "features": self._hooks.session_saved(session),
        }

    async def _make(self, kept: dict[str, Any], left: float) -> bool:
        """Restores one session. Returns False if its account no longer exists."""
        jid = parse_jid(kept["jid"])
        account = await self._accounts.load(jid.bare)
        if account is None or jid.resource in account.sessions:
            return False
        await self._accounts.roster(account.jid)
        session = Session(self._sessions, account, jid, None, kept["lang"])
        session.handheld = kept["handheld"]
        session.device, session.credential = kept["device"], kept["credential"]
        if kept["presence"] is not None:
            session.presence = Stanza.from_bytes(kept["presence"].encode())
        session.priority = kept["priority"]
        session.appears_offline = kept.get("absent", False)  # unknown to 0.1
        session.directed = {parse_jid(text) for text in kept["directed"]} or None
        session.interested = kept["interested"]
        session.counted = kept["counted"]
        session.seen = set(kept["seen"]) or None
        session.synced, session.caught_up = kept["synced"], kept["caught_up"]
        session.received = session.handled = kept["handled"]
        manage = session.sm = sm.Unacknowledged(kept["token"], *self._resumption.bounds)
        manage.acknowledged = kept["acknowledged"]
        for text, id in kept["queue"]:
            manage.sent(canonical(text.encode()), id)
            if id and session.counted:
                account.delivery.handed(id)
        session.lost_at = self._clock.steady() - self._resumption.timeout + left
        self._sessions.open(session)
        self._resumption.add(session)
        self._hooks.session_restored(session, kept["features"])
        return True


def _decode(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Decodes saved sessions; those in the format of another version are dropped."""
    found = []
    for document, kept in readable(documents, json.loads, "session"):
        if isinstance(kept, dict) and kept.get("format") == _FORMAT:
            found.append({**kept, "token": document.key})
    return found
