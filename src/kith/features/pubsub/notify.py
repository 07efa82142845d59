"""Sends events of nodes (XEP-0163 §5, XEP-0060 §9).

Recipients are subscribers, and those sessions of the owner and of contacts who get the owner's presence whose
clients have announced ``<node>+notify``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from kith.base.ids import stamp
from kith.base.randomness import Randomness
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Roster
from kith.core.routing.post import Post
from kith.features.forms import Field, build_form
from kith.features.pubsub.access import refusal, roster_of
from kith.features.pubsub.config import NodeConfig, fields
from kith.features.pubsub.nodes import Item, Node
from kith.wire import ns
from kith.wire.jid import JID, parse_jid
from kith.wire.serialize import escape_attribute, serialize
from kith.wire.stanza import Stanza

EVENT = ns.tag(ns.PUBSUB_EVENT, "event")
_DELAY = ns.tag(ns.DELAY, "delay")
_MESSAGE = ns.tag(ns.CLIENT, "message")
NOTIFY = "+notify"
AUTHORIZATION = f"{ns.PUBSUB}#subscribe_authorization"


def items_event(node: Node, id: str | None, item: Item | None) -> bytes:
    """The event for a published item, with its payload if the node delivers payloads."""
    inner = b""
    if item is not None:
        payload = item.payload if node.config.deliver_payloads else b""
        publisher = f" publisher='{escape_attribute(item.publisher)}'" if item.publisher else ""
        inner = f"<item id='{escape_attribute(id or '')}'{publisher}>".encode() + payload + b"</item>"
    return _event("items", node.name, inner)


def retract_event(node: Node, id: str) -> bytes:
    return _event("items", node.name, f"<retract id='{escape_attribute(id)}'/>".encode())


def delete_event(node: Node) -> bytes:
    return _event("delete", node.name, b"")


def purge_event(node: Node) -> bytes:
    return _event("purge", node.name, b"")


def configuration_event(node: Node) -> bytes:
    inner = b""
    if node.config.deliver_payloads:
        form = build_form("result", ns.PUBSUB_NODE_CONFIG, fields(node.config, fixed=False))
        inner = serialize(form, ns.PUBSUB_EVENT)
    return _event("configuration", node.name, inner)


def subscription_event(node: Node, jid: str, subscription: str) -> bytes:
    """The event for a subscription that an owner has changed (XEP-0060 §8.8.4)."""
    attrs = {"node": node.name, "jid": jid, "subscription": subscription}
    event = Element(EVENT)
    SubElement(event, ns.tag(ns.PUBSUB_EVENT, "subscription"), attrs)
    return serialize(event)


def _event(name: str, node: str, inner: bytes) -> bytes:
    head = f"<event xmlns='{ns.PUBSUB_EVENT}'><{name} node='{escape_attribute(node)}'>".encode()
    return head + inner + f"</{name}></event>".encode()


def delay(published: float) -> bytes:
    """``<delay/>`` (XEP-0203) for an item that is not new."""
    return serialize(Element(_DELAY, {"stamp": stamp(datetime.fromtimestamp(published, UTC))}))


class Notifier:
    """Sends events from an account.

    ``interests``: gives the features of a session's client. ``elsewhere``: gives the clients of a bare
    address on another server, with their features.
    """

    def __init__(
        self,
        randomness: Randomness,
        accounts: Accounts,
        post: Post,
        interests: Callable[[Session], frozenset[str]],
        elsewhere: Callable[[str], Iterable[tuple[JID, frozenset[str]]]],
    ) -> None:
        self._randomness = randomness
        self._accounts = accounts
        self._post = post
        self._interests = interests
        self._elsewhere = elsewhere

    def interested(self, session: Session, node: str) -> bool:
        return session.presence is not None and node + NOTIFY in self._interests(session)

    async def publish(self, owner: JID, node: Node, inner: bytes) -> None:
        """Sends an event to all recipients."""
        if not node.config.deliver_notifications:
            return
        roster = await roster_of(self._accounts, owner)
        for to in self.recipients(owner, node, roster):
            self.send(owner, to, inner, node.config)

    def recipients(self, owner: JID, node: Node, roster: Roster) -> Iterator[JID]:
        """The recipients: interested sessions, then subscribers that have no interested session."""
        told: set[str] = set()
        for bare in (owner.bare, *roster.contacts_from()) if owner.local else ():
            if bare in told or refusal(node, roster, owner.bare, bare) is not None:
                continue
            for session in self._accounts.sessions(bare):
                if self.interested(session, node.name):
                    told.add(bare)
                    yield session.jid
            for jid, features in self._elsewhere(bare):
                if node.name + NOTIFY in features:
                    told.add(bare)
                    yield jid
        for subscriber in node.record.subscribers:
            jid = parse_jid(subscriber)
            if jid.bare not in told and refusal(node, roster, owner.bare, jid.bare) is None:
                yield jid

    def send(self, owner: JID, to: JID, inner: bytes, config: NodeConfig) -> None:
        """Sends one event."""
        attrs = {"from": owner.bare, "to": str(to), "id": self._randomness.hex(8)}
        if config.notification_type == "headline":
            attrs["type"] = "headline"
        self._post.route(Stanza(_MESSAGE, attrs, inner, [EVENT]), owner, to)

    def ask_owners(self, owner: JID, node: Node, jid: str) -> None:
        """Asks the owners to approve a subscription request (XEP-0060 §8.6)."""
        form = build_form(
            "form",
            AUTHORIZATION,
            (
                Field("pubsub#node", (node.name,), label="Node"),
                Field("pubsub#subscriber_jid", (jid,), "jid-single", "Subscriber"),
                Field("pubsub#allow", ("0",), "boolean", "Allow the subscription?"),
            ),
        )
        owners = [bare for bare, standing in node.record.affiliations.items() if standing == "owner"]
        for bare in (owner.bare, *owners) if owner.local else owners:
            attrs = {"from": owner.bare, "to": bare, "id": self._randomness.hex(8)}
            self._post.route(Stanza.build("message", attrs, form), owner, parse_jid(bare))

    def last(self, owner: JID, to: JID, node: Node, id: str, item: Item) -> None:
        """Sends the last item to somebody who has come online (XEP-0163 §5.3.4)."""
        self.send(owner, to, items_event(node, id, item) + delay(item.published), node.config)
