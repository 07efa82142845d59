"""Messages to all members and occupants of a group (XEP-0045 §7.4)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.base.clock import Clock
from kith.base.secret import Secret
from kith.core.actors.intake import COMMITTING, LATER, Work
from kith.core.actors.sender import Sender
from kith.core.log.envelope import stanza_id
from kith.core.log.log import MAX_WAITING, Keep, Log, origin_of
from kith.groups.cleaning import cleaned
from kith.groups.devices import DeviceOwners
from kith.groups.group import Group
from kith.groups.groups import state_write
from kith.groups.keys import Key, split
from kith.groups.members import Affiliation
from kith.groups.names import FOR, GROUPS, ITEM, OCCUPANT, USER
from kith.groups.occupants import Role
from kith.groups.posting import Poster
from kith.groups.rates import Rates
from kith.groups.receipts import DISPLAYED, MARKS, Receipts
from kith.ports.store import LogStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.limits import Limits
from kith.wire.serialize import attributes, serialize
from kith.wire.stanza import LANG, Stanza

_BODY, _SUBJECT, _THREAD = (ns.tag(ns.CLIENT, name) for name in ("body", "subject", "thread"))
#: How many characters a subject has at most. Everybody who enters gets it.
MAX_SUBJECT = 2000
_ENCRYPTED = ns.tag(ns.OMEMO, "encrypted")
#: How many bytes of a message somebody gets if keys were sent before it: as many as a stanza may have.
_MAX_BYTES = Limits().stanza_bytes
#: The usual form of the element that names the members, as the server serializes it.
_MADE_FOR = re.compile(rb"<for xmlns='urn:kith:groups:0' number='([0-9]{1,18})'/>")
#: With one of these, a message with a subject does not only change the subject of the group.
_NO_SUBJECT = frozenset((_BODY, _THREAD, ns.tag(ns.RETRACT, "retract")))
#: Ids of messages, and what they are replaced by.
Rewrites = Sequence[tuple[int, bytes]]
#: Elements of messages that are passed on, but not kept.
_PASSING = frozenset((ns.CHAT_STATES, ns.RECEIPTS, ns.MARKERS, ns.HINTS, ns.STANZA_ID))
#: What a message with marks may have beside them.
_WITH_MARKS = _PASSING | {GROUPS}
#: In groups with more occupants or members, nobody is sent the markers of others.
_FEW = 20


class Author:
    """Who writes a message in a group: a nickname, with the rights that it has."""

    __slots__ = ("affiliation", "bare", "nick", "role")

    def __init__(self, nick: str, bare: str, affiliation: Affiliation, role: Role) -> None:
        self.nick = nick
        self.bare = bare
        self.affiliation = affiliation
        self.role = role


class Messages:
    """Takes messages of type groupchat."""

    def __init__(
        self,
        store: LogStore,
        log: Log,
        poster: Poster,
        secret: Secret,
        clock: Clock,
        devices: DeviceOwners,
        receipts: Receipts,
        rates: Rates,
    ) -> None:
        #: Shows an author to occupants who do not know them; set by `RoomPresence`.
        self.introduce: Callable[[Group, str, str], None]
        #: Finds keys that were sent before a message, by group, author and id; set by `KeyParts`.
        self.key_parts: Callable[[Group, str, str], list[Key] | None] | None = None
        self._receipts = receipts
        self._store = store
        self._log = log
        self._poster = poster
        self._key = secret.key("occupants")
        self._clock = clock
        self._devices = devices
        self._rates = rates
        self._said = lru_cache(4096)(self._said_by)

    def author_of(self, group: Group, sender: Sender) -> Author | None:
        """Who a sender is in a group: an occupant, or a member that has not entered; None if neither."""
        affiliation = group.members.affiliation(sender.bare)
        occupant = group.occupants.of(sender.full)
        if occupant is not None:
            return Author(occupant.nick, sender.bare, affiliation, occupant.role)
        member = group.members.get(sender.bare)
        if member is None or not member.belongs:
            return None
        return Author(member.nick, sender.bare, affiliation, group.role_of(affiliation))

    def admit(self, group: Group, sender: Sender, stanza: Stanza, rewrites: Rewrites = ()) -> Work:
        """Takes a message. Returns what `kith.core.actors.intake.Intake.handle` may. Raises StanzaError.

        ``rewrites``: what it takes back, if it is kept.
        """
        author = self.author_of(group, sender)
        try:
            if author is None:
                raise StanzaError("not-acceptable", "only those who are in the group may write to it")
            if _is_mark(stanza):
                return self._note(group, author, sender, stanza)
            if author.role < Role.PARTICIPANT:
                raise StanzaError("forbidden", "you may not write in this group")
            made_for = self._made_for(stanza)
            self._check_number(group, made_for)
            before = self._sent_before(group, author, made_for)
            self._rates.message(group.jid, author.bare)
        except StanzaError as error:
            return self._refuse(group, sender, stanza, error)
        if _SUBJECT in stanza.children and _NO_SUBJECT.isdisjoint(stanza.children):
            return LATER if sender.committing else self._set_subject(group, author, stanza)
        if self._is_passing(group, stanza):
            if sender.committing:
                return LATER
            self._poster.broadcast(group, self._message(group, author, stanza, cleaned(group, stanza), 0))
            return None
        if self._store.waiting_bytes > MAX_WAITING:
            raise StanzaError("resource-constraint", "the disk does not keep up")
        owners: Mapping[int, Sequence[int]] = {}
        if _ENCRYPTED in stanza.children:
            known = self._devices.known(group)
            if known is None:
                if sender.committing:
                    return LATER
                return self._post_later(group, author, sender, stanza, before, rewrites)
            owners = known
        self._post(group, author, sender, stanza, owners, before, rewrites)
        return COMMITTING

    def _note(self, group: Group, author: Author, sender: Sender, stanza: Stanza) -> Work:
        """Takes the marks of a member. In a small group, other clients get those of XEP-0333 too."""
        if author.affiliation >= Affiliation.MEMBER:
            if not self._receipts.is_loaded(group):
                return LATER if sender.committing else self._note_later(group, author, stanza)
            self._receipts.note(group, author.bare, stanza)
        self._pass_on_mark(group, author, stanza)
        return None

    async def _note_later(self, group: Group, author: Author, stanza: Stanza) -> None:
        await self._receipts.load(group)
        self._receipts.note(group, author.bare, stanza)
        self._pass_on_mark(group, author, stanza)

    def _pass_on_mark(self, group: Group, author: Author, stanza: Stanza) -> None:
        few = len(group.occupants) <= _FEW and len(group.members.recipients) <= _FEW
        if DISPLAYED in stanza.children and few:
            self._poster.broadcast(group, self._message(group, author, stanza, cleaned(group, stanza), 0))

    async def _post_later(
        self,
        group: Group,
        author: Author,
        sender: Sender,
        stanza: Stanza,
        before: Sequence[Key],
        rewrites: Rewrites,
    ) -> None:
        """Posts a message after the devices of all members were read."""
        self._post(group, author, sender, stanza, await self._devices.load(group), before, rewrites)
        sender.pipelined()

    def _post(
        self,
        group: Group,
        author: Author,
        sender: Sender,
        stanza: Stanza,
        owners: Mapping[int, Sequence[int]],
        before: Sequence[Key],
        rewrites: Rewrites,
    ) -> None:
        if len(group.occupants) and group.occupants.get(author.nick) is None and not group.config.anonymous:
            self.introduce(group, author.nick, author.bare)
        inner = cleaned(group, stanza)
        own: dict[int, bytes] = {}
        if _ENCRYPTED in stanza.children:
            after = len(self.added(group, author, 1)) + len(b"</message>")
            inner, own = split(inner, owners, after, before)
            mine = group.members.recipients.get(author.bare)
            if own and mine is not None and mine not in own and b" rid='" not in inner:
                # without any key, Gajim takes its own message for one that is malformed
                own[mine] = min(own.values(), key=len)
            if before and len(inner) + max(map(len, own.values()), default=0) > _MAX_BYTES:
                raise StanzaError("policy-violation", "too many keys for one recipient", type="modify")
        posting = self._poster.post(
            group,
            lambda id: self._message(group, author, stanza, inner, id),
            author.bare,
            sender=sender,
            stanza=stanza,
            origin=origin_of(stanza),
            own=own,
            rewrites=rewrites,
        )
        self._receipts.posted(group, posting.id, author.bare)

    def _sent_before(self, group: Group, author: Author, made_for: Mapping[str, str]) -> Sequence[Key]:
        """The keys that a message says were sent before it. Raises StanzaError if they are not there."""
        id = made_for.get("keys")
        if id is None or self.key_parts is None:
            return ()
        found = self.key_parts(group, author.bare, id)
        if found is None:
            missing = Element(ns.tag(GROUPS, "keys-missing"), {"id": id})
            raise StanzaError("conflict", "send the keys again", type="modify", application=missing)
        return found

    def _made_for(self, stanza: Stanza) -> Mapping[str, str]:
        """The attributes of the element that says which members a message was made for."""
        if FOR not in stanza.children:
            return {}
        match = _MADE_FOR.search(stanza.inner)
        if match is not None and stanza.inner.count(b"<for ") == 1:
            return {"number": match[1].decode()}
        made_for = stanza.child(FOR)
        return made_for.attrib if made_for is not None else {}

    def _is_passing(self, group: Group, stanza: Stanza) -> bool:
        if self._log.verdict(stanza) is Keep.NOTHING or not group.config.archive:
            return True
        return all(_namespace(child) in _PASSING for child in stanza.children)

    def _check_number(self, group: Group, made_for: Mapping[str, str]) -> None:
        """Refuses a message that was encrypted for other members than the group has now."""
        number = made_for.get("number")
        if number is not None and number != str(group.state.number):
            stale = Element(ns.tag(GROUPS, "stale"), {"number": str(group.state.number)})
            raise StanzaError("conflict", "the members have changed", type="modify", application=stale)

    def _refuse(self, group: Group, sender: Sender, stanza: Stanza, error: StanzaError) -> Work:
        """Refuses a message, unless it is a retry of one that the group has accepted before."""
        origin = origin_of(stanza)
        if origin is None:
            raise error
        return (
            LATER if sender.committing else self._refuse_unless_stored(group, sender, stanza, origin, error)
        )

    async def _refuse_unless_stored(
        self, group: Group, sender: Sender, stanza: Stanza, origin: bytes, error: StanzaError
    ) -> None:
        if not await self._poster.is_stored(group, sender.bare, origin, stanza.to_bytes()):
            raise error

    # -- the subject -------------------------------------------------------------------------------

    async def _set_subject(self, group: Group, author: Author, stanza: Stanza) -> None:
        """Changes the subject (XEP-0045 §8.1). Raises StanzaError."""
        if author.role < Role.MODERATOR and group.config.change != "members":
            raise StanzaError("forbidden", "only moderators change the subject")
        if len(stanza.element.findtext(_SUBJECT) or "") > MAX_SUBJECT:
            raise StanzaError("not-acceptable", f"a subject has at most {MAX_SUBJECT} characters")
        state = msgspec.structs.replace(
            group.state,
            subject=stanza.element.findtext(_SUBJECT) or "",
            subject_by=author.nick,
            subject_at=int(self._clock.now() * 1000),
        )
        inner = cleaned(group, stanza)
        await self._poster.notice(
            group,
            lambda id: self._message(group, author, stanza, inner, id),
            author.bare,
            [state_write(group, state)],
        )
        group.state = state

    # -- the form of a message -----------------------------------------------------------------------

    def _message(self, group: Group, author: Author, stanza: Stanza, inner: bytes, id: int) -> bytes:
        """A message as it is stored: without an address; recipients get it with their own."""
        attrs = {"from": str(group.at(author.nick)), "type": "groupchat"}
        for name in ("id", LANG):
            if name in stanza.attrs:
                attrs[name] = stanza.attrs[name]
        head = attributes(attrs).encode()
        return b"<message" + head + b">" + inner + self.added(group, author, id) + b"</message>"

    def added(self, group: Group, author: Author, id: int) -> bytes:
        """What the group adds to a message: who has written it, and its id."""
        said = self._said(group.jid, author.bare, author.affiliation, author.role, group.config.anonymous)
        return said + (stanza_id(id, group.jid) if id else b"")

    def _said_by(self, group: str, bare: str, affiliation: Affiliation, role: Role, anonymous: bool) -> bytes:
        """What says who has written a message. The same comes with each message of a person."""
        said = serialize(Element(OCCUPANT, {"id": self._occupant_id(group, bare)}))
        if anonymous:
            return said
        user = Element(USER)
        SubElement(user, ITEM, {"affiliation": affiliation.word, "role": role.word, "jid": bare})
        return said + serialize(user)

    def occupant_id(self, group: Group, bare: str) -> str:
        """An id of a person in a group that stays the same and discloses nothing (XEP-0421)."""
        return self._occupant_id(group.jid, bare)

    def _occupant_id(self, group: str, bare: str) -> str:
        return hmac.digest(self._key, f"{group}\0{bare}".encode(), "sha256")[:16].hex()


def _is_mark(stanza: Stanza) -> bool:
    """Whether a message says how far somebody has read, and nothing that needs the right to write."""
    return (MARKS in stanza.children or DISPLAYED in stanza.children) and all(
        child == _THREAD or _namespace(child) in _WITH_MARKS for child in stanza.children
    )


def _namespace(tag: str) -> str:
    return tag[1:].partition("}")[0]
