"""Private messages: from one person in a group to another, under their nicknames (XEP-0045 §7.5).

They are in the logs of both, as messages with the address of the group. The recipient may be an occupant, or
a member who is away.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.base.domain import Domain
from kith.base.ids import Ids
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import COMMITTING, LATER, Work
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.core.hooks.table import Hooks
from kith.core.log.envelope import Envelope
from kith.core.log.log import MAX_WAITING, RETRIES, Keep, Log, origin_of
from kith.core.routing.post import Post
from kith.groups.cleaning import cleaned
from kith.groups.group import Group
from kith.groups.messages import Author
from kith.groups.names import OCCUPANT, USER
from kith.groups.occupants import Occupant, Role
from kith.groups.service import GroupService
from kith.ports.store import INCOMING, UNARCHIVED, Append, LogStore
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.serialize import serialize
from kith.wire.stanza import LANG, Stanza

#: The least role that sends private messages, by the setting of the group.
_LEAST = {"anyone": Role.VISITOR, "participants": Role.PARTICIPANT, "moderators": Role.MODERATOR}


class _Private:
    """A private message on its way. ``sent``, ``received``: as the logs of the two have it."""

    __slots__ = ("_messages", "error", "group", "nick", "received", "sender", "sent")

    def __init__(
        self,
        messages: PrivateMessages,
        group: Group,
        nick: str,
        sender: Sender,
        sent: Envelope,
        received: Envelope,
    ) -> None:
        self._messages = messages
        self.group = group
        self.nick = nick
        self.sender = sender
        self.sent = sent
        self.received = received
        self.error: BaseException | None = None

    def noted(self, existing: int | None, error: BaseException | None) -> None:
        """The sender's log has it, or has refused it. The recipient's follows."""
        self.error = error

    def committed(self, existing: int | None, error: BaseException | None) -> None:
        """Both logs have it, or one has refused it."""
        self._messages.committed(self, existing, error or self.error)


class PrivateMessages(Feature):
    """Takes messages for occupants and members."""

    service = "groups"

    def __init__(
        self,
        domain: Domain,
        store: LogStore,
        ids: Ids,
        accounts: Accounts,
        log: Log,
        post: Post,
        hooks: Hooks,
        groups: GroupService,
    ) -> None:
        self._domain = domain
        self._store = store
        self._ids = ids
        self._accounts = accounts
        self._log = log
        self._post = post
        self._hooks = hooks
        self._groups = groups
        groups.to_occupant = self.admit
        groups.error_to_occupant = self.failed

    def admit(self, group: Group, sender: Sender, stanza: Stanza, to: JID) -> Work:
        """Takes a message. Returns what `kith.core.actors.intake.Intake.handle` may. Raises StanzaError."""
        author = self._groups.messages.author_of(group, sender)
        if author is None:
            raise StanzaError("not-acceptable", "only those who are in the group may write to its people")
        if stanza.type == "groupchat":
            raise StanzaError("bad-request", "a message to one person is not of type groupchat")
        recipient = self._recipient(group, author, to.resource)
        if sender.committing and self._log.verdict(stanza) is Keep.NOTHING:
            return LATER
        if self._domain.holds(recipient) and self._accounts.get(recipient.bare) is None:
            if sender.committing:
                return LATER
            return self._load(group, author, sender, stanza, to, recipient)
        return self._send(group, author, sender, stanza, to, recipient)

    def _recipient(self, group: Group, author: Author, nick: str) -> JID:
        """The person with a nickname. Raises StanzaError if ``author`` may not write to them."""
        least = _LEAST.get(group.config.private_messages)
        if least is None or author.role < least:
            raise StanzaError("forbidden", "you may not send private messages in this group")
        occupant = group.occupants.get(nick)
        bare = occupant.bare if occupant is not None else group.members.with_nick(nick)
        member = group.members.get(bare) if bare is not None else None
        if bare is None or (occupant is None and not (member is not None and member.belongs)):
            raise StanzaError("item-not-found", "nobody has this nickname")
        self._groups.rates.take("private", group.jid, author.bare)
        return parse_jid(bare)

    async def _load(
        self, group: Group, author: Author, sender: Sender, stanza: Stanza, to: JID, recipient: JID
    ) -> None:
        """Sends a message after the recipient was read from the store."""
        if await self._accounts.load(recipient.bare) is None:
            raise StanzaError("item-not-found", "nobody has this nickname")
        if self._send(group, author, sender, stanza, to, recipient) is COMMITTING:
            sender.pipelined()

    def _send(
        self, group: Group, author: Author, sender: Sender, stanza: Stanza, to: JID, recipient: JID
    ) -> Work:
        if isinstance(sender, Session):
            self._hooks.message_sent(sender, stanza, to)
        received = self._addressed(group, author, stanza, recipient)
        at = group.at(author.nick)
        if not (
            self._post.allows(sender.jid, recipient, received) and self._post.allows(at, recipient, received)
        ):
            raise StanzaError("service-unavailable")
        sent = Envelope(0, stanza.to_bytes(), stanza, to, sender)
        arrived = Envelope(0, received.to_bytes(), received, recipient, None)
        copies = self._copies(group, sent, arrived)
        if not copies:
            self._deliver(group, to.resource, arrived)
            return None
        if self._store.waiting_bytes > MAX_WAITING:
            raise StanzaError("resource-constraint", "the disk does not keep up")
        # it is acknowledged when both logs have it; if only the first gets it, the retry completes them
        private = _Private(self, group, to.resource, sender, sent, arrived)
        identity, origin = f"{group.jid}/{author.bare}", origin_of(stanza)
        for envelope, owner, flags in copies:
            envelope.id = self._ids.next(owner.slot)
            done = private.committed if envelope is copies[-1][0] else private.noted
            owners, towards = [(owner.id, group.jid, flags)], str(envelope.to)
            self._store.append(
                Append(envelope.id, envelope.data, owners, done, identity, towards, origin, RETRIES)
            )
        return COMMITTING

    def _copies(
        self, group: Group, sent: Envelope, received: Envelope
    ) -> Sequence[tuple[Envelope, Account, int]]:
        """Which log gets which form of the message, with which flags."""
        keep = self._log.verdict(sent.stanza)
        if keep is Keep.NOTHING:
            return ()
        copies: list[tuple[Envelope, Account, int]] = []
        archived = keep is Keep.ARCHIVE
        mine = sent.sender.account if sent.sender is not None else None
        if mine is not None and archived and self._log.wants(mine, group.jid):
            copies.append((sent, mine, 0))
        account = self._accounts.get(received.to.bare)
        if account is not None:
            flags = INCOMING if archived and self._log.wants(account, group.jid) else INCOMING | UNARCHIVED
            copies.append((received, account, flags))
        return copies

    def _addressed(self, group: Group, author: Author, stanza: Stanza, recipient: JID) -> Stanza:
        """The message as the recipient gets it: from a nickname, and marked as from a group."""
        attrs = {"from": str(group.at(author.nick)), "to": recipient.bare}
        attrs |= {name: stanza.attrs[name] for name in ("type", "id", LANG) if name in stanza.attrs}
        mark = serialize(Element(USER))
        id = serialize(Element(OCCUPANT, {"id": self._groups.messages.occupant_id(group, author.bare)}))
        children = [child for child in stanza.children if child not in (USER, OCCUPANT)]
        return Stanza(stanza.tag, attrs, cleaned(group, stanza) + mark + id, [*children, USER, OCCUPANT])

    # -- after the commit --------------------------------------------------------------------------

    def committed(self, private: _Private, existing: int | None, error: BaseException | None) -> None:
        """Delivers a message that both logs have, and acknowledges it."""
        if error is not None:
            self._post.unstored(private.sent, error)
        elif existing is None:
            self._deliver(private.group, private.nick, private.received)
            if (mine := private.sender.account) is not None:
                for hook in self._hooks.message_sent_committed:
                    hook(private.sent, mine)
        private.sender.committed()

    def _deliver(self, group: Group, nick: str, envelope: Envelope) -> None:
        """Sends a message to the clients that are there under a nickname, and to a member's other devices."""
        occupant = group.occupants.get(nick)
        account = self._accounts.get(envelope.to.bare)
        if account is None:
            self._forward(group, occupant, envelope)
            return
        there = [] if occupant is None or occupant.bare != account.jid else list(occupant.clients)
        targets = [session for session in account.sessions.values() if session.full in there]
        member = group.members.get(account.jid)
        if (member is not None and member.belongs) or not targets:
            targets += [session for session in account.targets("") if session not in targets]
        data = envelope.for_owner(account.jid)
        for session in targets:
            session.push(data, envelope.id)
        envelope.delivered_to = targets
        for hook in self._hooks.message_received_committed:
            hook(envelope, account)
        self._post.wake(account, envelope)

    def _forward(self, group: Group, occupant: Occupant | None, envelope: Envelope) -> None:
        """Sends a message to all clients of somebody on another server."""
        clients: Sequence[JID] = [envelope.to]
        if occupant is not None and occupant.bare == envelope.to.bare:
            clients = [jid for jid, _ in occupant.clients.values()]
        sender = parse_jid(envelope.stanza.attrs["from"])
        for client in clients:
            stanza = envelope.stanza
            addressed = Stanza(stanza.tag, {**stanza.attrs, "to": str(client)}, stanza.inner, stanza.children)
            self._post.route(addressed, sender, client)

    def failed(self, group: Group, sender: JID, stanza: Stanza, to: JID) -> None:
        """Passes on the error with which an occupant's client answers a private message."""
        occupant, author = group.occupants.get(to.resource), group.occupants.of(str(sender))
        if occupant is None or author is None:
            return
        try:
            self._groups.rates.take("private", group.jid, author.bare)
        except StanzaError:
            return
        at = group.at(author.nick)
        for client, _ in list(occupant.clients.values()):
            attrs = {**stanza.attrs, "from": str(at), "to": str(client)}
            self._post.route(Stanza(stanza.tag, attrs, stanza.inner, stanza.children), at, client)
