"""Notes the network addresses that accounts connect from (the setting ``keep_addresses_days``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.account import Account, Session
from kith.core.hooks.feature import Feature
from kith.ports.store import Document, Store
from kith.records.addresses_seen import PRECISION, SPACE, AddressSeen, encode, fresh, place, seen, stored

#: How often addresses that are too old are deleted, in seconds.
_SWEEP_INTERVAL = 3600.0
_PAGE = 200


class AddressesSeen(Feature):
    """Stores an address when an account comes from it for the first time, and then once an hour at most."""

    in_memory = (SPACE,)

    def __init__(self, config: Config, clock: Clock, tasks: Tasks, store: Store) -> None:
        self._config = config
        self._clock = clock
        self._tasks = tasks
        self._store = store

    async def start(self) -> None:
        self._tasks.repeat(self._sweep, _SWEEP_INTERVAL)

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        account.state[AddressesSeen] = stored(kept[SPACE])

    def session_available(self, session: Session) -> None:
        self._note(session)

    def session_resumed(self, session: Session) -> None:
        self._note(session)

    def _note(self, session: Session) -> None:
        address, days = place(session.address), self._config.keep_addresses_days
        if not address or not days:
            return
        account, now = session.account, self._clock.now()
        known: list[AddressSeen] = account.state.get(AddressesSeen, [])
        if any(one.address == address and 0 <= now - one.last < PRECISION for one in known):
            return
        account.state[AddressesSeen] = known = seen(known, address, now, days)
        self._store.put_soon(account.id, SPACE, "", encode(known))

    async def _sweep(self) -> None:
        """Deletes addresses that may not be kept any longer."""
        now, days, after = self._clock.now(), self._config.keep_addresses_days, ""
        while page := await self._store.overview([SPACE], after, _PAGE):
            after = page[-1].jid
            for account in page:
                for document in account.documents[SPACE]:
                    known = stored([document])
                    kept = fresh(known, now, days)
                    if not kept:
                        await self._store.remove(account.id, SPACE)
                    elif kept != known:
                        # if the account has connected in the meantime, that has dropped them already
                        await self._store.put_if(account.id, SPACE, "", encode(kept), document.seq)
