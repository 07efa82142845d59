"""Permits accounts to get files from other servers through the media server (docs/media.md)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.rates import RateLimit
from kith.base.secret import Secret
from kith.config import Config
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.edge.media_origin import canonical_origin
from kith.media import foreign
from kith.media.connection import shared_secret
from kith.media.proxy import PATH
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_FETCH = ns.tag(ns.MEDIA, "fetch")
#: How many files one account may ask for at once, and then in each minute.
FETCHES_PER_MINUTE = 120


class Fetching(Feature):
    """Answers with an address at the media server, which contains the permission."""

    service = "upload"

    def __init__(self, config: Config, clock: Clock, secret: Secret) -> None:
        self._config = config
        self._clock = clock
        self._key = shared_secret(config, secret).key(foreign.USE)
        self._fetches = RateLimit(FETCHES_PER_MINUTE, 60.0)

    @handles_iq("get", ns.MEDIA, "fetch", to="service")
    async def fetch(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Permits one file."""
        if sender.account is None:
            raise StanzaError("not-allowed", "only accounts of this server get files through it")
        if self._config.media_proxy == "off":
            raise StanzaError("service-unavailable", "this server does not get files from other servers")
        if not self._fetches.take(sender.account.id, self._clock.steady()):
            raise StanzaError("resource-constraint", "too many files at once", type="wait")
        request = iq.child(_FETCH)
        assert request is not None
        try:
            url = foreign.checked(request.get("url", ""), self._config.media_proxy == "private")
        except foreign.NotFetchable as error:
            raise StanzaError("not-acceptable", str(error)) from None
        origin = canonical_origin(self._config)
        if str(url.origin()) == origin:
            raise StanzaError("not-acceptable", "the file is at this server")
        expires = int(self._clock.now()) + foreign.VALID
        token = foreign.sign(foreign.Permission(str(url), str(sender.account.id), expires), self._key)
        return (Element(_FETCH, {"url": f"{origin}{PATH}{token}"}),)
