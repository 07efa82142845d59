"""Removes forged elements: those by which a sender pretends to be a server, an archive or a room.

Clients trust such elements: the id that an account's archive gave to a message (XEP-0359), a copy of what
another device sent (XEP-0280), a page of the archive (XEP-0313), or the time at which a server delayed a
message (XEP-0203). So every stanza from a client, a component or another server is checked here before it
is logged, delivered or routed. The server adds its own elements afterwards.
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
_ARCHIVED = ns.tag("urn:xmpp:mam:tmp", "archived")  # from before XEP-0359
_FORWARDED = ns.tag(ns.FORWARD, "forwarded")
_ADDRESSES = ns.tag("http://jabber.org/protocol/address", "addresses")
_ADDRESS = ns.tag("http://jabber.org/protocol/address", "address")
_STATUS = ns.tag(ns.STATUS, "status")
_IDS = (_STANZA_ID, _ARCHIVED)
#: How many addresses are checked in one stanza, since preparing one takes time. Further ones are removed.
_MAX_CHECKED = 32
#: Requests that clients accept only from their own server (RFC 6121 §2.1.6, XEP-0191 §3.3).
_PUSHES = frozenset(
    (ns.tag(ns.ROSTER, "query"), ns.tag(ns.BLOCKING, "block"), ns.tag(ns.BLOCKING, "unblock"))
)


class _Look:
    """The check of one stanza: its sender, and how many more addresses may be prepared."""

    __slots__ = ("left", "sender")

    def __init__(self, sender: JID) -> None:
        self.sender = sender
        self.left = _MAX_CHECKED

    def jid(self, text: str | None) -> JID | None:
        """The prepared address; None if it is invalid, or there were too many."""
        self.left -= 1
        if self.left < 0:
            return None
        try:
            return parse_jid(text or "")
        except ValueError:
            return None


class Assertions:
    """Removes elements that the sender of a stanza may not use. ``domain``: the server's domain."""

    def __init__(self, domain: Domain, hosts: Hosts) -> None:
        self._domain = domain.name
        self._hosts = hosts
        rules: dict[str, Callable[[Element, _Look], bool]] = {
            _STANZA_ID: self._is_own_id,
            _ARCHIVED: self._is_own_id,
            _FORWARDED: _always,  # except ids, see `_clean_ids`
            _ADDRESSES: self._clean_addresses,
            ns.tag(ns.DELAY, "delay"): self._is_own_delay,
            ns.tag("jabber:x:delay", "x"): self._is_own_delay,
        }
        for name in ("sent", "received"):  # carbon copies come only from the account's own server
            rules[ns.tag(ns.CARBONS, name)] = _never
        # statuses come from the service of the account's own server (docs/status.md)
        rules[_STATUS] = _never
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
        #: Clark names of the elements that are checked.
        self.names = frozenset(rules)

    def concerns(self, stanza: Stanza) -> bool:
        """Whether the stanza has anything to be checked."""
        if not self.names.isdisjoint(stanza.children):
            return True
        return b"<stanza-id" in stanza.inner and stanza.kind == "message"  # at any depth

    def check(self, stanza: Stanza, sender: JID) -> None:
        """Removes what ``sender`` may not send. To be called if `concerns` says so."""
        tree = stanza.element
        look = _Look(sender)
        changed = False
        for child in list(tree):
            rule = self._rules.get(child.tag)
            if child.tag == _STATUS and stanza.kind == "iq":
                continue  # a request to be sent statuses
            if rule is not None and not rule(child, look):
                tree.remove(child)
                changed = True
            elif stanza.kind == "message":
                changed = self._clean_ids(child, look) or changed
            changed = changed or child.tag == _ADDRESSES
        if changed:
            stanza.replace_children(tree)

    def check_push(self, iq: Stanza, sender: JID, to: JID) -> None:
        """Checks that roster and block pushes are from the server (RFC 6121 §2.1.6). Raises StanzaError."""
        if iq.type == "set" and not _PUSHES.isdisjoint(iq.children) and sender.bare != to.bare:
            raise StanzaError("service-unavailable")

    def renewed(self, data: bytes) -> bytes:
        """Applies the check to a stored message, because older versions were less strict."""
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

    # -- rules: each returns whether the element may stay
    # -------------------------------------------------------

    def _is_here(self, domain: str) -> bool:
        return domain == self._domain

    def _is_own_id(self, element: Element, look: _Look) -> bool:
        """Rooms elsewhere give ids to their messages (XEP-0359 §5); ids of accounts here come from the
        server.
        """
        if self._is_here(look.sender.domain):
            return False
        by = look.jid(element.get("by"))
        return by is not None and by.bare == look.sender.bare and not self._is_here(by.domain)

    def _is_own_delay(self, element: Element, look: _Look) -> bool:
        """A delay may be stated by anybody in their own name, but not in the name of this server."""
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
        """Results come from archives elsewhere: accounts, rooms and services, whose addresses are bare."""
        return not self._is_here(look.sender.domain) and not look.sender.resource

    def _is_service(self, element: Element, look: _Look) -> bool:
        """Only services elsewhere send these: no client of this server is a room or pubsub service."""
        return not self._is_here(look.sender.domain)

    def _clean_addresses(self, element: Element, look: _Look) -> bool:
        """Removes ``ofrom``, which names the original sender, unless a multicast service has added it."""
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
        """Removes ids of archives of this server inside an element (such as XEP-0297), at any depth.

        Returns whether there were any.
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
