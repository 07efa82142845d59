"""``/api/admin/health``: how the server is, and what an operator should do about it."""

from __future__ import annotations

import asyncio
import shutil
from typing import Annotated

import msgspec
from msgspec import Meta

from kith import __version__
from kith.api.endpoint import Call, endpoint
from kith.api.types import moment
from kith.base.clock import Clock
from kith.base.figures import Figures
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.sessions.bans import Bans
from kith.edge.certificate_health import troubles
from kith.edge.edge import Edge
from kith.ports.store import Holdings, Store
from kith.records.invites import SPACE as INVITES
from kith.records.reports import SPACE as REPORTS

#: How old a count of everything in the store may be, in seconds. It reads each account.
_COUNT_AGE = 60.0
#: Below this many bytes, free space is a problem.
_LITTLE_SPACE = 1 << 30


class Problem(msgspec.Struct):
    """Something that an operator should do something about."""

    text: str
    todo: Annotated[str, Meta(description="What to do; may be empty.")]
    bad: Annotated[bool, Meta(description="Whether something does not work, or soon will not.")]


class TextMessages(msgspec.Struct):
    """Text messages with codes since the start. ``limited``: not sent, since a limit was reached."""

    sent: int
    failed: int
    limited: int


class Health(msgspec.Struct):
    """How the server is. Some numbers are up to a minute old."""

    domain: str
    version: str
    started: str
    registration: str
    federation: bool
    accounts: int
    online: Annotated[int, Meta(description="People with a connected client.")]
    sessions: int
    connections: int
    undelivered: Annotated[int, Meta(description="Messages that no device of their recipient has received.")]
    waiting_for_servers: Annotated[int, Meta(description="Messages that wait for other servers.")]
    database_bytes: int
    journal_bytes: int
    free_bytes: Annotated[int, Meta(description="Free space on the disk of the database.")]
    disk_failing: Annotated[bool, Meta(description="Whether the disk has refused the last write.")]
    certificate_expires: str
    text_messages: TextMessages
    open_invitations: int
    open_reports: int
    bans: int
    problems: list[Problem]


class HealthResource:
    """The endpoint."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        edge: Edge,
        figures: Figures,
        store: Store,
        accounts: Accounts,
        bans: Bans,
    ) -> None:
        self._config = config
        self._clock = clock
        self._edge = edge
        self._figures = figures
        self._store = store
        self._accounts = accounts
        self._bans = bans
        self._started = clock.now()
        self._counting = asyncio.Lock()  # who asks meanwhile waits for the same count
        self._counted = -_COUNT_AGE
        self._holdings = Holdings(0, 0, 0, 0)

    @endpoint("GET", "/api/admin/health", "How the server is")
    async def get(self, call: Call) -> Health:
        await self._count()
        config, holdings, sms = self._config, self._holdings, self._figures.sms
        free = await asyncio.to_thread(self._free)
        online = sum(
            any(session.sink is not None for session in account.sessions.values())
            for account in self._accounts.all()
        )
        documents = await self._store.documents_of(0, [INVITES, REPORTS])
        return Health(
            config.domain,
            __version__,
            moment(self._started),
            config.registration,
            config.federation,
            holdings.accounts,
            online,
            self._figures.sessions,
            sum(self._edge.open.values()),
            holdings.undelivered,
            sum(queued.messages for queued in await self._store.outbox_sizes()),
            holdings.database_bytes,
            holdings.journal_bytes,
            free,
            self._store.failing,
            moment(self._edge.certificates.expires),
            TextMessages(sms["sent"], sms["failed"], sms["limited"]),
            len(documents[INVITES]),
            len(documents[REPORTS]),
            len(self._bans.list.all),
            await self._problems(free),
        )

    async def _count(self) -> None:
        async with self._counting:
            now = self._clock.steady()
            if now - self._counted >= _COUNT_AGE:
                self._holdings = await self._store.holdings()
                self._counted = now

    def _free(self) -> int:
        return shutil.disk_usage(self._config.data_dir).free

    async def _problems(self, free: int) -> list[Problem]:
        found = [Problem(*trouble) for trouble in await asyncio.to_thread(self._certificate)]
        if self._store.failing:
            found.append(Problem("the disk refuses to store messages", "look at the log", True))
        if free < _LITTLE_SPACE:
            text = f"only {free >> 20} MB are free on the disk"
            found.append(Problem(text, "free some space, before messages are refused", True))
        sms = self._figures.sms
        if sms["failed"] > sms["sent"]:
            found.append(Problem("most text messages fail", "look at the log, and at the gateway", True))
        return found

    def _certificate(self) -> list[tuple[str, str, bool]]:
        try:
            found = troubles(self._edge.certificates.certificate, self._config.domain)
        except (OSError, ValueError) as error:
            return [(f"the certificate can't be read: {error}", "look at the log", True)]
        return [(trouble.text, trouble.todo, trouble.bad) for trouble in found]
