"""Enforces suspensions and bans (`kith.records.bans`): on new logins and on sessions that exist."""

from __future__ import annotations

import asyncio

import structlog

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.sessions.sessions import Sessions
from kith.ports.store import DocumentStore
from kith.records.bans import Ban, BanList, BanRecords
from kith.records.invites import Invite
from kith.wire.errors import StreamError

logger = structlog.get_logger("kith")
#: After how many accounts others are handled, while sessions are looked through.
_PORTION = 50


class Bans:
    """The bans in force, in memory. They change here before sessions end, so no login slips in between.

    Operators can't be banned by the prefix or the country of their number, so that nobody locks out
    everybody who could lift the ban. A network ban counts for them too; commands lift it.
    """

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        store: DocumentStore,
        accounts: Accounts,
        sessions: Sessions,
    ) -> None:
        self._config = config
        self._domain = domain
        self._clock = clock
        self._accounts = accounts
        self._sessions = sessions
        self.records = BanRecords(store)
        self.list = BanList()
        self._reads = self._last_read = 0

    async def load(self) -> None:
        """Reads the bans again, and ends the sessions that they exclude."""
        self._reads = read = self._reads + 1
        found = await self.records.in_force(self._clock.now())
        if read < self._last_read:
            return  # another call has read what was written later
        self._last_read = read
        if found == self.list.all:
            return
        known = {ban.id: ban for ban in self.list.all}
        self.list = BanList(found)
        ended = await self._end_sessions(BanList(ban for ban in found if known.get(ban.id) != ban))
        logger.info("bans changed", bans=len(found), ended_sessions=ended)

    def of_account(self, id: int, bare: str) -> Ban | None:
        """Why an account can't be used, or None. ``bare``: its address."""
        return self._first(self.list.of_account(id, self._local(bare)), bare, "all")

    def of_registration(self, bare: str) -> Ban | None:
        """Why nobody may create an account with this address, or None."""
        return self._first(self.list.of_account(0, self._local(bare)), bare, "registration")

    def of_address(self, address: str, scope: str = "all") -> Ban | None:
        """Why nobody may log in from an IP address, or None.

        ``scope``: ``registration`` asks for creating accounts instead.
        """
        return self._first(self.list.of_address(address), "", scope)

    async def voids(self, invite: Invite) -> bool:
        """Whether an invitation does not count, since whoever made it, or would be a contact, is excluded."""
        for bare in filter(None, {invite.maker, invite.contact}):
            account = await self._accounts.load(bare)
            if self.of_account(account.id if account is not None else 0, bare) is not None:
                return True
        return False

    def _first(self, found: list[Ban], bare: str, scope: str) -> Ban | None:
        now = self._clock.now()
        for ban in found:
            if ban.is_over(now) or (ban.scope == "registration" and scope == "all"):
                continue
            if ban.kind in ("prefix", "country") and bare in self._config.operators:
                continue
            return ban
        return None

    def _local(self, bare: str) -> str:
        return bare.removesuffix(f"@{self._domain.name}")

    async def _end_sessions(self, bans: BanList) -> int:
        """Ends the sessions of whoever some bans exclude. Returns how many.

        Nobody can log in meanwhile, so others may be handled in between.
        """
        count = 0
        for number, account in enumerate(self._accounts.all() if bans.all else ()):
            if number % _PORTION == _PORTION - 1:
                await asyncio.sleep(0)
            if not account.sessions:
                continue
            mine = self._first(bans.of_account(account.id, self._local(account.jid)), account.jid, "all")
            for session in list(account.sessions.values()):
                if ban := mine or self._first(bans.of_address(session.address), "", "all"):
                    self._sessions.end(session, stream_error(ban))
                    count += 1
        return count


def stream_error(ban: Ban) -> StreamError:
    """The stream error (RFC 6120 §4.9.3) for somebody who is excluded."""
    return StreamError("policy-violation" if ban.kind == "network" else "not-authorized", ban.text)
