"""Saves sessions when the server stops, and restores them when it starts (XEP-0198 §5).

A session that can be resumed is a document of its account from the stop on. Whoever owns the account next,
the same node after its start or another one, reads and deletes it in one write, before anybody can connect.
So an outdated one is never restored: after a crash there are none, and devices read their logs.
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
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Roster
from kith.core.hooks.table import Hooks
from kith.core.sessions.bans import Bans
from kith.core.sessions.resumption import Resumption
from kith.core.sessions.sessions import Sessions
from kith.ports.store import Document, Store, Unavailable
from kith.records.readable import readable
from kith.wire.canonical import canonical
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")
#: The owner of these documents before version 0.3: no account.
_OWNER_BEFORE = 0
_SPACE = "sessions"
_FORMAT = 1
#: Total size of what is saved, in bytes; sessions that would exceed it end.
_MAX_BYTES = 256 * 1024 * 1024
#: Seconds until a deletion is tried again that has failed because of the store.
_RETRY_INTERVAL = 0.5
#: How many ids of messages received before replay may be saved; a session with more ends.
_MAX_SEEN = 1000
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
        and len(session.seen or ()) <= _MAX_SEEN
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
        bans: Bans,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._resumption = resumption
        self._hooks = hooks
        self._tasks = tasks
        self._clock = clock
        self._bans = bans

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
            if manage is None or not manage.resumable or left <= 0 or size > _MAX_BYTES:
                self._sessions.close(session)
                continue
            value = json.dumps(self._encode(session, self._clock.now() + left)).encode()
            size += len(value)
            writes.append(self._store.put(session.account.id, _SPACE, manage.token, value))
            for _, id in manage.queue:
                if id > 0:  # undelivered if the session is not resumed
                    session.delivery.given_up(id)
            self._sessions.changed(session.delivery)
        try:
            await asyncio.gather(*writes)
        except Unavailable:
            return  # already logged for the operator; the messages are in the log
        if writes:
            logger.info("sessions wait for the next start", count=len(writes))

    async def restore(self) -> None:
        """Restores the sessions of all accounts. Has to be called before anybody connects."""
        documents = await self._store.documents(_OWNER_BEFORE, _SPACE)
        if documents:
            await self._store.remove(_OWNER_BEFORE, _SPACE)
        taken = [document for _, document in await self._store.take(_SPACE, None)]
        for account in await self._take_up([*documents, *taken]):
            self._accounts.add(account)

    async def gained(self, slot: int) -> list[Account]:
        """Restores the sessions of the accounts in a slot that this node is about to own.

        Returns the accounts, which have to be added when it does: until then nobody may find them.
        Waits while the store can't delete what it has kept, since that would be outdated later.
        """
        while True:
            try:
                taken = await self._store.take(_SPACE, slot)
                break
            except Unavailable:  # already logged for the operator
                await asyncio.sleep(_RETRY_INTERVAL)
        return await self._take_up([document for _, document in taken])

    async def _take_up(self, documents: Sequence[Document]) -> list[Account]:
        if not documents:
            return []
        accounts: dict[str, Account] = {}
        taken = []
        for kept in _decode(documents):
            left = float(kept["until"]) - self._clock.now()
            if left > 0:
                try:
                    # the clock of another node may be ahead
                    session = await self._make(kept, min(left, self._resumption.timeout), accounts)
                except (ValueError, KeyError, TypeError) as error:
                    self._tasks.failed("a session can't be taken up", error)
                else:
                    taken += [session] if session is not None else []
        self._resumption.add(taken)
        logger.info("sessions taken up", count=len(taken), of=len(documents))
        return list(accounts.values())

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

    async def _make(self, kept: dict[str, Any], left: float, accounts: dict[str, Account]) -> Session | None:
        """Restores one session. Returns None if its account no longer exists, or is suspended or banned.

        ``accounts``: those that were read already, by address.
        """
        jid = parse_jid(kept["jid"])
        account = accounts.get(jid.bare) or await self._accounts.prepare(jid.bare)
        if account is None or jid.resource in account.sessions:
            return None
        if self._bans.of_account(account.id, account.jid) is not None:
            return None
        if account.roster is None:
            account.roster = await Roster.load(self._store, account.id)
        accounts[account.jid] = account
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
        self._hooks.session_restored(session, kept["features"])
        return session


def _decode(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Decodes saved sessions; those in the format of another version are dropped."""
    found = []
    for document, kept in readable(documents, json.loads, "session"):
        if isinstance(kept, dict) and kept.get("format") == _FORMAT:
            found.append({**kept, "token": document.key})
    return found
