"""XEP-0215: External Service Discovery. Clients learn by it how to reach relays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.calls.relays import SharedSecretRelays
from kith.config import Config
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.ports.relay import Relays, RelayService
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_SERVICES, _SERVICE, _CREDENTIALS = (
    ns.tag(ns.EXTERNAL_SERVICES, name) for name in ("services", "service", "credentials")
)
#: How often an account may ask: a burst, and as often in so many seconds. A call asks about twice.
MAX_REQUESTS, SECONDS = 60, 600.0


class TooOften(Exception):
    """An account has asked too often. ``seconds``: until it may ask again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"ask again in {seconds:.0f} seconds")
        self.seconds = seconds


class ExternalServices(Feature):
    """Tells the accounts of this server about relays. Nobody else may use them."""

    server_disco = (ns.EXTERNAL_SERVICES,)

    def __init__(self, domain: Domain, config: Config, clock: Clock, randomness: Randomness) -> None:
        self._domain = domain
        self._clock = clock
        self._relays: Relays = SharedSecretRelays(config, clock, randomness)
        self._limit = RateLimit(MAX_REQUESTS, SECONDS)

    def give(self, account: JID) -> Sequence[RelayService]:
        """The services for an account of this server, with new credentials. Raises `TooOften`."""
        now = self._clock.steady()
        if not self._limit.take(account.bare, now):
            raise TooOften(self._limit.wait(account.bare, now))
        return self._relays.services(account.local)

    @handles_iq("get", ns.EXTERNAL_SERVICES, "services", to="server")
    async def services(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """All services, or those of the type that is asked for (§3.1, §3.2)."""
        request = iq.child(_SERVICES)
        wanted = request.get("type") if request is not None else None
        answer = Element(_SERVICES, {"type": wanted} if wanted else {})
        answer.extend(_element(found) for found in self._found(sender) if wanted in (None, found.url.scheme))
        return (answer,)

    @handles_iq("get", ns.EXTERNAL_SERVICES, "credentials", to="server")
    async def credentials(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """New credentials for the services of a host (§3.3)."""
        request = iq.child(_CREDENTIALS)
        asked = request.find(_SERVICE) if request is not None else None
        if asked is None or not asked.get("host") or not asked.get("type"):
            raise StanzaError("bad-request", "a service has a type and a host")
        answer = Element(_CREDENTIALS)
        answer.extend(
            _element(found)
            for found in self._found(sender)
            if found.url.host == asked.get("host")
            and found.url.scheme == asked.get("type")
            and asked.get("port") in (None, str(found.url.port))
        )
        if not len(answer):
            raise StanzaError("item-not-found", "there is no such service")
        return (answer,)

    def _found(self, sender: Sender) -> Sequence[RelayService]:
        """What the sender of a request may use. Raises StanzaError."""
        if not self._domain.holds(sender.jid):
            raise StanzaError("forbidden", "relays are for the accounts of this server")
        try:
            return self.give(sender.jid)
        except TooOften as error:
            raise StanzaError("resource-constraint", f"{error}", type="wait") from None


def _element(service: RelayService) -> Element:
    url = service.url
    attrs = {"type": url.scheme, "host": url.host, "port": str(url.port), "transport": url.transport}
    if service.username:
        expires = datetime.fromtimestamp(service.expires, UTC)
        attrs |= {
            "username": service.username,
            "password": service.password,
            "restricted": "true",
            "expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    return Element(_SERVICE, attrs)
