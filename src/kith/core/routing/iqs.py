"""The table of handlers for requests (iqs), and the namespaces that are announced for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kith.base.domain import Domain
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, Handler
from kith.core.hooks.table import Hooks
from kith.core.routing.hosts import Host, Hosts
from kith.core.routing.inquiries import Inquiries
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Iqs:
    """The iq handlers of the features, by what they answer; empty until `fill`.

    ``services``: the services of features by domain. If a component has the same domain, the component gets
    it.
    """

    def __init__(
        self,
        domain: Domain,
        hosts: Hosts,
        accounts: Accounts,
        inquiries: Inquiries,
        hooks: Hooks,
    ) -> None:
        self._domain = domain
        self._hosts = hosts
        self._accounts = accounts
        self._inquiries = inquiries
        self._hooks = hooks
        self.features: list[Feature] = []
        self.services: dict[str, str] = {}
        self._handlers: dict[tuple[str, str, str], Handler] = {}

    def fill(self, features: Sequence[Feature]) -> None:
        """Takes the handlers of all features, in order. To be called once."""
        self.features += features
        self.services |= _services(self._domain.name, features, self._hosts)
        self._handlers |= _handlers(features, list(self.services.values()))

    def handler(self, type: str, child: str, kind: str) -> Handler | None:
        """The handler for a request, or None.

        ``kind``: ``own``, ``account``, ``server``, or the name of a service.
        """
        return self._handlers.get((type, child, kind))

    def announced(self, account: bool) -> list[str]:
        """The namespaces that the server, or one of its accounts, announces (XEP-0030 §3.1)."""
        found: set[str] = set()
        for feature in self.features:
            found.update(feature.disco)
            found.update(feature.account_disco if account else feature.server_disco)
        return sorted(found)

    async def answer(self, sender: Sender, iq: Stanza, to: JID, handler: Handler) -> None:
        """Calls the handler of a feature, and sends its answer. Raises StanzaError.

        If the sender may not know that the account exists, errors are the same as for an account that does
        not (RFC 6121 §8.5.1).
        """
        unknown = (getattr(handler, "hidden_error", "") if iq.type == "get" else "") or "service-unavailable"
        others = to.local and to.bare != sender.bare
        known = await self._inquiries.admit(sender, to) if others else True
        try:
            if not others or await self._answers(sender, iq, to):
                children = await handler(sender, iq, to)
            elif (nobody := getattr(handler, "answer_for_missing", None)) is not None and not known:
                children = nobody(iq)
            else:
                raise StanzaError("service-unavailable")
        except StanzaError as error:
            if not known and error.condition != "policy-violation":
                raise StanzaError(unknown) from None
            raise
        result = iq.reply(*children)
        result.attrs["to"] = sender.full
        sender.send(result)

    async def _answers(self, sender: Sender, iq: Stanza, to: JID) -> bool:
        """Whether the account exists and has not blocked the sender. Raises StanzaError."""
        missing = await self._accounts.load(to.bare) is None
        try:  # the limits also count accounts that do not exist
            return self._hooks.stanza_in(sender.jid, to, iq) and not missing
        except StanzaError as error:
            if error.condition == "policy-violation":
                raise
            return False


def _services(domain: str, features: Sequence[Feature], hosts: Hosts) -> dict[str, str]:
    found: dict[str, str] = {}
    for feature in features:
        name = f"{feature.service}.{domain}"
        if feature.service and hosts.here(name) is None:
            hosts.add(name, cast(Host, feature))
            found[name] = feature.service
    return found


def _handlers(features: Sequence[Feature], services: Sequence[str]) -> dict[tuple[str, str, str], Handler]:
    handlers: dict[tuple[str, str, str], Handler] = {}
    for feature in features:
        for name in dir(feature):
            method = getattr(type(feature), name, None)
            for type_, child, to in getattr(method, "_iqs", ()):
                if to == "any":
                    kinds = ["server", "account", *services]
                else:
                    kinds = [feature.service if to == "service" else to]
                for kind in kinds:
                    handlers[type_, child, kind] = getattr(feature, name)
    return handlers
