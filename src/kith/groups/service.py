"""The service ``groups.DOMAIN``: rooms of XEP-0045 that are groups of members.

This file receives what is addressed to groups, lets one thing at a time happen in each, and gives it to
whoever handles it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.ids import Ids
from kith.base.secret import Secret
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import COMMITTING, LATER, Work
from kith.core.actors.refused import stanza_refused
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.core.log.log import Log
from kith.core.routing.hosts import Hosts
from kith.core.routing.post import Post
from kith.features import disco
from kith.features.disco import Identity
from kith.features.forms import Form, X, find_form
from kith.features.privacy import PrivacySettings
from kith.features.pubsub import Pep
from kith.groups.adding import Adding
from kith.groups.administration import Administration
from kith.groups.changes import Changes
from kith.groups.description import SERVICE
from kith.groups.devices import DeviceOwners
from kith.groups.entering import Entering, is_unreachable
from kith.groups.group import Group
from kith.groups.groups import Groups
from kith.groups.history import History
from kith.groups.members import Affiliation
from kith.groups.messages import Messages, Rewrites
from kith.groups.names import JOIN
from kith.groups.occupants import Role
from kith.groups.posting import Poster
from kith.groups.presence import RoomPresence
from kith.groups.rates import Rates
from kith.groups.receipts import Receipts
from kith.groups.turns import Turns
from kith.groups.versions import Versions
from kith.ports.store import Store, Unavailable
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_RETRACT = ns.tag(ns.RETRACT, "retract")
_T = TypeVar("_T")
#: Handles a message that a sender has sent to a group or to an occupant.
Handler = Callable[[Group, Sender, Stanza, JID], Work]


def _refuse(group: Group, sender: Sender, stanza: Stanza, to: JID) -> Work:
    raise StanzaError("feature-not-implemented")


def _refuse_iq(stanza: Stanza, sender: JID, to: JID) -> None:
    if stanza.type in ("get", "set"):
        raise StanzaError("service-unavailable")


async def _keep(group: Group, author: str, retraction: Stanza) -> Rewrites:
    """Nobody handles retractions: they are messages like others."""
    return ()


def _ignore(group: Group, sender: JID, stanza: Stanza, to: JID) -> None:
    """Nobody handles an error, which needs no answer."""


class GroupService(Feature):
    """The service of groups (XEP-0045 §6 to §10)."""

    service = "groups"

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        secret: Secret,
        store: Store,
        ids: Ids,
        accounts: Accounts,
        hosts: Hosts,
        post: Post,
        log: Log,
        figures: Figures,
        tasks: Tasks,
        pep: Pep,
        adding: Adding,
        privacy: PrivacySettings | None,
    ) -> None:
        self.accounts = accounts
        self.may_create = config.create_groups
        self._domain = domain
        self._store = store
        self.address = f"{self.service}.{domain.name}"
        self._post = post
        self._figures = figures
        self._tasks = tasks
        self._turns = Turns()
        self.groups = Groups(store, clock, self._turns)
        self.rates = Rates(clock, config.group_messages_per_second)
        self.poster = poster = Poster(store, ids, clock, accounts, hosts, figures, tasks)
        self.devices = DeviceOwners(pep, accounts)
        self.receipts = Receipts(store, clock, accounts, tasks, privacy)
        self.groups.busy.append(self.receipts.is_busy)
        self.messages = Messages(store, log, poster, secret, clock, self.devices, self.receipts, self.rates)
        self.presence = presence = RoomPresence(post, self.messages)
        versions = Versions(post)
        self.changes = Changes(store, clock, self.groups, poster, presence, versions)
        self.history = history = History(store, clock, post)
        self.entering = Entering(
            *(clock, self.groups, post, presence, self.changes, history, self.rates, versions),
            config.create_groups,
        )
        self.administration = Administration(
            domain, accounts, self.messages, self.changes, presence, adding, self.rates
        )
        #: What other features of groups handle: messages to a group that are not for all in it, by a child
        #: element, and messages, iqs and errors for one occupant.
        self.to_group: dict[str, Handler] = {X: self._submitted}
        #: Handles forms that somebody has submitted in a message to a group, by their ``FORM_TYPE``.
        self.forms: dict[str, Callable[[Group, Sender, Form], Work]] = {}
        self.to_occupant: Handler = _refuse
        #: Called with the author of a retraction; returns what it replaces.
        self.retracted: Callable[[Group, str, Stanza], Coroutine[Any, Any, Rewrites]] = _keep
        self.iq_to_occupant: Callable[[Stanza, JID, JID], None] = _refuse_iq
        self.error_to_occupant: Callable[[Group, JID, Stanza, JID], None] = _ignore

    # -- stanzas ----------------------------------------------------------------------------------------

    def admit(self, sender: Sender, stanza: Stanza, to: JID) -> Work:
        """Takes a message for a group or an occupant (`kith.core.routing.hosts.Keeping`)."""
        if not to.local:
            if stanza.type == "error":
                return None
            raise StanzaError("service-unavailable")
        if stanza.type == "error":
            self.later(to.bare, lambda: self._failed(sender.jid, stanza, to))
            return None
        group = self.groups.get(to.bare)
        if group is None or self._turns.busy(to.bare):
            if sender.committing:
                return LATER
            return self.turn(to.bare, lambda: self._admit_later(sender, stanza, to))
        work = self._handle(group, sender, stanza, to)
        if isinstance(work, Coroutine):
            return self.turn(to.bare, lambda: work)
        return work

    async def _admit_later(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        """Takes a message when its turn has come, and the group is in memory."""
        work = self._handle(await self.load(to), sender, stanza, to)
        if work is COMMITTING:
            sender.pipelined()
        elif isinstance(work, Coroutine):
            await work

    def _handle(self, group: Group, sender: Sender, stanza: Stanza, to: JID) -> Work:
        if stanza.type == "groupchat" and not to.resource:
            if _RETRACT in stanza.children:
                return LATER if sender.committing else self._retract(group, sender, stanza)
            return self.messages.admit(group, sender, stanza)
        if to.resource:
            return self.to_occupant(group, sender, stanza, to)
        for name in stanza.children:
            if (handler := self.to_group.get(name)) is not None:
                return handler(group, sender, stanza, to)
        raise StanzaError("bad-request", "a message to all is of type groupchat")

    async def _retract(self, group: Group, sender: Sender, stanza: Stanza) -> None:
        """Takes a message that takes back another one, which is replaced in the same commit.

        What looks like a retry of something else, or is refused, changes nothing for others.
        """
        author = self.messages.author_of(group, sender)
        rewrites: Rewrites = ()
        if author is not None and author.role >= Role.PARTICIPANT:
            rewrites = await self.retracted(group, author.bare, stanza)
        work = self.messages.admit(group, sender, stanza, rewrites)
        if work is COMMITTING:
            sender.pipelined()
        elif isinstance(work, Coroutine):
            await work
        else:  # it is passed on, and not kept
            for id, tombstone in rewrites:
                await self._store.rewrite(id, tombstone)

    def _submitted(self, group: Group, sender: Sender, stanza: Stanza, to: JID) -> Work:
        form = find_form(stanza.element)
        handler = self.forms.get(form.form_type) if form is not None and form.type == "submit" else None
        if form is None or handler is None:
            raise StanzaError("bad-request", "not a form that a group takes")
        return handler(group, sender, form)

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Takes presence, and iqs for occupants (`kith.core.routing.hosts.Host`)."""
        if stanza.kind == "iq" and to.resource:
            self.iq_to_occupant(stanza, sender, to)
            return
        if stanza.kind == "message" and stanza.type == "error" and to.local:
            self.later(to.bare, lambda: self._failed(sender, stanza, to))
            return
        if stanza.kind != "presence" or not to.local:
            if stanza.type in ("get", "set"):
                raise StanzaError("service-unavailable")
            return
        if stanza.type not in ("", "unavailable", "error"):
            return
        self.later(to.bare, lambda: self._presence(stanza, sender, to))

    async def _presence(self, stanza: Stanza, sender: JID, to: JID) -> None:
        try:
            if stanza.type:
                await self.entering.unavailable(sender, stanza, to)
            else:
                account = await self.accounts.id_of(sender)
                await self.entering.available(sender, account or 0, stanza, to)
        except StanzaError as error:
            self._refuse(stanza, sender, to, error)
        except Unavailable as error:
            self._refuse(stanza, sender, to, StanzaError(error.condition, type="wait"))

    def _refuse(self, stanza: Stanza, sender: JID, to: JID, error: StanzaError) -> None:
        stanza_refused(self._figures, stanza, error)
        answer = stanza.error(error)
        if answer is not None:
            if JOIN in stanza.children:  # so that clients know that it is about a room (XEP-0045 §7.2)
                answer.inner = serialize(Element(JOIN)) + answer.inner
                answer.children.insert(0, JOIN)
            self._post.route(answer, to, sender)

    async def _failed(self, client: JID, stanza: Stanza, to: JID) -> None:
        """A client answers with an error what it has got: it has gone without a word, or does not want it."""
        group = self.groups.get(to.bare)
        if group is None:
            return
        if is_unreachable(stanza):
            self.entering.lost(group, client)
        elif to.resource:
            self.error_to_occupant(group, client, stanza, to)

    # -- the service ------------------------------------------------------------------------------------

    def disco_items(self, to: JID) -> Sequence[Element]:
        """The service is an item of the domain, by which clients find it (XEP-0045 §6.1)."""
        return (disco.item(self.address, name="Groups"),) if to == self._domain.jid else ()

    def service_disco(self) -> tuple[Sequence[Identity], Sequence[str]]:
        return (Identity("conference", "text", "Groups"),), SERVICE

    async def accept(self, group: Group, sender: Sender) -> None:
        """Makes somebody belong to a group who is invited. Raises StanzaError if nobody has."""
        member = group.members.get(sender.bare)
        if member is None or member.affiliation < Affiliation.MEMBER:
            raise StanzaError("forbidden", "you are not invited")
        await self.entering.accept(group, sender.jid, member.nick)

    # -- inside -----------------------------------------------------------------------------------------

    def turn(self, group: str, work: Callable[[], Coroutine[Any, Any, _T]]) -> Coroutine[Any, Any, _T]:
        """Does something in a group after everything that came before. What this returns has to be awaited.

        ``group``: its bare address.
        """
        return self._turns.take(group, lambda: self._tidied(group, work))

    def later(self, group: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """As `turn`, in the background."""
        self._tasks.spawn(self.turn(group, work))

    async def _tidied(self, group: str, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Does something, and ends the group if that has emptied it and it is not to be kept."""
        try:
            return await work()
        finally:
            there = self.groups.get(group)
            if there is not None and there.is_over:
                await self.changes.vanish(there)

    async def in_turn(
        self, to: JID, work: Callable[[Group], Awaitable[_T]], asker: Sender | None = None
    ) -> _T:
        """Does something in a group when nothing else is being done there. ``asker``: as `load`.

        Raises StanzaError.
        """

        async def do() -> _T:
            return await work(await self.load(to, asker))

        return await self.turn(to.bare, do)

    async def load(self, to: JID, asker: Sender | None = None) -> Group:
        """The group at an address. ``asker``: if they may know of it. Raises StanzaError."""
        group = await self.groups.load(to.bare)
        if group is None:
            state = await self.groups.destroyed(to.bare)
            if state is not None and state.alternate:
                raise StanzaError("gone", address=f"xmpp:{state.alternate}?join")
            raise StanzaError("item-not-found", "there is no such group")
        if asker is not None:
            self.check_may_see(group, asker)
        return group

    def check_may_see(self, group: Group, sender: Sender) -> None:
        """A hidden group of members seems not to exist for strangers. Raises StanzaError."""
        if group.config.public or not group.config.members_only or group.members.get(sender.bare) is not None:
            return
        if group.occupants.of(sender.full) is None:
            raise StanzaError("item-not-found", "there is no such group")

    def is_known(self, group: Group, sender: Sender) -> bool:
        """Whether somebody belongs to a group, or is in it."""
        affiliation = group.members.affiliation(sender.bare)
        return affiliation > Affiliation.NONE or group.occupants.of(sender.full) is not None
