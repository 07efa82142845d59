"""XEP-0077 and XEP-0445: creating an account (possibly with an invitation), changing its password,
deleting it.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.base.addresses import network
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.numbers import canonical
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.config import Config
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.actors.visitor import Visitor
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.subscriptions import Subscriptions
from kith.core.sessions.bans import Bans
from kith.core.sessions.removal import Removal
from kith.core.sessions.revocation import Revocation
from kith.ports.store import Store
from kith.records.invites import Invite, Invites
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid, prepare_local
from kith.wire.stanza import Stanza

QUERY = ns.tag(ns.REGISTER, "query")
_PREAUTH = ns.tag(ns.PARS, "preauth")
_STREAM_FEATURE = "{http://jabber.org/features/iq-register}register"
_TOKEN_FEATURE = "{urn:xmpp:ibr-token:0}register"
_REMOVE, _USERNAME, _PASSWORD, _REGISTERED, _INSTRUCTIONS = (
    ns.tag(ns.REGISTER, name) for name in ("remove", "username", "password", "registered", "instructions")
)
#: Rate limit for one network address: how many accounts created, taken names and wrong invitations at once,
#: and seconds until one more is allowed.
_MAX_ACCOUNTS, _SECONDS = 10, 3600.0
_MAX_NAME = 64


class Registration(Feature):
    """In-band registration.

    The setting ``registration`` says who may create an account: nobody, invited people, or everybody.
    """

    server_disco = (ns.REGISTER,)

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        randomness: Randomness,
        store: Store,
        accounts: Accounts,
        subscriptions: Subscriptions,
        revocation: Revocation,
        removal: Removal,
        bans: Bans,
    ) -> None:
        self._config = config
        self._domain = domain
        self._clock = clock
        self._store = store
        self._accounts = accounts
        self._subscriptions = subscriptions
        self._revocation = revocation
        self._removal = removal
        self._bans = bans
        self.invites = Invites(store, clock, randomness, bans.voids)
        self._made = RateLimit(_MAX_ACCOUNTS, _SECONDS)
        self._admitted: dict[Visitor, tuple[str, Invite]] = {}

    # -- before the login ------------------------------------------------------------------------

    def login_features(self) -> Sequence[Element]:
        if not self._config.invites:
            return ()
        return (Element(_TOKEN_FEATURE), Element(_STREAM_FEATURE))

    async def before_login(self, visitor: Visitor, iq: Stanza) -> Sequence[Element] | None:
        """Answers a request before the login. Returns None if it is not for this feature."""
        if not self._config.invites or len(iq.children) != 1:
            return None
        if iq.type == "set" and iq.children[0] == _PREAUTH:
            return await self._preauth(visitor, iq)
        if iq.children[0] != QUERY:
            return None
        self._must_be_admitted(visitor)
        if iq.type == "get":
            form = Element(QUERY)
            SubElement(form, _INSTRUCTIONS).text = "Choose a name and a password."
            for name in (_USERNAME, _PASSWORD):
                SubElement(form, name)
            return (form,)
        return await self._register(visitor, iq)

    def login_over(self, visitor: Visitor) -> None:
        self._admitted.pop(visitor, None)

    def _must_be_admitted(self, visitor: Visitor) -> None:
        if visitor not in self._admitted and self._config.registration != "open":
            raise StanzaError("not-authorized", "an invitation is needed", type="auth")

    def _count(self, visitor: Visitor) -> None:
        place = network(visitor.security.address)
        if place and not self._made.take(place, self._clock.steady()):
            raise StanzaError("resource-constraint", "too many accounts from this address", type="wait")

    async def _preauth(self, visitor: Visitor, iq: Stanza) -> Sequence[Element]:
        """Checks the token of an invitation (XEP-0445 §4). It may expire afterwards."""
        self._count(visitor)
        child = iq.child(_PREAUTH)
        token = child.get("token", "") if child is not None else ""
        invite = await self.invites.find(token)
        if invite is None or not invite.register:
            raise StanzaError("item-not-found", "the invitation is invalid or has expired")
        self._admitted[visitor] = (token, invite)
        return ()

    async def _register(self, visitor: Visitor, iq: Stanza) -> Sequence[Element]:
        query = iq.child(QUERY)
        name = (query.findtext(_USERNAME) or "").strip() if query is not None else ""
        password = (query.findtext(_PASSWORD) or "") if query is not None else ""
        try:
            local = canonical(prepare_local(name))
        except ValueError:
            raise StanzaError("jid-malformed", "not a name") from None
        if len(local) > _MAX_NAME:
            raise StanzaError("not-acceptable", "the name is too long")
        jid = JID(local, self._domain.name)
        ban = self._bans.of_registration(jid.bare)
        ban = ban or self._bans.of_address(visitor.security.address, "registration")
        if ban is not None:
            raise StanzaError("forbidden", ban.text)
        token, invite = self._admitted.get(visitor, ("", None))
        if jid.bare in self._config.operators and (invite is None or invite.name != local):
            raise StanzaError("conflict", "the name is reserved for an operator")
        if invite is not None and invite.name and invite.name != local:
            raise StanzaError("not-allowed", "the invitation is for another name")
        if invite is not None and await self._bans.voids(invite):  # since it was presented
            raise StanzaError("item-not-found", "the invitation is invalid or has expired")
        if not token:
            self._count(visitor)
        keys = await self._revocation.keys(password)
        if await self.invites.reserved(local, token):
            raise StanzaError("conflict", "the name is reserved for somebody who is invited")
        if invite is not None and not await self.invites.use(token, invite):
            raise StanzaError("item-not-found", "the invitation was used")
        if not await self._accounts.create([(jid.bare, keys)]):
            if token and invite is not None:
                await self.invites.restore(token, invite)
                # so that an invitation can't be used to find out which accounts exist
                self._count(visitor)
            raise StanzaError("conflict", "the name is taken")
        self._admitted.pop(visitor, None)
        if invite is not None and invite.contact:
            await self._subscriptions.befriend(jid.bare, invite.contact)
        return ()

    # -- one's own account -----------------------------------------------------------------------

    @handles_iq("get", ns.REGISTER, "query", to="server")
    async def registered(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        account = sender.account
        if account is None:
            raise StanzaError("service-unavailable")
        query = Element(QUERY)
        SubElement(query, _REGISTERED)
        SubElement(query, _USERNAME).text = account.address.local
        SubElement(query, _PASSWORD)
        return (query,)

    @handles_iq("get", ns.REGISTER, "query", to="own")
    async def own(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        return await self.registered(session, iq, to)

    @handles_iq("set", ns.REGISTER, "query", to="own")
    async def change_own(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        return await self.change(session, iq, to)

    @handles_iq("set", ns.REGISTER, "query", to="server")
    async def change(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        if not isinstance(sender, Session):
            raise StanzaError("service-unavailable")
        query = iq.child(QUERY)
        if query is None:
            raise StanzaError("bad-request")
        if query.find(_REMOVE) is not None:
            if len(query) != 1:
                raise StanzaError("bad-request", "only <remove/>")
            return await self._remove(sender)
        return await self._change_password(sender, query)

    async def _change_password(self, session: Session, query: Element) -> Sequence[Element]:
        """Changes the password (XEP-0077 §3.3). The tokens of all devices and all other sessions end."""
        account = session.account
        if session.credential:
            raise StanzaError("not-allowed", "not with an app password")
        record = await self._store.account(account.jid)
        if record is None or not record.keys:
            raise StanzaError("not-allowed", "this account has no password: make app passwords")
        name, password = query.findtext(_USERNAME), query.findtext(_PASSWORD)
        if name is None or not password:
            raise StanzaError("bad-request", "name and password are needed")
        if self._named(name) != account.address.local:
            raise StanzaError("forbidden", "only one's own password")
        await self._revocation.new_password(account, password, session)
        return ()

    def _named(self, name: str) -> str:
        """The prepared local part for a name, which may include the domain; empty if it is invalid."""
        local, at, domain = name.strip().partition("@")
        try:
            return prepare_local(local) if not at or parse_jid(domain) == self._domain.jid else ""
        except ValueError:
            return ""

    async def _remove(self, session: Session) -> Sequence[Element]:
        """Deletes the account (XEP-0077 §3.2). This session ends after the answer, all others at once."""
        if session.credential:
            raise StanzaError("not-allowed", "not with an app password")
        await self._removal.remove(session.account, (session,))
        return ()
