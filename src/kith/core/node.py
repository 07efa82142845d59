"""The node: the one place from which everything of a server is reachable."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from kith.base.attempts import Guesses
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.ids import Ids
from kith.base.randomness import Randomness
from kith.base.slots import SLOTS
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.hooks.parts import Parts
from kith.core.hooks.table import Hooks
from kith.core.log.log import Log
from kith.core.log.marks import Marks
from kith.core.log.replay import Replay
from kith.core.login.entrance import Entrance
from kith.core.peers.ownership import Ownership
from kith.core.peers.peers import PeerNodes
from kith.core.routing.asserted import Assertions
from kith.core.routing.hosts import Hosts
from kith.core.routing.inquiries import Inquiries
from kith.core.routing.iqs import Iqs
from kith.core.routing.post import Post
from kith.core.routing.presence import Presence
from kith.core.routing.router import Router
from kith.core.routing.subscriptions import Subscriptions
from kith.core.sessions.handover import Handover
from kith.core.sessions.removal import Removal
from kith.core.sessions.resumption import Resumption
from kith.core.sessions.revocation import Revocation
from kith.core.sessions.sessions import Sessions
from kith.ports.bus import Bus
from kith.ports.placement import Placement
from kith.ports.store import Store
from kith.records.devices import PASSWORD, Devices
from kith.records.passwords import Passwords

_T = TypeVar("_T")
logger = structlog.get_logger("kith")
#: The last message may be so many seconds ahead of the clock before the operator is told.
_AHEAD = 60.0


class Node:
    """What the server is, for one domain.

    ``passwords`` makes its `Passwords`, of the store and what salts are derived from.
    ``secret`` is what tokens and made-up salts are derived from; it has to last.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        features: Sequence[type[Feature]],
        passwords: Callable[[Store, bytes, Clock, Randomness], Passwords],
        secret: bytes,
        placement: Placement,
        clock: Clock,
        randomness: Randomness,
        bus: Bus | None = None,
    ) -> None:
        self.config = config
        self.domain = Domain(config.domain)
        self.name = self.domain.name
        self.jid = self.domain.jid
        self.store = store
        self.guesses = Guesses()
        self.pepper = hmac.digest(secret, b"pepper", "sha256")
        self.clock = clock
        self.randomness = randomness
        self.passwords = passwords(store, self.pepper, clock, randomness)
        self.devices = Devices(store, clock, randomness, hmac.digest(secret, b"devices", "sha256"))
        self.ids = Ids(clock.now, 1 if bus is None else SLOTS)
        self.figures = Figures()
        self.tasks = Tasks()
        self.hosts = Hosts()
        self.placement = placement
        self.assertions = Assertions(self.name, self.hosts)
        self.hooks = Hooks()
        self.accounts = Accounts(
            self.name, store, placement, self.hooks.account_loaded, self.hooks.account_unloaded
        )
        self.post = Post(
            self.domain, self.accounts, self.hosts, placement, self.hooks, self.figures, self.tasks
        )
        self.log = Log(store, self.ids, self.hooks.message_wanted, self.post)
        self.marks = Marks(store)
        replay = Replay(self.domain, store, self.marks, self.figures, self.assertions.renewed)
        self.presence = Presence(self.accounts, self.post, self.hooks, replay)
        self.subscriptions = Subscriptions(store, self.accounts, self.post, self.presence, self.hooks)
        self.inquiries = Inquiries(
            config.strangers_per_hour, self.domain, self.accounts, self.hosts, self.hooks, clock
        )
        self.iqs = Iqs(self.name, self.hosts, self.accounts, self.inquiries, self.hooks)
        self.router = Router(
            self.domain,
            store,
            self.accounts,
            self.hosts,
            self.hooks,
            self.log,
            self.post,
            self.presence,
            self.subscriptions,
            self.inquiries,
            self.iqs,
            self.assertions,
            self.figures,
        )
        self.resumption = Resumption(
            randomness, config.resume_timeout, (config.resume_stanzas, 4 * config.stanza_bytes)
        )
        self.sessions = Sessions(
            clock, self.tasks, self.figures, self.marks, self.hooks, self.post, self.presence, self.resumption
        )
        self.sessions.handle = self.router.handle
        self.revocation = Revocation(
            store, self.accounts, self.sessions, self.devices, self.passwords, self.hooks
        )
        self.removal = Removal(
            store, self.accounts, self.subscriptions, self.sessions, self.hooks, self.tasks
        )
        self.handover = Handover(
            store, self.accounts, self.sessions, self.resumption, self.hooks, self.tasks, clock
        )
        self.entrance = Entrance(
            self.domain,
            config,
            store,
            self.accounts,
            self.sessions,
            self.hooks,
            self.devices,
            self.passwords,
            self.guesses,
            self.revocation,
            self.tasks,
            self.figures,
            clock,
            randomness,
            self.pepper,
        )
        self._ownership = self._join(bus) if bus is not None else None
        self.features = self._make(features)
        self._changed_elsewhere = False  # since the last refresh began
        self._refreshing = False

    def _join(self, bus: Bus) -> Ownership:
        """Makes the node one of several."""
        unique = partial(self.randomness.bytes, 16)
        peers = PeerNodes(
            self.placement,
            bus,
            self.store,
            self.ids,
            self.accounts,
            self.log,
            self.post,
            self.presence,
            self.router,
            self.tasks,
            self.figures,
            unique,
        )
        self.hosts.peers = peers
        return Ownership(
            self.placement,
            self.store,
            self.ids,
            self.accounts,
            self.sessions,
            peers,
            self.tasks,
            unique,
        )

    def _make(self, classes: Sequence[type[Feature]]) -> list[Feature]:
        """The features, and what they have to say in the tables. Raises Unfit if they don't fit together."""
        parts = (
            *(self.config, self.domain, self.clock, self.randomness, self.tasks, self.figures),
            *(self.ids, self.guesses),
            *(self.passwords, self.devices, self.accounts, self.log, self.marks, self.hooks),
            *(self.hosts, self.post, self.iqs, self.inquiries, self.assertions, self.presence),
            *(self.subscriptions, self.router, self.sessions, self.revocation, self.removal),
        )
        self.parts = Parts({type(part): part for part in parts} | {Store: self.store})
        features = self.parts.build(classes)
        self.hooks.fill(features)
        self.iqs.fill(features)
        self.log.fill(feature.keeps for feature in features)
        return features

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the store and starts the features. Raises what the store raises."""
        self.tasks.start()
        await self.store.open()
        self.ids.gained(0, await self.store.last_id(0))
        if (ahead := self.ids.ahead()) > _AHEAD:
            logger.warning(
                "messages are dated ahead of the clock",
                hours=round(ahead / 3600, 1),
                todo="set the clock; if it is right, new messages carry their date until that is past",
            )
        for feature in self.features:
            await feature.start()
        await self.handover.take_up()
        if self._ownership is not None:
            self.tasks.spawn(self._ownership.run())
        self.tasks.spawn(self._tick())

    async def stop(self) -> None:
        """Ends what is left, but for what the next start takes up, and commits."""
        await self.handover.keep()
        self.marks.flush()
        for feature in self.features:
            await feature.stop()
        self.tasks.stop()
        await self.store.close()

    async def _tick(self) -> None:
        """Once a second: what may be done lazily, and what has a time limit."""
        while True:
            await asyncio.sleep(1)
            try:
                self.clock.now()  # a step is noticed, though nothing else asks for the time
                self.store.watch()
                self.marks.flush()
                self.sessions.expire()
                self._changed_elsewhere |= self.store.changed_elsewhere()
                if self._changed_elsewhere and not self._refreshing:
                    self._changed_elsewhere, self._refreshing = False, True
                    self.tasks.spawn(self._refresh())  # it reads, and a disk may not answer
            except Exception as error:
                self.tasks.failed("tick failed", error)

    async def _refresh(self) -> None:
        """Another process has changed accounts beside the running server."""
        try:
            await self._take_up_changes()
        finally:
            self._refreshing = False

    async def _take_up_changes(self) -> None:
        for jid, device in await self.devices.revoked():
            if device.id != PASSWORD:
                await self.revocation.forgotten(jid, [device])
            elif (account := await self.accounts.load(jid)) is not None:
                self.revocation.password_changed(account.id, jid)
        for gone in await self.accounts.refresh():
            await self.removal.forget(gone)
        await self.hooks.accounts_changed()

    def get(self, cls: type[_T]) -> _T:
        """A part, or a feature. Raises LookupError if there is none."""
        return self.parts.get(cls)
