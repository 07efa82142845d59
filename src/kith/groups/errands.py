"""Iqs between occupants, under their nicknames (XEP-0045 §15.4), and pings of oneself (XEP-0410).

A request gets another id on its way, so that its answer finds back, and nobody else can answer it. Requests
for a vCard are for the person, not for one of their clients.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Coroutine
from typing import NamedTuple

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.routing.asserted import Assertions
from kith.core.routing.iqs import Iqs
from kith.core.routing.post import Post
from kith.groups.group import Group
from kith.groups.occupants import Occupant
from kith.groups.senders import GroupSender
from kith.groups.service import GroupService
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_PING = ns.tag(ns.PING, "ping")
_CARD = ns.tag(ns.VCARD, "vCard")
_DISCO = frozenset((ns.tag(ns.DISCO_INFO, "query"), ns.tag(ns.DISCO_ITEMS, "query")))
#: For how many seconds answers are awaited, and to how many requests.
_PATIENCE, _MOST = 120.0, 20_000


class _Errand(NamedTuple):
    """A request that was passed on. ``asker``: the client that asks. ``id``: of its request, sent ``to`` an
    occupant; ``asked``: the bare address of the person. ``until``: a time of the monotonic clock.
    """

    asker: JID
    id: str
    to: JID
    asked: str
    until: float


class Errands(Feature):
    """Passes requests to occupants, and their answers back."""

    service = "groups"

    def __init__(
        self,
        domain: Domain,
        clock: Clock,
        randomness: Randomness,
        tasks: Tasks,
        accounts: Accounts,
        assertions: Assertions,
        iqs: Iqs,
        post: Post,
        groups: GroupService,
    ) -> None:
        self._domain = domain
        self._now = clock.steady
        self._randomness = randomness
        self._tasks = tasks
        self._accounts = accounts
        self._assertions = assertions
        self._iqs = iqs
        self._post = post
        self._groups = groups
        self._under_way: OrderedDict[str, _Errand] = OrderedDict()
        groups.iq_to_occupant = self.receive

    def receive(self, iq: Stanza, sender: JID, to: JID) -> None:
        """Takes an iq for an occupant. Raises StanzaError."""
        if iq.type not in ("get", "set"):
            self._answered(iq, sender)
            return
        group = self._groups.groups.get(to.bare)
        asker = group.occupants.of(str(sender)) if group is not None else None
        if group is None or asker is None:
            if not _DISCO.isdisjoint(iq.children):  # XEP-0045 §6.6
                raise StanzaError("bad-request", "only occupants may ask")
            raise StanzaError("not-acceptable", "only occupants may ask")
        occupant = group.occupants.get(to.resource)
        if occupant is None:
            raise StanzaError("item-not-found", "nobody has this nickname")
        if occupant is asker and _PING in iq.children:
            self._post.route(iq.reply(), to, sender)
            return
        self._groups.rates.take("request", group.jid, asker.bare)
        if iq.type == "get" and _CARD in iq.children:
            self._to_person(group, asker, iq, sender, occupant, to)
        else:
            self._to_client(group, asker, iq, sender, occupant, to)

    def _to_client(
        self, group: Group, asker: Occupant, iq: Stanza, sender: JID, occupant: Occupant, to: JID
    ) -> None:
        """Passes a request to the client that has entered last, or sent presence last."""
        client = next(reversed(occupant.clients.values()))[0]
        if self._domain.holds(client):
            account = self._accounts.get(client.bare)
            if account is None or client.resource not in account.sessions:
                raise StanzaError("service-unavailable")
        at = group.at(asker.nick)
        self._assertions.check_push(iq, at, client)
        self._post.route(self._passed_on(iq, sender, to, at, client), at, client)

    def _to_person(
        self, group: Group, asker: Occupant, iq: Stanza, sender: JID, occupant: Occupant, to: JID
    ) -> None:
        """Asks a person's server, in the name of the occupant who asks."""
        person, at = parse_jid(occupant.bare), group.at(asker.nick)
        if not self._domain.holds(person):
            self._post.route(self._passed_on(iq, sender, to, at, person), at, person)
            return

        def answered(stanza: Stanza) -> None:
            attrs = {"type": stanza.type, "id": iq.id, "from": str(to), "to": str(sender)}
            self._post.route(Stanza(stanza.tag, attrs, stanza.inner, stanza.children), to, sender)

        request = Stanza(
            iq.tag,
            {"type": iq.type, "id": iq.id, "from": str(at), "to": person.bare},
            iq.inner,
            iq.children,
        )
        self._tasks.spawn(self._ask(GroupSender(at, self._post, answered), request, person))

    async def _ask(self, sender: GroupSender, request: Stanza, person: JID) -> None:
        try:
            work = self._iqs.route(sender, request, person)
            if isinstance(work, Coroutine):
                await work
        except StanzaError as error:
            sender.refuse(request, error)

    def _passed_on(self, iq: Stanza, sender: JID, to: JID, at: JID, target: JID) -> Stanza:
        """A request with a new id, under which its answer is awaited."""
        now = self._now()
        while self._under_way:
            id, oldest = next(iter(self._under_way.items()))
            if oldest.until > now and len(self._under_way) < _MOST:
                break
            del self._under_way[id]
        id = self._randomness.token(12)
        self._under_way[id] = _Errand(sender, iq.id, to, target.bare, now + _PATIENCE)
        attrs = {"type": iq.type, "id": id, "from": str(at), "to": str(target)}
        return Stanza(iq.tag, attrs, iq.inner, iq.children)

    def _answered(self, iq: Stanza, sender: JID) -> None:
        errand = self._under_way.get(iq.id)
        if errand is None or errand.asked != sender.bare:
            return
        del self._under_way[iq.id]
        attrs = {"type": iq.type, "id": errand.id, "from": str(errand.to), "to": str(errand.asker)}
        self._post.route(Stanza(iq.tag, attrs, iq.inner, iq.children), errand.to, errand.asker)
