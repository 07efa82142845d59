"""The node: builds the parts of a server for one domain, starts them and stops them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from kith.base.attempts import Guesses
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.ids import Ids
from kith.base.randomness import Randomness
from kith.base.secret import Secret
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
from kith.core.peers.bounces import Bounces
from kith.core.peers.notices import Notices
from kith.core.peers.outbox import Outbox
from kith.core.peers.ownership import Ownership
from kith.core.peers.peers import PeerNodes
from kith.core.peers.reprobing import Reprobing
from kith.core.routing.asserted import Assertions
from kith.core.routing.hosts import Hosts
from kith.core.routing.inquiries import Inquiries
from kith.core.routing.iqs import Iqs
from kith.core.routing.post import Post
from kith.core.routing.presence import Presence
from kith.core.routing.router import Router
from kith.core.routing.server_messages import ServerMessages
from kith.core.routing.subscriptions import Subscriptions
from kith.core.sessions.bans import Bans
from kith.core.sessions.handover import Handover
from kith.core.sessions.removal import Removal
from kith.core.sessions.resumption import Resumption
from kith.core.sessions.revocation import Revocation
from kith.core.sessions.sessions import Sessions
from kith.core.sessions.tracing import Tracing
from kith.core.sessions.upkeep import Upkeep
from kith.ports.bus import Bus
from kith.ports.directory import Directory
from kith.ports.pictures import Pictures
from kith.ports.placement import Placement
from kith.ports.store import AccountStore, DocumentStore, LogStore, Store
from kith.records.audit import Audit
from kith.records.devices import Devices
from kith.records.passwords import Passwords

_T = TypeVar("_T")
logger = structlog.get_logger("kith")
#: How many seconds the last message may be ahead of the clock before a warning is logged.
_AHEAD = 60.0
#: Parts whose constructors say which other parts they need; in the order in which they are made.
_PARTS: tuple[type[object], ...] = (
    *(Hosts, Assertions, Post, Marks, Presence, Subscriptions, Inquiries, Iqs, Resumption, Tracing, Sessions),
    *(Bans, Audit, ServerMessages, Revocation, Removal, Handover, Entrance, Upkeep),
)
#: The additional parts of a node that is one of several.
_PEERS: tuple[type[object], ...] = (Bounces, Outbox, Reprobing, Notices, PeerNodes, Ownership)


class Node:
    """A server for one domain, without its network side. ``parts`` has everything, by its class.

    ``passwords`` makes its `Passwords`, given the store and the secret for salts. Tokens and made-up salts
    are derived from ``secret``. ``bus`` leads to the other nodes, if there are any. ``directory`` checks
    passwords that the server does not know. ``pictures`` prepares what everybody may see. Raises Unfit
    if a feature asks for a part that does not exist.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        features: Sequence[type[Feature]],
        passwords: Callable[[Store, bytes, Clock, Randomness], Passwords],
        secret: Secret,
        placement: Placement,
        clock: Clock,
        randomness: Randomness,
        bus: Bus | None = None,
        directory: Directory | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.domain = Domain(config.domain)
        self.tasks = Tasks()
        self.hooks = Hooks()
        self.ids = Ids(clock.now, 1 if bus is None else SLOTS)
        self.accounts = Accounts(
            self.domain, store, placement, self.hooks.account_loaded, self.hooks.in_memory
        )
        self.parts = Parts(
            {
                Config: config,
                Clock: clock,
                Randomness: randomness,
                **dict.fromkeys((Store, AccountStore, LogStore, DocumentStore), store),
                Placement: placement,
                Bus: bus,
                Directory: directory,
                Pictures: pictures,
                Secret: secret,
                Devices: Devices(store, clock, randomness, secret),
                Passwords: passwords(store, secret.key("pepper"), clock, randomness),
            }
        )
        for part in (self.domain, self.tasks, self.hooks, self.ids, self.accounts):
            self.parts.add({type(part): part})
        for plain in (Figures, Guesses):
            self.parts.add({plain: plain()})
        self._build(bus is not None)
        self.features = self._fill(features)

    def _build(self, several: bool) -> None:
        """Makes the parts of the core, and connects those that need each other."""
        parts = self.parts
        parts.build((Hosts, Assertions, Post, Marks))
        parts.add({Log: Log(self.store, self.ids, self.hooks.message_wanted, parts.get(Post))})
        renewed = parts.get(Assertions).renewed
        replay = Replay(self.domain, self.store, parts.get(Marks), parts.get(Figures), renewed)
        parts.add({Replay: replay})
        parts.build(_PARTS)
        parts.build((Router,))
        self.hosts = parts.get(Hosts)
        self.sessions = parts.get(Sessions)
        self.sessions.handle = parts.get(Router).handle
        self.entrance = parts.get(Entrance)
        self._peers: PeerNodes | None = None
        if several:
            parts.build(_PEERS)
            self._peers = self.hosts.peers = parts.get(PeerNodes)

    def _fill(self, classes: Sequence[type[Feature]]) -> list[Feature]:
        """Makes the features, and fills the tables of hooks and handlers."""
        features = self.parts.build(classes)
        self.hooks.fill(features)
        self.parts.get(Iqs).fill(features)
        self.parts.get(Log).fill(feature.keeps for feature in features)
        return features

    def get(self, cls: type[_T]) -> _T:
        """The part or feature of a class. Raises LookupError if there is none."""
        return self.parts.get(cls)

    async def start(self) -> None:
        """Opens the store and starts the features. Raises StoreError."""
        self.tasks.start()
        await self.store.open()
        self.ids.gained(0, await self.store.last_id(0))
        if (ahead := self.ids.ahead()) > _AHEAD:
            logger.warning(
                "messages are dated ahead of the clock",
                hours=round(ahead / 3600, 1),
                todo="set the clock; if it is right, new messages carry their date until that is past",
            )
        await self.get(Bans).load()
        for feature in self.features:
            await feature.start()
        if self.hosts.peers is None:
            await self.get(Handover).restore()
        else:
            self.tasks.spawn(self.get(Ownership).run())
        self.tasks.spawn(self.get(Upkeep).run())

    async def stop(self) -> None:
        """Ends sessions, except those that are saved for the next start, and commits."""
        if self._peers is not None:
            await self._peers.close()
        await self.get(Handover).save()
        self.get(Marks).flush()
        for feature in self.features:
            await feature.stop()
        self.tasks.stop()
        await self.store.close()
