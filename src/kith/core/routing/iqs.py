"""Requests and their answers (iqs): who handles them, and what is announced of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kith.base.domain import Domain
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import Work
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, Handler
from kith.core.hooks.table import Hooks
from kith.core.routing.asserted import Assertions
from kith.core.routing.hosts import Host, Hosts, Keeping
from kith.core.routing.inquiries import Inquiries
from kith.core.routing.post import Post
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
        post: Post,
        assertions: Assertions,
    ) -> None:
        self._domain = domain
        self._hosts = hosts
        self._accounts = accounts
        self._inquiries = inquiries
        self._hooks = hooks
        self._post = post
        self._assertions = assertions
        self.features: list[Feature] = []
        self.services: dict[str, str] = {}
        self._handlers: dict[tuple[str, str, str], Handler] = {}
        self._places: set[str] = set()  # the kinds of addresses at services

    def fill(self, features: Sequence[Feature]) -> None:
        """Takes the handlers of all features, in order. To be called once."""
        self.features += features
        self.services |= _services(self._domain.name, features, self._hosts)
        self._handlers |= _handlers(features, list(self.services.values()))
        self._places |= {kind for _, _, kind in self._handlers if kind.endswith("@")}

    def handler(self, type: str, child: str, kind: str) -> Handler | None:
        """The handler for a request, or None.

        ``kind``: ``own``, ``account``, ``server``, the name of a service, or that with an @ for its places.
        """
        return self._handlers.get((type, child, kind))

    def announced(self, account: bool) -> list[str]:
        """The namespaces that the server, or one of its accounts, announces (XEP-0030 §3.1)."""
        found: set[str] = set()
        for feature in self.features:
            found.update(feature.disco)
            found.update(feature.account_disco if account else feature.server_disco)
        return sorted(found)

    def route(self, sender: Sender, stanza: Stanza, to: JID | None) -> Work:
        """Handles an iq, or sends it on (RFC 6120 §8.2.3, RFC 6121 §8.5).

        ``to`` is None if it has no address. Raises StanzaError.
        """
        type = stanza.type
        if type not in ("get", "set", "result", "error") or not stanza.id:
            raise StanzaError("bad-request", "an iq has a type and an id")
        request = type in ("get", "set")
        if request and len(stanza.children) != 1:
            raise StanzaError("bad-request", "a request has one child")
        if to is not None and to.domain != self._domain.name:
            service = self.services.get(to.domain)
            if service is None or (to.resource and f"{service}@" in self._places):
                self._post.to_host(stanza, sender.jid, to, strict=request)
            elif request:
                kind = f"{service}@" if to.local else service
                handler = self.handler(type, stanza.children[0], kind)
                if handler is None:
                    missing = to.local and kind not in self._places
                    raise StanzaError("item-not-found" if missing else "service-unavailable")
                return self.answer(sender, stanza, to, handler)
            return None
        if to is not None and to.local and not self._post.is_owned(to.bare):
            self._post.to_host(stanza, sender.jid, to, strict=request)
            return None
        if to is not None and to.resource and to.local:
            account = self._accounts.get(to.bare)
            if request and not self._inquiries.knows_now(sender.bare, account):
                return self._iq_of_stranger(sender, stanza, to)
            self._iq_to_session(sender, stanza, to)
            return None
        if not request:
            self._hooks.iq_result(sender, stanza)
            return None
        key = type, stanza.children[0]
        address = to or self._domain.jid
        if to is None:
            assert sender.account is not None
            address = sender.account.address
        if address.local:
            own = self.handler(*key, "own")
            if own is not None:
                if sender.account is None or address != sender.account.address:
                    raise StanzaError("forbidden", "only for the owner of the account")
                return self.answer(sender, stanza, address, own)
        handler = self.handler(*key, "account" if address.local else "server")
        if handler is None:
            raise StanzaError("service-unavailable")
        return self.answer(sender, stanza, address, handler)

    async def _iq_of_stranger(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        """Delivers an iq to a session if its account knows the sender."""
        await self._inquiries.admit(sender, to)
        self._iq_to_session(sender, stanza, to)

    def _iq_to_session(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        """Delivers an iq to a session, or answers that there is none (RFC 6121 §8.5.3.2.3)."""
        account = self._accounts.get(to.bare)
        target = account.sessions.get(to.resource) if account is not None else None
        try:
            if target is None:
                raise StanzaError("service-unavailable")
            self._assertions.check_push(stanza, sender.jid, to)
            if self._hooks.stanza_in(sender.jid, to, stanza):
                target.send(stanza)
        except StanzaError:
            if stanza.type in ("get", "set"):
                raise

    async def answer(self, sender: Sender, iq: Stanza, to: JID, handler: Handler) -> None:
        """Calls the handler of a feature, and sends its answer. Raises StanzaError.

        If the sender may not know that the account exists, errors are the same as for an account that does
        not (RFC 6121 §8.5.1).
        """
        unknown = (getattr(handler, "hidden_error", "") if iq.type == "get" else "") or "service-unavailable"
        others = to.local and to.bare != sender.bare and self._domain.holds(to)
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
            if hasattr(feature, "admit"):
                hosts.keeping[name] = cast(Keeping, feature)
            found[name] = feature.service
    return found


#: What `_declared` has found.
_known: dict[type[Feature], Sequence[tuple[str, tuple[str, str, str]]]] = {}


def _declared(feature: type[Feature]) -> Sequence[tuple[str, tuple[str, str, str]]]:
    """The methods of a class that handle iqs: their names, each with a type, a child element and ``to``."""
    found = _known.get(feature)
    if found is None:
        found = _known[feature] = [
            (name, iq) for name in dir(feature) for iq in getattr(getattr(feature, name), "_iqs", ())
        ]
    return found


def _handlers(features: Sequence[Feature], services: Sequence[str]) -> dict[tuple[str, str, str], Handler]:
    handlers: dict[tuple[str, str, str], Handler] = {}
    for feature in features:
        for name, (type_, child, to) in _declared(type(feature)):
            if to == "any":
                kinds = ["server", "account", *services]
            else:
                kinds = [{"service": feature.service, "place": f"{feature.service}@"}.get(to, to)]
            for kind in kinds:
                handlers[type_, child, kind] = getattr(feature, name)
    return handlers
