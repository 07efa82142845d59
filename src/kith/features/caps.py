"""XEP-0115: Entity Capabilities. Learns the features of clients, with one request for each kind of client.

`Caps.features_of` returns what the client of a session has announced; ``listeners`` are called when it is
known.
"""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.features.disco import INFO, Disco
from kith.features.forms import FORM_TYPE, X, parse_form
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: The ``node`` of our own capabilities, which identifies this software.
NODE = "kith"
C = ns.tag(ns.CAPS, "c")
_IDENTITY = ns.tag(ns.DISCO_INFO, "identity")
_FEATURE = ns.tag(ns.DISCO_INFO, "feature")
#: Identities of clients that run on a battery.
_HANDHELD = frozenset(("client/phone", "client/handheld", "client/tablet", "client/sms"))
_LANG = ns.tag(ns.XML, "lang")
_HASHES = {
    "sha-1": hashlib.sha1,
    "sha-224": hashlib.sha224,
    "sha-256": hashlib.sha256,
    "sha-384": hashlib.sha384,
    "sha-512": hashlib.sha512,
}
#: How many kinds of clients are remembered.
MAX_KNOWN = 1000
#: Limits of what one client may announce: features, and their characters in total.
MAX_FEATURES = 512
MAX_TEXT = 32 * 1024
#: The maximum length of ``node`` and ``ver``, in characters.
_MAX_ATTRIBUTE = 1024


class Malformed(ValueError):
    """The disco#info result can't be hashed (XEP-0115 §5.4, point 3)."""


def verification(children: Iterable[Element], algorithm: str) -> str:
    """Computes the ``ver`` of a disco#info result (XEP-0115 §5.1).

    ``algorithm``: a name from the IANA registry.

    Raises Malformed.
    """
    identities: list[str] = []
    features: list[str] = []
    forms: dict[str, str] = {}
    for child in children:
        if child.tag == _IDENTITY:
            parts = (child.get("category", ""), child.get("type", ""), child.get(_LANG, ""))
            identities.append("/".join((*parts, child.get("name", ""))))
        elif child.tag == _FEATURE:
            features.append(child.get("var", ""))
        elif child.tag == X:
            _add_form(child, forms)
    if len(set(identities)) != len(identities) or len(set(features)) != len(features):
        raise Malformed("something is said twice")
    texts = sorted(identities) + sorted(features)
    if any("<" in text for text in texts):
        raise Malformed("a text holds the separator")  # otherwise two sets could have the same hash (§8.1)
    whole = "".join(f"{text}<" for text in texts) + "".join(forms[name] for name in sorted(forms))
    digest = _HASHES[algorithm](whole.encode("utf-8", "surrogatepass")).digest()
    return base64.b64encode(digest).decode()


def _add_form(element: Element, forms: dict[str, str]) -> None:
    """Adds a form (XEP-0128) to the text to be hashed. Only forms with a ``FORM_TYPE`` count."""
    form = parse_form(element)
    types = form.values.pop(FORM_TYPE, [])
    if not types:
        return
    if len(set(types)) > 1 or types[0] in forms:
        raise Malformed("the type of a form is ambiguous")
    texts = [types[0]]
    for var in sorted(form.values):
        texts.append(var)
        texts.extend(sorted(form.values[var]))
    if any("<" in text for text in texts):
        raise Malformed("a text holds the separator")
    forms[types[0]] = "".join(f"{text}<" for text in texts)


@dataclass(slots=True)
class _Client:
    """What is known about a client. ``asked``: the id of the pending request."""

    hash: str
    node: str
    ver: str
    features: frozenset[str] = frozenset()
    asked: str = ""


