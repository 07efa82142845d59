"""XEP-0357: Push Notifications, by the app servers of other clients.

An app server gets the name of a node, which it has made up for one installation of its client, how many
messages are new, and a fixed text in place of a message. It learns neither who was written to, nor by whom,
nor what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.base.domain import Domain
from kith.base.randomness import Randomness
from kith.config import Config
from kith.core.actors.account import Session
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.hosts import Hosts
from kith.core.routing.post import Post
from kith.features.forms import FORM_TYPE, Field, X, build_form, parse_form
from kith.push.carrier import Gone, Later, Wake
from kith.push.pushing import Pushing
from kith.push.registration import Registration
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

CARRIER = "xmpp"
#: What app servers get in place of a message. Those of clients for iOS wake the client only if there is a
#: text, and show this one if the client does not run in time.
BODY = "New message"
_ENABLE, _DISABLE = ns.tag(ns.PUSH, "enable"), ns.tag(ns.PUSH, "disable")
_PUBLISH_OPTIONS = ns.PUBSUB_PUBLISH_OPTIONS
#: How long to wait for the answer of an app server, in seconds.
_PATIENCE = 30.0
#: How large a node's name, and all values that go back to the app server, may be.
_MOST_NODE, _MOST_FORM, _MOST_FIELDS = 2048, 8192, 30
#: Errors with which an app server says that it does not know a node any more, or not for us.
_ENDS = frozenset(("item-not-found", "gone", "forbidden", "not-authorized", "not-acceptable"))
#: Errors that another attempt may not meet, whatever their type.
_PASSING = frozenset(
    (
        *("remote-server-not-found", "remote-server-timeout", "service-unavailable", "recipient-unavailable"),
        *("resource-constraint", "internal-server-error", "policy-violation"),
    )
)


class AppServers(Feature):
    """Takes registrations of clients, and is the carrier of pushes to their app servers."""

    disco = (ns.PUSH,)
    name = CARRIER

    def __init__(
        self,
        config: Config,
        domain: Domain,
        randomness: Randomness,
        hosts: Hosts,
        post: Post,
        pushing: Pushing,
    ) -> None:
        self._config = config
        self._domain = domain
        self._randomness = randomness
        self._hosts = hosts
        self._post = post
        self._pushing = pushing
        self._asked: dict[str, tuple[JID, asyncio.Future[Stanza]]] = {}
        pushing.carriers[CARRIER] = self
        post.returned.append(self._take)

    # -- registrations (XEP-0357 §5 and §6) ----------------------------------------------------------

    @handles_iq("set", ns.PUSH, "enable", to="own")
    async def enable(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        """Registers the client's device. A node of the same device at the same app server is replaced."""
        request = iq.child(_ENABLE)
        assert request is not None
        service = _service(request)
        node = request.get("node", "")
        if len(node) > _MOST_NODE:
            raise StanzaError("policy-violation", "the node's name is too long", type="modify")
        if not self._is_allowed(service):
            raise StanzaError("not-allowed", f"this server does not push to {service.domain}")
        registration = Registration(
            CARRIER, str(service), node, session.device, session.jid.resource, _options(request)
        )
        account = session.account
        older = [
            one.id
            for one in self._pushing.registered(account.id)
            if one.id != registration.id and (one.carrier, one.service) == (CARRIER, str(service))
            if (one.device and one.device == session.device) or one.resource == session.jid.resource
        ]
        await self._pushing.register(account, registration)
        await self._pushing.unregister(account.id, older)
        return ()

    @handles_iq("set", ns.PUSH, "disable", to="own")
    async def disable(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        """Removes the registration of a node, or, without a node, all at an app server."""
        request = iq.child(_DISABLE)
        assert request is not None
        service, node = str(_service(request)), request.get("node")
        gone = [
            one.id
            for one in self._pushing.registered(session.account.id)
            if (one.carrier, one.service) == (CARRIER, service) and node in (None, one.node)
        ]
        await self._pushing.unregister(session.account.id, gone)
        return ()

    def _is_allowed(self, service: JID) -> bool:
        """Whether the server may publish there. Its own services would obey its domain."""
        allowed, domain = self._config.push_services, service.domain
        if self._domain.holds(service):
            return False
        if self._hosts.here(domain) is not None:
            return domain in self._config.components or domain in allowed
        return self._hosts.remote is not None and (not allowed or domain in allowed)

    # -- pushes (XEP-0357 §7) ------------------------------------------------------------------------

    def place(self, registration: Registration) -> str:
        return registration.service

    async def push(self, owner: str, registration: Registration, wake: Wake) -> None:
        """Publishes a notification. An app server that does not answer is taken to have it: other servers may
        not be able to answer, and repeating would wake the device twice.
        """
        service, id = parse_jid(registration.service), self._randomness.token(12)
        iq = Stanza.build(
            "iq",
            {"type": "set", "id": id, "from": self._domain.name, "to": registration.service},
            notification(registration, wake),
        )
        answered: asyncio.Future[Stanza] = asyncio.get_running_loop().create_future()
        self._asked[id] = service, answered
        try:
            self._post.to_host(iq, self._domain.jid, service, strict=True)
            async with asyncio.timeout(_PATIENCE):
                answer = await answered
        except StanzaError as error:
            raise Later(f"{service.domain}: {error.condition}") from None
        except TimeoutError:
            return
        finally:
            del self._asked[id]
        if answer.type == "error":
            _refused(service, answer)

    def iq_result(self, sender: Sender, iq: Stanza) -> bool:
        asked = self._asked.get(iq.id)
        if asked is None or sender.jid != asked[0]:
            return False
        self._take(iq)
        return True

    def _take(self, iq: Stanza) -> None:
        """An answer has come, or our own server could not send the request."""
        asked = self._asked.get(iq.id)
        if asked is not None and not asked[1].done():
            asked[1].set_result(iq)


def _refused(service: JID, answer: Stanza) -> None:
    """An app server has answered with an error. Raises Gone, Later."""
    error = next((child for child in answer.element if child.tag.endswith("}error")), None)
    names = [child.tag.rpartition("}")[2] for child in (error if error is not None else ())]
    condition = next((name for name in names if name != "text"), "undefined-condition")
    if condition in _ENDS:
        raise Gone(f"{service.domain}: {condition}")
    passing = condition in _PASSING or (error is not None and error.get("type") == "wait")
    raise Later(f"{service.domain}: {condition}", mistake=not passing)


def _service(request: Element) -> JID:
    """The address of an app server in a request. Raises StanzaError."""
    try:
        return parse_jid(request.get("jid", ""))
    except ValueError:
        raise StanzaError("bad-request", "jid has to be the address of the push service") from None


def _options(request: Element) -> list[tuple[str, str]]:
    """What an app server wants to get back with each push (XEP-0357 §5). Raises StanzaError."""
    element = request.find(X)
    if element is None:
        return []
    submitted = parse_form(element)
    if submitted.type != "submit" or submitted.form_type != _PUBLISH_OPTIONS:
        raise StanzaError("bad-request", f"the form has to be one of {_PUBLISH_OPTIONS}, and submitted")
    pairs = [(var, value) for var, values in submitted.values.items() for value in values if var != FORM_TYPE]
    if len(pairs) > _MOST_FIELDS or sum(len(var) + len(value) for var, value in pairs) > _MOST_FORM:
        raise StanzaError("policy-violation", "the form is too big", type="modify")
    return pairs


def notification(registration: Registration, wake: Wake) -> Element:
    """The request that publishes a push at an app server (XEP-0357 §7)."""
    pubsub = Element(ns.tag(ns.PUBSUB, "pubsub"))
    publish = SubElement(pubsub, ns.tag(ns.PUBSUB, "publish"))
    if registration.node:
        publish.set("node", registration.node)
    item = SubElement(publish, ns.tag(ns.PUBSUB, "item"))
    content = SubElement(item, ns.tag(ns.PUSH, "notification"))
    summary = [Field("message-count", [str(wake.count)]), Field("last-message-body", [BODY])]
    content.append(build_form("form", ns.PUSH_SUMMARY, summary))
    if registration.form:
        options = SubElement(pubsub, ns.tag(ns.PUBSUB, "publish-options"))
        values: dict[str, list[str]] = {}
        for var, value in registration.form:
            values.setdefault(var, []).append(value)
        fields = [Field(var, found) for var, found in values.items()]
        options.append(build_form("submit", _PUBLISH_OPTIONS, fields))
    return pubsub
