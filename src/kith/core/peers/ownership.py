"""Takes over and gives up slots as the placement says."""

from __future__ import annotations

from kith.base.ids import Ids
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.core.peers.notices import Notices
from kith.core.peers.peers import PeerNodes
from kith.core.sessions.handover import Handover
from kith.core.sessions.sessions import Sessions
from kith.ports.placement import Placement
from kith.ports.store import LogStore
from kith.records.devices import Devices
from kith.wire.errors import StreamError

#: Slots gained within this many seconds are announced together.
_TOGETHER = 1.0


class Ownership:
    """Does what is needed when the placement gives this node a slot or takes one away."""

    def __init__(
        self,
        placement: Placement,
        store: LogStore,
        ids: Ids,
        accounts: Accounts,
        sessions: Sessions,
        handover: Handover,
        peers: PeerNodes,
        notices: Notices,
        hooks: Hooks,
        devices: Devices,
        tasks: Tasks,
    ) -> None:
        self._placement = placement
        self._store = store
        self._ids = ids
        self._accounts = accounts
        self._sessions = sessions
        self._handover = handover
        self._peers = peers
        self._notices = notices
        self._hooks = hooks
        self._devices = devices
        self._tasks = tasks
        self._news: set[int] = set()

    async def run(self) -> None:
        """Follows the placement until it is cancelled."""
        await self._placement.run(self.gained, self.lost)

    async def gained(self, slot: int) -> None:
        """Prepares a slot, so that everything this node does in it is ordered after what the last owner
        did.
        """
        self._ids.gained(slot, await self._store.last_id(slot))
        accounts = await self._handover.gained(slot)
        await self._peers.gained(slot)
        for account in accounts:
            self._accounts.add(account)
        if not self._news:
            self._tasks.later(_TOGETHER, self._announce)
        self._news.add(slot)

    def lost(self, slot: int) -> None:
        """Drops the accounts of a slot that another node owns now. Their clients have to reconnect.

        Nobody is told that they went offline, because they may be online at the other node.
        """
        self._peers.lost(slot)
        self._news.discard(slot)
        for account in self._accounts.of_slot(slot):
            for session in list(account.sessions.values()):
                session.presence = session.directed = None
                self._sessions.end(session, StreamError("reset", "another node has taken over the account"))
            self._accounts.drop(account)
        self._hooks.slot_lost(slot)
        self._devices.forget_ended()

    def _announce(self) -> None:
        slots, self._news = self._news, set()
        if slots:
            self._notices.announce(slots)
