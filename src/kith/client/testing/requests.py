"""Answers the requests (iq) that `kith.client` makes: roster, PEP, archive, blocking, disco, ping."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from kith.client.groups.wire import GROUPS
from kith.client.media.service import MEDIA, UPLOAD
from kith.client.stanzas import parse_time
from kith.client.testing.accounts import CLIENT, Contact

if TYPE_CHECKING:
    from kith.client.testing.server import FakeServer
    from kith.client.testing.session import Session

_ROSTER, _PUBSUB = "jabber:iq:roster", "http://jabber.org/protocol/pubsub"
_MAM, _RSM, _FORWARD = "urn:xmpp:mam:2", "http://jabber.org/protocol/rsm", "urn:xmpp:forward:0"
_BLOCKING, _DELAY = "urn:xmpp:blocking", "urn:xmpp:delay"
_DISCO = "http://jabber.org/protocol/disco#info"
_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class Refused(Exception):
    """A request can't be answered. The text is the condition of the error."""


class Requests:
    """The requests of one stream."""

    def __init__(self, server: FakeServer, session: Session) -> None:
        self._server = server
        self._session = session
        self._account = session.account

    def answer(self, iq: Element) -> None:
        """Answers a request."""
        reply = Element(
            f"{{{CLIENT}}}iq",
            {"type": "result", "id": iq.get("id", ""), "from": iq.get("to") or self._account.jid},
        )
        try:
            child = iq[0]
            namespace, _, name = child.tag[1:].partition("}")
            handler = getattr(self, f"_{_HANDLERS[namespace]}")
            handler(name, child, iq, reply)
        except Refused as refused:
            reply.set("type", "error")
            error = SubElement(reply, f"{{{CLIENT}}}error", type="cancel")
            SubElement(error, f"{{{_STANZAS}}}{refused}")
        except (KeyError, IndexError):
            reply.set("type", "error")
            error = SubElement(reply, f"{{{CLIENT}}}error", type="cancel")
            SubElement(error, f"{{{_STANZAS}}}service-unavailable")
        self._session.write(reply)

    def _empty(self, *_: object) -> None:
        """A ping, or something that needs no more than success."""

    def _carbons(self, name: str, *_: object) -> None:
        self._session.carbons = name == "enable"

    def _disco(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        query = SubElement(reply, f"{{{_DISCO}}}query")
        SubElement(query, f"{{{_DISCO}}}identity", category="pubsub", type="pep")
        for feature in (_DISCO, _MAM, _BLOCKING, "urn:xmpp:ping", "urn:xmpp:carbons:2", UPLOAD, MEDIA):
            SubElement(query, f"{{{_DISCO}}}feature", var=feature)
        if iq.get("to") == self._server.groups.address:
            SubElement(query, f"{{{_DISCO}}}feature", var=GROUPS)

    def _items(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        items = "http://jabber.org/protocol/disco#items"
        query = SubElement(reply, f"{{{items}}}query")
        if iq.get("to") == self._server.domain:
            SubElement(query, f"{{{items}}}item", jid=self._server.groups.address)

    def _groups(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        if not self._server.groups.answer(self._session, child, iq, reply):
            raise Refused("item-not-found")

    def _roster(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        roster = self._account.roster
        if iq.get("type") == "get":
            query = SubElement(reply, f"{{{_ROSTER}}}query")
            query.extend([self._account.item(peer) for peer in roster])
            return
        for item in child:
            peer = item.get("jid", "")
            if item.get("subscription") == "remove":
                roster.pop(peer, None)
                other = self._server.accounts.get(peer)
                if other is not None and self._account.jid in other.roster:
                    theirs = other.roster[self._account.jid]
                    theirs.to = theirs.sees = theirs.asked = False
                    other.push(self._account.jid)
                    self._server.hide(self._account, other)
                    self._server.hide(other, self._account)
            else:
                roster.setdefault(peer, Contact()).name = item.get("name", "")
            self._account.push(peer)

    def _blocking(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        jids = {item.get("jid", "") for item in child}
        if name == "block":
            self._account.blocked |= jids
        elif name == "unblock":
            self._account.blocked -= jids or set(self._account.blocked)
        else:
            blocklist = SubElement(reply, f"{{{_BLOCKING}}}blocklist")
            for jid in sorted(self._account.blocked):
                SubElement(blocklist, f"{{{_BLOCKING}}}item", jid=jid)

    def _pubsub(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        owner = self._server.accounts[(iq.get("to") or self._account.jid).partition("/")[0]]
        publish, items = child.find(f"{{{_PUBSUB}}}publish"), child.find(f"{{{_PUBSUB}}}items")
        if publish is not None:
            node = publish.get("node", "")
            item = publish[0]
            id = item.get("id") or "current"
            nodes = owner.nodes.setdefault(node, {})
            nodes.pop(id, None)
            nodes[id] = deepcopy(item[0])
            self._server.published(owner, node, id)
        elif items is not None:
            node = items.get("node", "")
            if node not in owner.nodes:
                raise Refused("item-not-found")
            wanted = [item.get("id", "") for item in items] or list(owner.nodes[node])[-1:]
            found = SubElement(SubElement(reply, f"{{{_PUBSUB}}}pubsub"), f"{{{_PUBSUB}}}items", node=node)
            for id in wanted:
                if id in owner.nodes[node]:
                    SubElement(found, f"{{{_PUBSUB}}}item", id=id).append(deepcopy(owner.nodes[node][id]))

    def _mam(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        after = child.findtext(f"{{{_RSM}}}set/{{{_RSM}}}after")
        limit = int(child.findtext(f"{{{_RSM}}}set/{{{_RSM}}}max") or 100)
        start = None
        for field in child.iter("{jabber:x:data}field"):
            if field.get("var") == "start":
                start = parse_time(field.findtext("{jabber:x:data}value"))
        try:
            page, complete = self._account.page(after, start, limit)
        except KeyError:
            raise Refused("item-not-found") from None
        for entry in page:
            message = Element(f"{{{CLIENT}}}message", {"from": self._account.jid})
            result = SubElement(message, f"{{{_MAM}}}result", id=entry.id, queryid=child.get("queryid", ""))
            forwarded = SubElement(result, f"{{{_FORWARD}}}forwarded")
            SubElement(forwarded, f"{{{_DELAY}}}delay", stamp=entry.time.isoformat())
            forwarded.append(deepcopy(entry.message))
            self._session.write(message)
        SubElement(reply, f"{{{_MAM}}}fin", complete="true" if complete else "false")

    def _slot(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        if self._server.uploads is None:
            raise Refused("service-unavailable")
        reply.append(self._server.uploads.slot(child))

    def _media(self, name: str, child: Element, iq: Element, reply: Element) -> None:
        uploads = self._server.uploads
        if uploads is None or not uploads.asked(name, child, self._account.jid):
            raise Refused("item-not-found")


_HANDLERS = {
    "urn:xmpp:ping": "empty",
    GROUPS: "groups",
    "http://jabber.org/protocol/muc#admin": "groups",
    "urn:xmpp:carbons:2": "carbons",
    "http://jabber.org/protocol/pubsub#owner": "empty",
    "urn:ietf:params:xml:ns:xmpp-session": "empty",
    _DISCO: "disco",
    "http://jabber.org/protocol/disco#items": "items",
    _ROSTER: "roster",
    _BLOCKING: "blocking",
    _PUBSUB: "pubsub",
    _MAM: "mam",
    UPLOAD: "slot",
    MEDIA: "media",
}
