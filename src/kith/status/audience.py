"""Who gets the statuses of whom: mutual contacts, neither of whom has blocked the other."""

from __future__ import annotations

from collections.abc import Sequence

from kith.base.domain import Domain
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Roster
from kith.features.blocking import Blocking
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid


class Audience:
    """The rules. They are applied when something is posted, delivered and read."""

    def __init__(self, domain: Domain, accounts: Accounts, blocking: Blocking | None) -> None:
        self._domain = domain
        self._accounts = accounts
        self._blocking = blocking

    async def of(self, author: JID, people: Sequence[str]) -> list[str]:
        """Those people of this server who get what an author posts. ``author``: a bare address."""
        if self._domain.holds(author):
            account = await self._accounts.load(author.bare)
            if account is None:
                return []
            roster = await self._accounts.roster(author.bare)
            return [
                jid
                for jid in people
                if jid == author.bare or (self._may(account, roster, jid) and self._takes(jid, author.bare))
            ]
        found = []
        for jid in people:
            if not await self._has_account(jid):
                continue
            reader = await self._accounts.load(jid)
            if reader is not None and self._may(reader, await self._accounts.roster(jid), author.bare):
                found.append(jid)
        return found

    def _takes(self, jid: str, author: str) -> bool:
        """Whether somebody has not blocked an author, as far as that is in memory. Others do not see it."""
        reader = self._accounts.get(jid)
        return reader is None or not self._blocks(reader, author)

    async def _has_account(self, jid: str) -> bool:
        try:
            return await self._accounts.load(jid) is not None
        except StanzaError:  # another node has it
            return False

    async def may_read(self, reader: Account, author: str) -> bool:
        """Whether somebody sees what ``author``, a bare address, has posted."""
        if author == reader.jid:
            return True
        roster = await self._accounts.roster(reader.jid)
        if not self._may(reader, roster, author):
            return False
        jid = parse_jid(author)
        if not self._domain.holds(jid):
            return True
        account = await self._accounts.load(author)
        return account is not None and not self._blocks(account, reader.jid)

    def may_get_now(self, reader: Account, author: str) -> bool:
        """The same for what was posted a moment ago, as far as the reader's side says so."""
        return author == reader.jid or not self._blocks(reader, author)

    async def are_contacts(self, account: Account, other: str) -> bool:
        """Whether somebody is a contact of ``account``, both ways, and not blocked."""
        return self._may(account, await self._accounts.roster(account.jid), other)

    def _may(self, account: Account, roster: Roster, other: str) -> bool:
        item = roster[other]
        return item.to and item.from_ and not self._blocks(account, other)

    def _blocks(self, account: Account, other: str) -> bool:
        return self._blocking is not None and self._blocking.blocks(account, parse_jid(other))