class Caps(Feature):
    """Learns features from presence. A result that does not match its hash is used for that session only."""

    server_disco = (ns.CAPS,)

    def __init__(self, disco: Disco) -> None:
        self._disco = disco
        self.listeners: list[Callable[[Session], None]] = []
        self._known: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()
        self._questions = 0
        self._own: Element | None = None

    def features_of(self, session: Session) -> frozenset[str]:
        """The features that the client of a session has announced; empty while they are not known.

        They include its identities, as ``category/type``.
        """
        client = session.state.get(Caps)
        return client.features if isinstance(client, _Client) else frozenset()

    # -- clients -----------------------------------------------------------------------------------

    def presence_changed(self, session: Session, stanza: Stanza) -> None:
        if stanza.type == "unavailable":
            session.state.pop(Caps, None)
            return
        element = stanza.child(C)
        if element is None:
            return
        hash, node, ver = element.get("hash", ""), element.get("node", ""), element.get("ver", "")
        if not ver or len(node) + len(ver) > _MAX_ATTRIBUTE:
            return
        client = session.state.get(Caps)
        if isinstance(client, _Client) and (client.hash, client.node, client.ver) == (hash, node, ver):
            return
        client = _Client(hash, node, ver)
        if isinstance(before := session.state.get(Caps), _Client):
            client.features = before.features  # valid until the answer arrives
        session.state[Caps] = client
        known = self.known(hash, ver)
        if known is None:
            self._ask(session, client)
        else:
            self._learn(session, client, known)

    def session_saved(self, session: Session) -> object:
        client = session.state.get(Caps)
        if not isinstance(client, _Client):
            return None
        return [client.hash, client.node, client.ver, sorted(client.features), client.asked]

    def session_restored(self, session: Session, saved: Any) -> None:
        hash, node, ver, features, asked = saved
        session.state[Caps] = _Client(hash, node, ver, frozenset(features), asked)

    def _ask(self, session: Session, client: _Client) -> None:
        self._questions += 1
        client.asked = f"caps{self._questions}"
        query = Element(INFO, {"node": f"{client.node}#{client.ver}"})
        attrs = {"type": "get", "id": client.asked, "from": session.account.jid, "to": session.full}
        session.send(Stanza.build("iq", attrs, query))

    def iq_result(self, sender: Sender, iq: Stanza) -> bool:
        if not isinstance(sender, Session):
            return False
        session = sender
        client = session.state.get(Caps)
        if not isinstance(client, _Client) or not client.asked or iq.id != client.asked:
            return False
        client.asked = ""
        query = iq.child(INFO) if iq.type == "result" else None
        if query is None:
            self._learn(session, client, frozenset())
            return True
        self._learn(session, client, self.learn(client.hash, client.ver, query))
        return True

    def known(self, hash: str, ver: str) -> frozenset[str] | None:
        """The features for a hash, or None if they are not known yet."""
        features = self._known.get((hash, ver))
        if features is not None:
            self._known.move_to_end((hash, ver))
        return features

    def learn(self, hash: str, ver: str, query: Element) -> frozenset[str]:
        """Returns the features of an answer, and remembers them if they match the hash.

        Empty if there are too many.
        """
        features = _features(query)
        if features is None:
            return frozenset()
        if self._verified(hash, ver, query):
            self._known[hash, ver] = features
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return features

    def _verified(self, hash: str, ver: str, query: Element) -> bool:
        if hash not in _HASHES:
            return False
        try:
            return verification(query, hash) == ver
        except Malformed:
            return False

    def _learn(self, session: Session, client: _Client, features: frozenset[str]) -> None:
        client.features = features
        session.handheld |= not _HANDHELD.isdisjoint(features)
        for listener in self.listeners:
            listener(session)

    # -- the server's own --------------------------------------------------------------------------

    def stream_features(self) -> Sequence[Element]:
        """``<c/>`` with the capabilities of the server (XEP-0115 §6.3)."""
        if self._own is None:
            ver = verification(self._disco.describe(account=False), "sha-1")
            self._own = Element(C, {"hash": "sha-1", "node": NODE, "ver": ver})
        return (self._own,)

    async def node_info(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        """Answers requests for ``node#ver`` of the server (XEP-0115 §6.2)."""
        (own,) = self.stream_features()
        if to.local or node != f"{NODE}#{own.get('ver')}":
            return None
        return self._disco.describe(account=False)

    async def node_items(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        return None


def _features(query: Element) -> frozenset[str] | None:
    """The features and identities in an answer, or None if there are too many."""
    features = [child.get("var", "") for child in query if child.tag == _FEATURE]
    identities = [child for child in query if child.tag == _IDENTITY]
    features += [f"{child.get('category')}/{child.get('type')}" for child in identities]
    if len(features) > MAX_FEATURES or sum(map(len, features)) > MAX_TEXT:
        return None
    return frozenset(features)
