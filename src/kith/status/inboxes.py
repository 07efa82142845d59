"""The status logs of accounts, which only devices read that know status: where they are, and who listens.

They are side logs (`kith.ports.store.GroupStore.side_log`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from kith.base.slots import slot_of
from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.ports.store import Store
from kith.wire.jid import JID

_NAME = "status"
#: How many addresses are cached with their logs.
_CACHED = 50_000


class Inboxes(Feature):
    """Finds the status logs of accounts. In ``session.state``: the log that a session listens to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._logs: OrderedDict[str, tuple[int, int]] = OrderedDict()  # by address: the account, and the log
        self._listening: dict[int, list[Session]] = {}

    async def of(self, jids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """The ids of accounts and of their logs, by address; without addresses that have no account."""
        found = {jid: self._logs[jid] for jid in jids if jid in self._logs}
        if missing := [jid for jid in jids if jid not in found]:
            read = await self._store.side_logs(_NAME, missing)
            found |= read
            self._logs |= read
            while len(self._logs) > _CACHED:
                self._logs.popitem(last=False)
        return found

    async def of_session(self, session: Session) -> int:
        """The status log of the account of a session."""
        known: int | None = session.state.get(Inboxes)  # type: ignore[assignment]
        return known or await self._store.side_log(session.account.id, _NAME)

    async def listen(self, session: Session) -> int:
        """From now on, a session gets the entries of its account's status log, which is returned."""
        log = await self.of_session(session)
        if Inboxes not in session.state and not session.closed:
            session.state[Inboxes] = log
            self._listening.setdefault(log, []).append(session)
        return log

    def listeners(self, log: int) -> Iterable[Session]:
        """The sessions that get the entries of a status log now."""
        return [one for one in self._listening.get(log, ()) if one.presence is not None]

    # -- sessions ----------------------------------------------------------------------------------

    def session_saved(self, session: Session) -> object:
        return session.state.get(Inboxes)

    def session_restored(self, session: Session, saved: object) -> None:
        if isinstance(saved, int) and Inboxes not in session.state:
            session.state[Inboxes] = saved
            self._listening.setdefault(saved, []).append(session)

    def session_closed(self, session: Session) -> None:
        log = session.state.pop(Inboxes, None)
        if isinstance(log, int) and session in (listening := self._listening.get(log, [])):
            listening.remove(session)
            if not listening:
                del self._listening[log]

    # -- addresses that belong to others now ---------------------------------------------------------

    async def account_deleted(self, account: JID) -> None:
        self._logs.pop(account.bare, None)

    async def address_freed(self, address: JID) -> None:
        self._logs.pop(address.bare, None)

    async def account_moved(self, account: object, left: object) -> None:
        self._logs.clear()

    async def accounts_changed(self) -> None:
        self._logs.clear()

    def slot_lost(self, slot: int) -> None:
        for jid in [jid for jid in self._logs if slot_of(jid) == slot]:
            del self._logs[jid]
