"""The use cases of XEP-0060 that are supported, and how to find the one of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from kith.features.pubsub import items, members, owner
from kith.features.pubsub.errors import unsupported
from kith.features.pubsub.request import Request, Service
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.stanza import Stanza

UseCase = Callable[[Service, Request], Awaitable[Sequence[Element]]]
_USE_CASES: dict[tuple[str, str], UseCase] = {
    ("set", ns.tag(ns.PUBSUB, "publish")): items.publish,
    ("set", ns.tag(ns.PUBSUB, "retract")): items.retract,
    ("get", ns.tag(ns.PUBSUB, "items")): items.retrieve,
    ("set", ns.tag(ns.PUBSUB, "create")): owner.create,
    ("set", ns.tag(ns.PUBSUB, "subscribe")): members.subscribe,
    ("set", ns.tag(ns.PUBSUB, "unsubscribe")): members.unsubscribe,
    ("get", ns.tag(ns.PUBSUB, "subscriptions")): members.own_subscriptions,
    ("get", ns.tag(ns.PUBSUB, "affiliations")): members.own_affiliations,
    ("get", ns.tag(ns.PUBSUB_OWNER, "default")): owner.default,
    ("get", ns.tag(ns.PUBSUB_OWNER, "configure")): owner.configuration,
    ("set", ns.tag(ns.PUBSUB_OWNER, "configure")): owner.configure,
    ("set", ns.tag(ns.PUBSUB_OWNER, "delete")): owner.delete,
    ("set", ns.tag(ns.PUBSUB_OWNER, "purge")): owner.purge,
    ("get", ns.tag(ns.PUBSUB_OWNER, "affiliations")): members.affiliations,
    ("set", ns.tag(ns.PUBSUB_OWNER, "affiliations")): members.set_affiliations,
    ("get", ns.tag(ns.PUBSUB_OWNER, "subscriptions")): members.subscriptions,
    ("set", ns.tag(ns.PUBSUB_OWNER, "subscriptions")): members.set_subscriptions,
}
#: Unsupported features of XEP-0060, by the elements that request them (§10).
_UNSUPPORTED = {
    ("get", ns.tag(ns.PUBSUB, "options")): "subscription-options",
    ("set", ns.tag(ns.PUBSUB, "options")): "subscription-options",
    ("get", ns.tag(ns.PUBSUB, "default")): "retrieve-default-sub",
}
#: Features of XEP-0060 §10 that all services of this server have.
FEATURES = (
    "access-authorize",
    "access-open",
    "access-whitelist",
    "config-node",
    "config-node-max",
    "create-and-configure",
    "create-nodes",
    "delete-items",
    "delete-nodes",
    "item-ids",
    "last-published",
    "manage-subscriptions",
    "member-affiliation",
    "meta-data",
    "modify-affiliations",
    "multi-items",
    "outcast-affiliation",
    "owner",
    "persistent-items",
    "publish",
    "publish-options",
    "publisher-affiliation",
    "purge-nodes",
    "retract-items",
    "retrieve-affiliations",
    "retrieve-default",
    "retrieve-items",
    "retrieve-subscriptions",
    "rsm",
    "subscribe",
)


class Found(NamedTuple):
    """The use case of a request, its ``<pubsub/>``, and the child element that names the use case."""

    use_case: UseCase
    parent: Element
    command: Element


def find(iq: Stanza) -> Found:
    """Finds the use case of a request. Raises StanzaError if there is none."""
    parent = iq.child(iq.children[0])
    if parent is None:
        raise StanzaError("bad-request")
    for command in parent:
        use_case = _USE_CASES.get((iq.type, command.tag))
        if use_case is not None:
            return Found(use_case, parent, command)
        if (iq.type, command.tag) in _UNSUPPORTED:
            raise unsupported(_UNSUPPORTED[iq.type, command.tag])
    raise StanzaError("bad-request" if not len(parent) else "feature-not-implemented")
