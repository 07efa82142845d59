"""XEP-0133: Service Administration. What the commands of operators share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from kith.base.domain import Domain
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.features.commands import Command, Commands, Outcome, Values
from kith.features.forms import Field
from kith.records.audit import Actor, Audit
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid

ADMIN = "http://jabber.org/protocol/admin"
ACCOUNT = Field("accountjid", (), "jid-single", "The address of the account", required=True)
ACCOUNTS = Field("accountjids", (), "jid-multi", "The addresses of the accounts", required=True)
logger = structlog.get_logger("kith")

#: Runs a command with the values of its form.
Run = Callable[[Values], Awaitable[Outcome]]


class Operators:
    """What the operator commands share: who may use them, and parsing of their values.

    ``audit``: where their use is noted; None for commands that only show something.
    """

    def __init__(
        self,
        config: Config,
        domain: Domain,
        accounts: Accounts,
        commands: Commands,
        audit: Audit | None = None,
    ) -> None:
        self._audit = audit
        self._config = config
        self._domain = domain
        self._accounts = accounts
        self._commands = commands

    @property
    def names(self) -> list[str]:
        """The operators' addresses."""
        return self._config.operators

    def add(self, node: str, name: str, run: Run, *fields: Field) -> None:
        """Adds a command for operators only. Each use is logged."""

        async def logged(values: Values, asker: str) -> Outcome:
            outcome = await run(values)
            if self._audit is not None:
                await self._audit.note(Actor(asker, "xmpp"), node, ", ".join(_targets(values)))
            else:
                logger.info("operator's command", command=node, by=asker)
            return outcome

        def allowed(bare: str) -> bool:
            return bare in self.names

        self._commands.add(Command(f"{ADMIN}#{node}", name, allowed, logged, ADMIN, fields))

    def account_jid(self, text: str) -> JID:
        """Parses the address of an account of this domain. Raises StanzaError."""
        try:
            jid = parse_jid(text)
        except ValueError:
            raise StanzaError("bad-request", f"{text!r} is not an address") from None
        if not jid.local or jid.resource or not self._domain.holds(jid):
            raise StanzaError("bad-request", f"{text!r} is not an account of this server")
        return jid

    async def existing(self, texts: Sequence[str]) -> list[JID]:
        """Parses addresses of existing accounts. Raises StanzaError."""
        jids = [self.account_jid(text) for text in texts]
        for jid in jids:
            if await self._accounts.load(jid.bare) is None:
                raise StanzaError("item-not-found", f"there is no account {jid.bare}")
        return jids


def _targets(values: Values) -> Sequence[str]:
    """The addresses that a command is about."""
    return [*values.get("accountjid", ()), *values.get("accountjids", ())]
