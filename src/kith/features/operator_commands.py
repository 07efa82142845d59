"""XEP-0133: Service Administration.

Commands that change something, for the accounts in the setting ``operators``. Commands that only show
something are in `kith.features.operator_facts`.
"""

from __future__ import annotations

from kith.base.domain import Domain
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.sessions.bans import Bans
from kith.core.sessions.removal import Removal
from kith.core.sessions.revocation import Revocation
from kith.core.sessions.sessions import Sessions
from kith.features.announcements import Announcing
from kith.features.commands import Commands, Outcome, Values
from kith.features.forms import Field
from kith.features.operators import ACCOUNT, ACCOUNTS, Operators
from kith.records.audit import Audit
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid

_PASSWORD = Field("password", (), "text-private", "The password", required=True)
_VERIFY = Field("password-verify", (), "text-private", "The password once more", required=True)
_ANNOUNCEMENT = Field("announcement", (), "text-multi", "What to tell", required=True)


class OperatorCommands(Feature):
    """The commands by which operators manage accounts from a client."""

    def __init__(
        self,
        config: Config,
        domain: Domain,
        accounts: Accounts,
        announcing: Announcing,
        sessions: Sessions,
        revocation: Revocation,
        removal: Removal,
        commands: Commands,
        bans: Bans,
        audit: Audit,
    ) -> None:
        self._accounts = accounts
        self._announcing = announcing
        self._sessions = sessions
        self._revocation = revocation
        self._removal = removal
        self._bans = bans
        self._operators = Operators(config, domain, accounts, commands, audit)
        for node, name, run, fields in (
            ("add-user", "Add an account", self._add, (ACCOUNT, _PASSWORD, _VERIFY)),
            ("delete-user", "Remove accounts", self._delete, (ACCOUNTS,)),
            ("end-user-session", "End sessions", self._end_sessions, (ACCOUNTS,)),
            ("change-user-password", "Change a password", self._change_password, (ACCOUNT, _PASSWORD)),
            ("announce", "Announce something to everybody", self._announce, (_ANNOUNCEMENT,)),
        ):
            self._operators.add(node, name, run, *fields)

    async def _add(self, values: Values) -> Outcome:
        jid, password = self._operators.account_jid(values["accountjid"][0]), values["password"][0]
        if password != values["password-verify"][0]:
            raise StanzaError("bad-request", "the passwords differ")
        if (ban := self._bans.of_registration(jid.bare)) is not None:
            raise StanzaError("not-allowed", f"{jid.bare} is banned ({ban.kind} {ban.value})")
        keys = await self._revocation.keys(password)
        if not await self._accounts.create([(jid.bare, keys)]):
            raise StanzaError("conflict", f"{jid.bare} exists")
        return Outcome(f"{jid.bare} was added.")

    async def _delete(self, values: Values) -> Outcome:
        jids = await self._operators.existing(values["accountjids"])
        for jid in sorted(jids, key=lambda jid: jid.bare in self._operators.names):
            account = await self._accounts.load(jid.bare)
            if account is None:
                continue
            # an operator may be among them, and should get the answer first
            mine = self._accounts.sessions(jid.bare) if jid.bare in self._operators.names else ()
            await self._removal.remove(account, mine)
        return Outcome(f"{len(jids)} removed.")

    async def _end_sessions(self, values: Values) -> Outcome:
        """Ends the sessions of accounts; for a full address, only that session (XEP-0133 §4.5)."""
        count = 0
        targets = [_address(text) for text in values["accountjids"]]
        await self._operators.existing([jid.bare for jid in targets])
        for jid in targets:
            for session in self._accounts.sessions(jid.bare):
                if jid.resource in ("", session.jid.resource):
                    self._sessions.end(session, StreamError("policy-violation", "ended by an operator"))
                    count += 1
        return Outcome(f"{count} ended.")

    async def _change_password(self, values: Values) -> Outcome:
        (jid,) = await self._operators.existing(values["accountjid"][:1])
        account = await self._accounts.load(jid.bare)
        if account is None:
            raise StanzaError("item-not-found")
        await self._revocation.new_password(account, values["password"][0])
        return Outcome(f"The password of {jid.bare} was changed.")

    async def _announce(self, values: Values) -> Outcome:
        try:
            online = await self._announcing.announce("\n".join(values["announcement"]))
        except ValueError as error:
            raise StanzaError("not-acceptable", str(error)) from None
        return Outcome(f"{online} people are online and get it now. Others get it when they come online.")


def _address(text: str) -> JID:
    try:
        return parse_jid(text)
    except ValueError:
        raise StanzaError("bad-request", f"{text!r} is not an address") from None
