"""What a stanza says in the name of a server, an archive or a room is taken out unless they have said it.

Clients believe such elements: the id that an account's archive gave to a message (XEP-0359), a copy of what
another device sent (XEP-0280), a page of the archive (XEP-0313), the time at which a server held a message
back (XEP-0203). So every stanza that comes in, from a client, a component or another server, passes here
before it is logged, delivered or routed. What the server adds itself comes after that.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from kith.core.hosts import Hosts
from kith.wire import ns
from kith.wire.canonical import canonical
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_STANZA_ID = ns.tag(ns.STANZA_ID, "stanza-id")
_ARCHIVED = ns.tag("urn:xmpp:mam:tmp", "archived")  # what XEP-0313 had before XEP-0359
_FORWARDED = ns.tag(ns.FORWARD, "forwarded")
_ADDRESSES = ns.tag("http://jabber.org/protocol/address", "addresses")
_ADDRESS = ns.tag("http://jabber.org/protocol/address", "address")
_MESSAGES = (ns.tag(ns.CLIENT, "message"), ns.tag(ns.SERVER, "message"))
_IDS = (_STANZA_ID, _ARCHIVED)
#: Requests that only a client's own server makes of it (RFC 6121 §2.1.6, XEP-0191 §3.3).
_PUSHES = frozenset(
    (ns.tag(ns.ROSTER, "query"), ns.tag(ns.BLOCKING, "block"), ns.tag(ns.BLOCKING, "unblock"))
)


class Assertions:
    """Takes out of stanzas what their senders may not say. ``domain`` is the server's name."""

    def __init__(self, domain: str, hosts: Hosts) -> None:
        self._domain = domain
        self._hosts = hosts
        rules: dict[str, Callable[[Element, JID], bool]] = {
            _STANZA_ID: self._is_own_id,
            _ARCHIVED: self._is_own_id,
            _FORWARDED: self._clean_forwarded,
            _ADDRESSES: self._clean_addresses,
            ns.tag(ns.DELAY, "delay"): self._is_own_delay,
            ns.tag("jabber:x:delay", "x"): self._is_own_delay,
        }
        for name in ("sent", "received"):  # an account's copies come from its own server alone
            rules[ns.tag(ns.CARBONS, name)] = _never
        for version in ("tmp", "0", "1", "2"):
            for name in ("result", "fin"):
                rules[ns.tag(f"urn:xmpp:mam:{version}", name)] = self._is_archive
        for tag in (
            ns.tag("urn:xmpp:occupant-id:0", "occupant-id"),
            ns.tag("urn:xmpp:message-retract:0", "retracted"),
            ns.tag(ns.RETRACT, "retracted"),
            ns.tag("urn:xmpp:message-moderate:0", "moderated"),
            ns.tag("urn:xmpp:message-moderate:1", "moderated"),
            ns.tag(ns.PUBSUB_EVENT, "event"),
        ):
            rules[tag] = self._is_service
        self._rules = rules
        #: Clark names of the elements that are looked at.
        self.names = frozenset(rules)

    def check(self, stanza: Stanza, sender: JID) -> None:
        """Takes out the children that ``sender`` may not send. To be called if there is one of `names`."""
        tree = stanza.element
        before = len(tree)
        changed = False
        for child in list(tree):
            rule = self._rules.get(child.tag)
            if rule is None:
                continue
            if not rule(child, sender):
                tree.remove(child)
            changed = changed or child.tag in (_FORWARDED, _ADDRESSES)
        if changed or len(tree) != before:
            stanza.replace_children(tree)

    def check_push(self, iq: Stanza, sender: JID, to: JID) -> None:
        """Raises StanzaError if somebody else makes a request that is the server's (RFC 6121 §2.1.6)."""
        if iq.type == "set" and not _PUSHES.isdisjoint(iq.children) and sender.bare != to.bare:
            raise StanzaError("service-unavailable")

    def renewed(self, data: bytes) -> bytes:
        """A stored message as it would be stored today, where an older version was not as strict."""
        if b"<![" not in data and b"stanza-id" not in data:
            return data
        stanza = Stanza.from_bytes(data)
        try:
            sender = parse_jid(stanza.attrs.get("from", ""))
        except ValueError:
            return canonical(data)
        tree = stanza.element
        for child in [child for child in tree if child.tag in _IDS]:
            if not self._is_own_id(child, sender):
                tree.remove(child)
        stanza.replace_children(tree)
        return stanza.to_bytes()

    # -- rules: whether the element may stay -------------------------------------------------------

    def _is_here(self, domain: str) -> bool:
        return domain == self._domain

    def _is_own_id(self, element: Element, sender: JID) -> bool:
        """A room gives ids to its own messages (XEP-0359 §5); accounts here get theirs from the server."""
        by = _jid(element.get("by"))
        return by is not None and by.bare == sender.bare and not self._is_here(by.domain)

    def _is_own_delay(self, element: Element, sender: JID) -> bool:
        """Who held a stanza back names itself; that it was this server, only this server says."""
        origin = element.get("from")
        if origin is None:
            return True
        jid = _jid(origin)
        if jid is None:
            return False
        if self._is_here(jid.domain):
            return jid.bare == sender.bare
        return self._hosts.here(jid.domain) is None or jid.domain == sender.domain

    def _is_archive(self, element: Element, sender: JID) -> bool:
        """Archives are accounts, rooms and services elsewhere, which speak from bare addresses."""
        return not self._is_here(sender.domain) and not sender.resource

    def _is_service(self, element: Element, sender: JID) -> bool:
        """No client of this server is a room or a pubsub service."""
        return not self._is_here(sender.domain)

    def _clean_addresses(self, element: Element, sender: JID) -> bool:
        """``ofrom`` names who sent a message before a multicast service passed it on."""
        for address in element.findall(_ADDRESS):
            if address.get("type") == "ofrom":
                jid = _jid(address.get("jid"))
                if (
                    jid is None
                    or jid.domain != sender.domain
                    or (self._is_here(sender.domain) and jid.bare != sender.bare)
                ):
                    element.remove(address)
        return True

    def _clean_forwarded(self, element: Element, sender: JID) -> bool:
        """Messages that are passed on (XEP-0297) have no ids of archives here, however deep they lie."""
        for message in element.iter():
            if message.tag in _MESSAGES:
                for child in [child for child in message if child.tag in _IDS]:
                    by = _jid(child.get("by"))
                    if by is None or self._is_here(by.domain):
                        message.remove(child)
        return True


def _never(element: Element, sender: JID) -> bool:
    return False


def _jid(text: str | None) -> JID | None:
    try:
        return parse_jid(text or "")
    except ValueError:
        return None
