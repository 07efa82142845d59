"""XEP-0401: Ad-hoc Account Invitation Generation, and XEP-0379: an invited person becomes a contact.

Users can invite people to become contacts, and operators can invite people to create an account. The links
are the same as those of ``kith invite``.
"""

from __future__ import annotations

from datetime import UTC, datetime

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.ids import stamp
from kith.base.numbers import canonical
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.sessions.bans import Bans
from kith.features.commands import Command, Commands, Outcome, Values
from kith.features.forms import Field, to_boolean
from kith.ports.store import DocumentStore
from kith.records.invites import Invite, Invites, Taken, page_url, uri
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, prepare_local
from kith.wire.stanza import Stanza

INVITATION = "urn:xmpp:invite#invitation"
#: How long an invitation is valid, in seconds.
LIFETIME = 7 * 86400.0
#: How many invitations an account may create in an hour.
MAX_ASKED = 60
_PREAUTH = ns.tag(ns.PARS, "preauth")
_FIELDS = (
    Field("username", (), "text-single", "The name of the new account; empty: as they like"),
    Field("roster-subscription", ("1",), "boolean", "Be each other's contacts from the start"),
)


class Invitations(Feature):
    """Creates invitations.

    The setting ``user_invites`` says whether users may invite people to create an account here. Otherwise
    their invitations are only for people who have an account.
    """

    def __init__(
        self,
        config: Config,
        domain: Domain,
        store: DocumentStore,
        clock: Clock,
        randomness: Randomness,
        accounts: Accounts,
        bans: Bans,
        commands: Commands,
    ) -> None:
        self._config = config
        self._domain = domain
        self._clock = clock
        self._accounts = accounts
        self._invites = Invites(store, clock, randomness, bans.voids)
        self._asked = RateLimit(MAX_ASKED, 3600.0)
        commands.add(
            Command("urn:xmpp:invite#invite", "Invite somebody", self._is_here, self._invite, INVITATION)
        )
        commands.add(
            Command(
                "urn:xmpp:invite#create-account",
                "Invite somebody to an account",
                self._may_register,
                self._create_account,
                INVITATION,
                _FIELDS,
            )
        )

    def _is_here(self, asker: str) -> bool:
        return asker.endswith(f"@{self._domain.name}")

    def _is_operator(self, asker: str) -> bool:
        return asker in self._config.operators and self._config.invites

    def _may_register(self, asker: str) -> bool:
        return self._is_operator(asker)

    async def _invite(self, values: Values, asker: str) -> Outcome:
        """Runs the command for users (XEP-0401 §4.1): creates an invitation for one contact."""
        config = self._config
        register = config.invites and (config.user_invites or self._is_operator(asker))
        return await self._made(Invite(self._clock.now() + LIFETIME, asker, "", register, asker))

    async def _create_account(self, values: Values, asker: str) -> Outcome:
        """Runs the command for operators (XEP-0401 §4.4): creates an invitation, optionally for a given
        name.
        """
        text = (values.get("username") or [""])[0].strip()
        try:
            name = canonical(prepare_local(text)) if text else ""
            contact = asker if to_boolean((values.get("roster-subscription") or ["0"])[0]) else ""
        except ValueError:
            raise StanzaError("bad-request", "not a name that an account can have") from None
        if name and await self._accounts.load(f"{name}@{self._domain.name}") is not None:
            raise StanzaError("conflict", "the name is taken")
        return await self._made(Invite(self._clock.now() + LIFETIME, contact, name, True, asker))

    async def _made(self, invite: Invite) -> Outcome:
        if not self._asked.take(invite.maker, self._clock.steady()):
            raise StanzaError("policy-violation", "too many invitations in an hour", type="wait")
        try:
            token = await self._invites.create(invite)
        except OverflowError as error:
            raise StanzaError("resource-constraint", str(error)) from None
        except Taken as error:
            raise StanzaError("conflict", str(error)) from None
        url = page_url(self._config, token)
        expires = stamp(datetime.fromtimestamp(invite.expires, UTC))
        fields = [Field("uri", (uri(self._domain.name, token, invite),))]
        if url.startswith("https://"):
            fields.append(Field("landing-url", (url,)))
        return Outcome(fields=(*fields, Field("expire", (expires,))))

    async def subscription_wanted(self, account: JID, contact: JID, stanza: Stanza) -> bool:
        """Approves a subscription request with a token of an invitation by ``account``, once (XEP-0379
        §3.4).
        """
        element = stanza.child(_PREAUTH)
        token = element.get("token", "") if element is not None else ""
        if not token:
            return False
        invite = await self._invites.find(token)
        if invite is None or invite.contact != account.bare or invite.name:
            return False
        return await self._invites.use(token, invite)
