"""Probes again the presence of contacts at other nodes, of which something may have been missed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from kith.base.slots import SLOTS, slot_of
from kith.base.tasks import Tasks
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.core.routing.post import Post
from kith.core.routing.presence import Presence
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

#: All slots, as bits.
ALL = (1 << SLOTS) - 1
#: Seconds in which reasons to probe again are collected, since all accounts are looked through for them.
_TOGETHER = 0.2
#: How many accounts are looked through before others get their turn.
_AT_ONCE = 200


class Reprobing:
    """Probes as the first presence of a session does (RFC 6121 §4.3.1). Slots are given as bits.

    ``probe``: sends a probe to another node; `kith.core.peers.notices.Notices` sets it.
    """

    probe: Callable[[Stanza, JID], None]

    def __init__(
        self, accounts: Accounts, post: Post, presence: Presence, hooks: Hooks, tasks: Tasks
    ) -> None:
        self._accounts = accounts
        self._post = post
        self._presence = presence
        self._hooks = hooks
        self._tasks = tasks
        self._end = f"@{post.domain.name}"
        self._contacts = 0  # for all sessions
        self._viewers: defaultdict[int, int] = defaultdict(int)  # for the sessions of a slot
        self._planned = False

    def plan(self, contacts: int, viewers: int | None = None) -> None:
        """Has sessions probe contacts in these slots again: all sessions, or those of one slot."""
        if viewers is None:
            self._contacts |= contacts
        else:
            self._viewers[viewers] |= contacts
        if not self._planned:
            self._planned = True
            self._tasks.later(_TOGETHER, lambda: self._tasks.spawn(self._probe_again()))

    async def _probe_again(self) -> None:
        contacts, viewers = self._contacts, dict(self._viewers)
        self._contacts, self._planned = 0, False
        self._viewers.clear()
        for count, account in enumerate(self._accounts.all()):
            if count % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            wanted = contacts | viewers.get(account.slot, 0)
            sessions = account.available() if wanted else ()
            if not sessions or account.roster is None:
                continue
            for contact in account.roster.contacts_to():
                if contact.endswith(self._end) and wanted >> slot_of(contact) & 1:
                    for session in sessions:
                        self._ask(session, parse_jid(contact))

    def _ask(self, session: Session, contact: JID) -> None:
        probe = Stanza.build("presence", {"type": "probe", "from": session.full, "to": contact.bare})
        if session.closed or not self._post.allows(session.jid, contact, probe):
            return
        if not self._post.is_owned(contact.bare):
            self.probe(probe, contact)
            return
        attrs = {"type": "unavailable", "from": contact.bare, "to": session.full}
        session.send(Stanza.build("presence", attrs))
        if (work := self._presence.handle(session, probe, contact)) is not None:
            self._tasks.spawn(work)
        self._hooks.events_missed(contact, session.jid)
