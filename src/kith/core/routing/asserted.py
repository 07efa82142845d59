"""What a stanza says in the name of a server, an archive or a room is taken out unless they have said it.

Clients believe such elements: the id that an account's archive gave to a message (XEP-0359), a copy of what
another device sent (XEP-0280), a page of the archive (XEP-0313), the time at which a server held a message
back (XEP-0203). So every stanza that comes in, from a client, a component or another server, passes here
before it is logged, delivered or routed. What the server adds itself comes after that.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from kith.base.domain import Domain
from kith.core.routing.hosts import Hosts
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
_IDS = (_STANZA_ID, _ARCHIVED)
#: Addresses that are looked at in one stanza: preparing one takes time. What has more loses the rest.
_MOST_LOOKED_AT = 32
#: Requests that only a client's own server makes of it (RFC 6121 §2.1.6, XEP-0191 §3.3).
_PUSHES = frozenset(
    (ns.tag(ns.ROSTER, "query"), ns.tag(ns.BLOCKING, "block"), ns.tag(ns.BLOCKING, "unblock"))
)


class _Look:
    """One look at one stanza: what was sent, and how many addresses in it may still be prepared."""

    __slots__ = ("left", "sender")

    def __init__(self, sender: JID) -> None:
        self.sender = sender
        self.left = _MOST_LOOKED_AT

    def jid(self, text: str | None) -> JID | None:
        """The address; None if it is none, or one too many."""
        self.left -= 1
        if self.left < 0:
            return None
        try:
            return parse_jid(text or "")
        except ValueError:
            return None


class Assertions:
    """Takes out of stanzas what their senders may not say. ``domain`` is the server's name."""

    def __init__(self, domain: Domain, hosts: Hosts) -> None:
        self._domain = domain.name
        self._hosts = hosts
        rules: dict[str, Callable[[Element, _Look], bool]] = {
            _STANZA_ID: self._is_own_id,
            _ARCHIVED: self._is_own_id,
            _FORWARDED: _always,  # but for ids, see `_clean_ids`
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

    def concerns(self, stanza: Stanza) -> bool:
        """Whether there is anything to be looked at."""
        if not self.names.isdisjoint(stanza.children):
            return True
        return b"<stanza-id" in stanza.inner and stanza.kind == "message"  # somewhere inside

    def check(self, stanza: Stanza, sender: JID) -> None:
        """Takes out what ``sender`` may not send. To be called if it `concerns` the stanza."""
        tree = stanza.element
        look = _Look(sender)
        changed = False
        for child in list(tree):
            rule = self._rules.get(child.tag)
            if rule is not None and not rule(child, look):
                tree.remove(child)
                changed = True
            elif stanza.kind == "message":
                changed = self._clean_ids(child, look) or changed
            changed = changed or child.tag == _ADDRESSES
        if changed:
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
        tree, look = stanza.element, _Look(sender)
        for child in [child for child in tree if child.tag in _IDS]:
            if not self._is_own_id(child, look):
                tree.remove(child)
        stanza.replace_children(tree)
        return stanza.to_bytes()

    # -- rules: whether the element may stay -------------------------------------------------------

    def _is_here(self, domain: str) -> bool:
        return domain == self._domain

    def _is_own_id(self, element: Element, look: _Look) -> bool:
        """A room gives ids to its own messages (XEP-0359 §5); accounts here get theirs from the server."""
        if self._is_here(look.sender.domain):
            return False
        by = look.jid(element.get("by"))
        return by is not None and by.bare == look.sender.bare and not self._is_here(by.domain)

    def _is_own_delay(self, element: Element, look: _Look) -> bool:
        """Who held a stanza back names itself; that it was this server, only this server says."""
        origin, sender = element.get("from"), look.sender
        if origin is None:
            return True
        jid = look.jid(origin)
        if jid is None:
            return False
        if self._is_here(jid.domain):
            return jid.bare == sender.bare
        return self._hosts.here(jid.domain) is None or jid.domain == sender.domain

    def _is_archive(self, element: Element, look: _Look) -> bool:
        """Archives are accounts, rooms and services elsewhere, which speak from bare addresses."""
        return not self._is_here(look.sender.domain) and not look.sender.resource

    def _is_service(self, element: Element, look: _Look) -> bool:
        """No client of this server is a room or a pubsub service."""
        return not self._is_here(look.sender.domain)

    def _clean_addresses(self, element: Element, look: _Look) -> bool:
        """``ofrom`` names who sent a message before a multicast service passed it on."""
        sender = look.sender
        for address in element.findall(_ADDRESS):
            if address.get("type") == "ofrom":
                jid = look.jid(address.get("jid"))
                if (
                    jid is None
                    or jid.domain != sender.domain
                    or (self._is_here(sender.domain) and jid.bare != sender.bare)
                ):
                    element.remove(address)
        return True

    def _clean_ids(self, element: Element, look: _Look) -> bool:
        """What lies inside (messages passed on, XEP-0297, or whatever) has no ids of archives here.

        However deep they lie. Returns whether there were any.
        """
        found = False
        for parent in element.iter():
            for child in [child for child in parent if child.tag in _IDS]:
                by = look.jid(child.get("by"))
                if by is None or self._is_here(by.domain):
                    parent.remove(child)
                    found = True
        return found


def _never(element: Element, look: _Look) -> bool:
    return False


def _always(element: Element, look: _Look) -> bool:
    return True
