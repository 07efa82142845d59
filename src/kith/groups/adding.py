"""Who can be added to a group: everybody, unless their own settings say otherwise.

Who does not want to be added by this person, or has blocked them, is invited: they may enter, but get nothing
until they do.
"""

from __future__ import annotations

from collections.abc import Sequence

from kith.base.domain import Domain
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.features.blocking import Blocking
from kith.features.privacy import PrivacySettings
from kith.features.pubsub import Pep
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.messages import Author
from kith.groups.nicknames import default_nick, free_nick, usable
from kith.groups.rights import check_may_change
from kith.ports.store import MEMBERSHIPS, DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid

#: In how many groups somebody may be for others to add them to one more. Reading an archive takes longer with
#: each group (`kith.store.shared`).
MAX_GROUPS = 1000


def is_person(jid: JID, group: Group) -> bool:
    """Whether an address can be that of a member: not a server, and not another group."""
    return bool(jid.local) and jid.domain != group.address.domain


class Adding(Feature):
    """Makes members of accounts, as their privacy settings allow."""

    def __init__(
        self,
        domain: Domain,
        accounts: Accounts,
        privacy: PrivacySettings | None,
        blocking: Blocking | None,
        store: DocumentStore,
        pep: Pep,
    ) -> None:
        self._store = store
        self._nodes = pep.inside
        self._domain = domain
        self._accounts = accounts
        self._privacy = privacy
        self._blocking = blocking

    async def member(self, group: Group, author: Author | None, jid: JID, taken: Sequence[str]) -> Member:
        """A new member, perhaps one who is only invited. Raises StanzaError if it is impossible.

        ``taken``: nicknames that are given to others in the same step.
        """
        if author is None:
            raise StanzaError("forbidden", "only members add people")
        if not is_person(jid, group):
            raise StanzaError("item-not-found", "only people are members")
        before = group.members.affiliation(jid.bare)
        check_may_change(group, author, jid.bare, before, Affiliation.MEMBER)
        account = await self._accounts.id_of(jid)
        if account is None and self._domain.holds(jid):
            raise StanzaError("item-not-found", f"there is no account {jid.bare}")
        await self.check_groups(account)
        nick = await self.nick(group, jid, account or 0, set(taken))
        pending = account is not None and not await self.may_add(author.bare, jid)
        return Member(jid.bare, Affiliation.MEMBER, account or 0, nick, pending=pending)

    async def nick(self, group: Group, jid: JID, account: int, taken: set[str]) -> str:
        """The nickname of a new member without a choice: what they call themselves.

        ``account``: the id of the account, or 0. ``taken``: as above. Of members of an anonymous group, the
        nickname tells nothing.
        """
        name = "" if group.config.anonymous else await self.name(jid, account, group.jid)
        return free_nick(group, name, jid.bare, taken) if name else default_nick(group, jid, taken)

    async def name(self, jid: JID, account: int, group: str) -> str:
        """What somebody calls themselves (XEP-0172), if a group may know it, as a nickname; else nothing."""
        if not account or not await self._nodes.readable(jid, account, ns.NICK, group):
            return ""
        items = list((await self._nodes.items(account, ns.NICK)).values())
        element = items[-1].element if items else None
        return usable(element.text or "") if element is not None else ""

    async def check_groups(self, account: int | None) -> None:
        """Raises StanzaError if an account is in so many groups that others add it to no more."""
        if account and len(await self._store.documents(account, MEMBERSHIPS)) >= MAX_GROUPS:
            raise StanzaError("resource-constraint", "this person is in too many groups")

    async def may_invite(self, by: str, jid: JID) -> bool:
        """Whether an account gets invitations of somebody: not if it has blocked them."""
        account = await self._accounts.load(jid.bare)
        if account is None or self._blocking is None:
            return account is not None
        return not self._blocking.blocks(account, parse_jid(by))

    async def may_add(self, by: str, jid: JID) -> bool:
        """Whether an account lets itself be added to groups by somebody; otherwise it is invited."""
        if by == jid.bare:
            return True
        account = await self._accounts.load(jid.bare)
        if account is None:
            return False
        if self._blocking is not None and self._blocking.blocks(account, parse_jid(by)):
            return False
        if self._privacy is None:
            return True
        return await self._privacy.may_see(self._privacy.of(account).groups, jid, by)
