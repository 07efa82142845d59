"""History for those who are new in a group that is encrypted (docs/protocol.md, Groups).

They have no keys of what was said before they came. If the group is to show it to them (setting ``history``),
the device of an admin encrypts the last messages anew, for the devices of one newcomer, who alone gets them.
The server says who is new, lets one device at a time do it, vouches for who wrote each message and when, and
lets nobody send more, or anything that was not said in the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.base.clock import Clock
from kith.base.ids import from_text, stamp_of, to_text
from kith.core.actors.intake import LATER, Work
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.log.log import MAX_WAITING
from kith.groups.cleaning import cleaned
from kith.groups.group import Group
from kith.groups.history import since
from kith.groups.members import Affiliation, Member
from kith.groups.messages import Author
from kith.groups.names import GROUPS, ITEM, USER
from kith.groups.service import GroupService
from kith.ports.store import Entry, LogQuery, Store, Write
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.serialize import attributes, serialize
from kith.wire.stanza import Stanza

HISTORY = ns.tag(GROUPS, "history")
_NEWCOMERS, _NEWCOMER, _GIVEN = (ns.tag(GROUPS, name) for name in ("newcomers", "newcomer", "given"))
_RETRACTED = ns.tag(ns.RETRACT, "retracted")
#: How many messages a newcomer gets at most, and for how many seconds after they came.
MOST, _NEW = 100, 7 * 86400
#: For how many seconds after its last message a client is alone in sending history to a newcomer.
_RESERVED = 60.0
#: The space of a group's documents that says what newcomers were given; the keys are addresses.
_SPACE = "given"
#: Of how many copies it is known, for one person, that they are copies.
_KNOWN = 1000


class _Given(msgspec.Struct, omit_defaults=True):
    """What somebody was given who came at the time ``since`` (milliseconds).

    ``account``: the id of the account. ``number``: how many messages. ``done``: they get no more. ``copies``:
    the ids of messages, and of the copies of them that this person has.
    """

    since: int
    account: int
    number: int = 0
    done: bool = False
    copies: dict[int, int] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Given).decode


class Newcomers(Feature):
    """Takes history for newcomers from the devices of admins."""

    service = "groups"

    def __init__(self, store: Store, clock: Clock, groups: GroupService) -> None:
        self._store = store
        self._clock = clock
        self._service = groups
        self._reserved: dict[tuple[str, str], tuple[str, float]] = {}  # by group and newcomer: client, until
        groups.to_group[HISTORY] = self._handle

    # -- who is new -------------------------------------------------------------------------------------

    @handles_iq("get", GROUPS, "newcomers", to="place")
    async def newcomers(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Who has come in lately, and not got the history yet; for admins."""
        group = await self._service.load(to, sender)
        self._check(group, sender)
        given = {
            document.key: _decode(document.value)
            for document in await self._store.documents(group.id, _SPACE)
        }
        result = Element(_NEWCOMERS)
        for member in group.members.belonging():
            if self._is_new(group, member, given.get(member.jid)):
                before = to_text(since(member.since) + 1)
                SubElement(result, _NEWCOMER, {"jid": member.jid, "before": before})
        return (result,)

    def _check(self, group: Group, sender: Sender) -> Author:
        """Whether somebody may send history. Raises StanzaError."""
        author = self._service.messages.author_of(group, sender)
        if author is None or author.affiliation < Affiliation.ADMIN:
            raise StanzaError("forbidden", "only admins send history")
        if not group.config.history:
            raise StanzaError("not-allowed", "newcomers don't see what was said before they came")
        return author

    def _is_new(self, group: Group, member: Member, given: _Given | None) -> bool:
        if not member.account or member.since <= group.state.created:
            return False
        if member.since < (self._clock.now() - _NEW) * 1000:
            return False
        return given is None or given.since != member.since or not given.done

    async def _given(self, group: Group, jid: str) -> tuple[Member, _Given]:
        """A newcomer, and what they were given. Raises StanzaError if nobody has this address who is new."""
        document = await self._store.document(group.id, _SPACE, jid)
        given = _decode(document.value) if document is not None else None
        member = group.members.get(jid)
        if member is None or not member.belongs or not self._is_new(group, member, given):
            raise StanzaError("item-not-found", "nobody with this address is new")
        if given is None or given.since != member.since:
            same = given is not None and given.account == member.account
            given = _Given(member.since, member.account, copies=given.copies if given and same else {})
        return member, given

    # -- one client at a time ---------------------------------------------------------------------------

    @handles_iq("set", GROUPS, "history", to="place")
    async def reserve(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Lets a client send history to a newcomer, and no other one meanwhile; or ends that."""
        request = iq.child(HISTORY)
        assert request is not None
        return await self._service.in_turn(to, lambda group: self._reserve(group, sender, request), sender)

    async def _reserve(self, group: Group, sender: Sender, request: Element) -> Sequence[Element]:
        self._check(group, sender)
        jid = request.get("jid", "")
        member, given = await self._given(group, jid)
        self._take(group, sender, jid)
        if request.get("done") in ("true", "1"):
            given.done = True
            await self._store.put(group.id, _SPACE, jid, _encode(given))
            del self._reserved[group.jid, jid]
            return ()
        before = since(member.since) + 1
        attrs = {"jid": jid, "before": to_text(before), "most": str(max(MOST - given.number, 0))}
        result = Element(HISTORY, attrs)
        for original in given.copies:
            SubElement(result, _GIVEN, {"id": to_text(original)})
        return (result,)

    def _take(self, group: Group, sender: Sender, jid: str) -> None:
        """Reserves a newcomer for a client. Raises StanzaError if another one is at it."""
        now = self._clock.steady()
        client, until = self._reserved.get((group.jid, jid), ("", 0.0))
        if client != sender.full and until > now:
            raise StanzaError("conflict", "another client is sending the history", type="wait")
        self._reserved = {key: value for key, value in self._reserved.items() if value[1] > now}
        self._reserved[group.jid, jid] = sender.full, now + _RESERVED

    # -- messages ---------------------------------------------------------------------------------------

    def _handle(self, group: Group, sender: Sender, stanza: Stanza, to: JID) -> Work:
        return LATER if sender.committing else self._send(group, sender, stanza)

    async def _send(self, group: Group, sender: Sender, stanza: Stanza) -> None:
        """Puts a message from before into the log of a newcomer. Raises StanzaError."""
        author = self._check(group, sender)
        asked = stanza.child(HISTORY)
        assert asked is not None
        jid = asked.get("jid", "")
        member, given = await self._given(group, jid)
        self._take(group, sender, jid)
        id, about = await self._original(group, member, asked.get("id", ""))
        if id in given.copies:
            return  # a retry
        if given.number >= MOST:
            raise StanzaError("policy-violation", f"newcomers get {MOST} messages at most")
        if self._store.waiting_bytes > MAX_WAITING:
            raise StanzaError("resource-constraint", "the disk does not keep up", type="wait")
        said = (id >> 20) / 1000
        if group.config.expire and said + group.config.expire <= self._clock.now():
            raise StanzaError("item-not-found", "the message has disappeared")
        writes: list[Write] = []
        content = serialize(about) + cleaned(group, stanza)
        head = attributes({"from": str(group.at(author.nick)), "type": "groupchat"}).encode()

        def make(copy: int) -> bytes:
            given.number += 1
            given.copies[id] = copy
            for oldest in list(given.copies)[:-_KNOWN]:
                del given.copies[oldest]
            writes.append(Write(group.id, _SPACE, jid, _encode(given)))
            added = self._service.messages.added(group, author, copy)
            return b"<message" + head + b">" + content + added + b"</message>"

        await self._service.poster.notice(
            *(group, make, author.bare, writes, {member.jid: member.account}), confined=True, since=said
        )

    async def _original(self, group: Group, member: Member, text: str) -> tuple[int, Element]:
        """The id of a message from before a newcomer came, and what the group says about it.

        Raises StanzaError if there is none, or it was taken back.
        """
        try:
            id = from_text(text)
        except ValueError:
            raise StanzaError("bad-request", "the id of the message is missing") from None
        after, before = since(group.state.created), since(member.since) + 1
        page = await self._store.page(LogQuery(group.id, after=after, before=before, ids=(id,), limit=1))
        original = Stanza.from_bytes(page.entries[0].stanza) if page.entries else None
        nick = parse_jid(original.attrs.get("from", group.jid)).resource if original is not None else ""
        if original is None or not nick or _RETRACTED in original.children:
            raise StanzaError("item-not-found", "no such message was sent before they came")
        attrs = {"id": text, "nick": nick, "at": stamp_of(id)}
        item = original.element.find(f"{USER}/{ITEM}")
        if item is not None and item.get("jid") and not group.config.anonymous:
            attrs["jid"] = item.get("jid", "")
        return id, Element(HISTORY, attrs)

    async def copies(self, group: Group, id: int) -> list[Entry]:
        """The copies that newcomers have of a message."""
        found: list[Entry] = []
        for document in await self._store.documents(group.id, _SPACE):
            given = _decode(document.value)
            if (copy := given.copies.get(id)) is not None:
                query = LogQuery(given.account, group.jid, ids=(copy,), shared=True)
                found += (await self._store.page(query)).entries
        return found
