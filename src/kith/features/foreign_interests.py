"""Learns which PEP events clients on other servers want (XEP-0115 and XEP-0163).

Their presence contains a hash of their features, which are requested once for each hash. Nothing is stored:
it is learned again from the next presence.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from xml.etree.ElementTree import Element

from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.core.routing.post import Post
from kith.features.caps import C, Caps
from kith.features.disco import INFO
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: Limits: accounts on other servers whose clients are remembered, and clients of one account.
MAX_ACCOUNTS = 20_000
MAX_CLIENTS = 16
_MAX_ATTRIBUTE = 1024
#: How often a client is asked that does not answer, and how many seconds an answer is waited for.
_TRIES, _PATIENCE = 4, 10.0
_ERROR = ns.tag(ns.CLIENT, "error")


class _Client:
    """A client on another server. ``owners``: the accounts here that it has sent presence to."""

    __slots__ = ("asked", "features", "hash", "node", "owners", "tries", "ver")

    def __init__(self, hash: str, node: str, ver: str) -> None:
        self.hash = hash
        self.node = node
        self.ver = ver
        self.features: frozenset[str] | None = None
        self.owners: set[JID] = set()
        self.asked = ""
        self.tries = 0


class ForeignInterests(Feature):
    """Remembers the interests of clients on other servers.

    ``listeners`` are called with a client's address and an account of this server when its interests are
    known.
    """

    def __init__(
        self, randomness: Randomness, accounts: Accounts, post: Post, tasks: Tasks, caps: Caps
    ) -> None:
        self._randomness = randomness
        self._accounts = accounts
        self._post = post
        self._tasks = tasks
        self._caps = caps
        self.listeners: list[Callable[[JID, JID], None]] = []
        self._clients: OrderedDict[str, dict[JID, _Client]] = OrderedDict()

    def of(self, bare: str) -> Iterator[tuple[JID, frozenset[str]]]:
        """The clients of an account on another server, with their announced features."""
        for jid, client in self._clients.get(bare, {}).items():
            if client.features is not None:
                yield jid, client.features

    def features_of(self, jid: JID) -> frozenset[str]:
        client = self._clients.get(jid.bare, {}).get(jid)
        return (client.features if client is not None else None) or frozenset()

    def presence_received(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        if not sender.jid.resource:
            if stanza.type == "unavailable":  # all of its clients are
                self._clients.pop(sender.bare, None)
            return
        clients = self._clients.get(sender.bare)
        if stanza.type == "unavailable":
            if clients is not None and clients.pop(sender.jid, None) is not None and not clients:
                del self._clients[sender.bare]
            return
        element = stanza.child(C)
        if element is None or not self._are_contacts(to, sender):
            return
        hash, node, ver = element.get("hash", ""), element.get("node", ""), element.get("ver", "")
        if not ver or len(node) + len(ver) > _MAX_ATTRIBUTE:
            return
        if clients is None:
            clients = self._clients[sender.bare] = {}
            if len(self._clients) > MAX_ACCOUNTS:
                self._clients.popitem(last=False)
        client = clients.get(sender.jid)
        if client is None or (client.hash, client.ver) != (hash, ver):
            if client is None and len(clients) >= MAX_CLIENTS:
                return
            client = clients[sender.jid] = _Client(hash, node, ver)
            client.features = self._caps.known(hash, ver)
            if client.features is None:
                self._ask(sender.jid, client, to)
        owner = to.to_bare()
        if owner not in client.owners and len(client.owners) < MAX_ACCOUNTS:
            client.owners.add(owner)
            if client.features is not None:
                self._tell(sender.jid, owner)

    def _are_contacts(self, to: JID, sender: Sender) -> bool:
        """Whether both are contacts. Strangers get no events, and would use up the limits."""
        account = self._accounts.get(to.bare)
        roster = account.roster if account is not None else None
        if roster is None:
            return False  # nobody is online there; contacts probe when they come online
        return roster.subscription_from(sender.bare) or roster.subscription_to(sender.bare)

    def _ask(self, jid: JID, client: _Client, to: JID) -> None:
        client.asked = f"caps-{self._randomness.hex(8)}"
        client.tries += 1
        attrs = {"type": "get", "id": client.asked, "from": to.bare, "to": str(jid)}
        query = Element(INFO, {"node": f"{client.node}#{client.ver}"})
        self._post.route(Stanza.build("iq", attrs, query), to.to_bare(), jid)
        if client.tries < _TRIES:
            self._tasks.later(_PATIENCE, partial(self._ask_again, jid, client, to))

    def _ask_again(self, jid: JID, client: _Client, to: JID) -> None:
        """Asks once more if the question or its answer got lost on the way."""
        if client.features is None and self._clients.get(jid.bare, {}).get(jid) is client:
            self._ask(jid, client, to)

    def iq_result(self, sender: Sender, iq: Stanza) -> bool:
        client = self._clients.get(sender.bare, {}).get(sender.jid)
        if client is None or not client.asked or client.asked != iq.id:
            return False
        error = iq.child(_ERROR) if iq.type == "error" else None
        if error is not None and error.get("type") == "wait":
            return True  # see `_ask_again`
        client.asked = ""
        query = iq.child(INFO) if iq.type == "result" else None
        client.features = (
            self._caps.learn(client.hash, client.ver, query) if query is not None else frozenset()
        )
        for owner in tuple(client.owners):
            self._tell(sender.jid, owner)
        return True

    def _tell(self, jid: JID, owner: JID) -> None:
        for listener in self.listeners:
            listener(jid, owner)
