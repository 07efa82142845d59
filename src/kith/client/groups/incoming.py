"""Handles what groups send: messages of members, notices, receipts, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from kith.client import stanzas
from kith.client.events import (
    Event,
    GroupChanged,
    HistoryGiven,
    MessageChanged,
    MessageDeleted,
    MessageHealed,
    MessageReceived,
    MessageUnreadable,
    Typing,
)
from kith.client.extra import Extra
from kith.client.groups import wire
from kith.client.groups.expiry import GroupExpiry
from kith.client.groups.newcomers import Newcomers
from kith.client.groups.receipts import GroupReceipts
from kith.client.groups.records import GroupRecords
from kith.client.groups.sync import GroupSync
from kith.client.groups.values import Affiliation, Change
from kith.client.history import History
from kith.client.message import Draft, Kind, Message, State, Trust
from kith.client.reader import BESIDE, Reader, bounded
from kith.terminal import NICKNAME, one_line

if TYPE_CHECKING:
    from kith.client.outbox import Outbox

_INVITE = f"{{{wire.MUC_USER}}}x/{{{wire.MUC_USER}}}invite"
_ITEM = f"{{{wire.MUC_USER}}}x/{{{wire.MUC_USER}}}item"


class GroupIncoming:
    """Takes stanzas of groups, in the order of our log. `kith.client.incoming` calls it, and commits.

    The group vouches for who has written a message, and for its id, which no member can forge.
    """

    __slots__ = (
        *(
            "_expiry",
            "_history",
            "_newcomers",
            "_outbox",
            "_own",
            "_publish",
            "_reader",
            "_receipts",
            "_records",
        ),
        "_sync",
    )

    def __init__(
        self,
        own: str,
        history: History,
        records: GroupRecords,
        sync: GroupSync,
        receipts: GroupReceipts,
        newcomers: Newcomers,
        expiry: GroupExpiry,
        outbox: Outbox,
    ) -> None:
        self._expiry = expiry
        self._newcomers = newcomers
        self._own = own
        self._history = history
        self._records = records
        self._sync = sync
        self._receipts = receipts
        self._outbox = outbox

    def connect(self, reader: Reader, publish: Callable[[Event], None]) -> None:
        """Says who reads messages, and who publishes events once they are committed."""
        self._reader = reader
        self._publish = publish

    def is_of_group(self, jid: str) -> bool:
        """Whether an address is of a group, whose stanzas belong here."""
        return self._sync.is_group(jid)

    # messages

    async def take(self, message: Element, archive: str | None, time: datetime | None, live: bool) -> None:
        """Takes a stanza of a group. Raises Interrupted."""
        group, _, nick = message.get("from", "").partition("/")
        kind = message.get("type", "normal")
        if kind == "error":
            self._refused(message, group)
        elif kind == "normal" and message.find(_INVITE) is not None:
            self._sync.list_soon()
        elif kind == "headline":
            self._receipts.take(message, group, self._publish)
        elif kind == "groupchat":
            if not self._records.knows(group):
                self._sync.list_soon()  # another device of ours has made it
            now = datetime.now(UTC)
            time = min(time or now, now)
            place = stanzas.stanza_id(message, group) or archive
            given = message.find(wire.tag("history"))
            if given is not None:
                await self._given(message, group, given)
            elif nick:
                await self._said(message, group, nick, place, time, live)
            else:
                self._told(message, group, place, time)

    async def _said(
        self, message: Element, group: str, nick: str, place: str | None, time: datetime, live: bool
    ) -> None:
        """Somebody has written."""
        item = message.find(_ITEM)
        author = (item.get("jid", "") if item is not None else "").partition("/")[0]
        author = author or f"{group}/{one_line(nick, NICKNAME)}"  # of an anonymous group
        incoming = author != self._own
        origin = stanzas.origin_id(message)
        if not incoming and origin is not None and self._is_back(group, origin, place, time):
            return
        if place is not None and self._history.is_placed(group, place):
            return
        if place is None and live and incoming:
            active = stanzas.is_typing(message)
            if active is not None:
                self._publish(Typing(group, active, author))
        if not stanzas.has_content(message):
            return
        draft = await self._reader.read(message, group, incoming, time, author)
        if draft is None:
            return
        draft = replace(
            draft,
            id=bounded(message.get("id") or origin or ""),
            origin=bounded(origin) if origin else None,
            archive=place,
            place=place or self._history.last_place(group) + "~",
            author=author,
            digest=stanzas.digest(message),
            expires=self._expires(group, time),
        )
        added = self._history.add(draft)
        if added is not None:
            self._announce(added)

    async def _given(self, message: Element, group: str, about: Element) -> None:
        """An admin's device gives us what was said before we came; the group says who has written it."""
        item = message.find(_ITEM)
        giver = (item.get("jid", "") if item is not None else "").partition("/")[0]
        place, time = about.get("id", ""), stanzas.parse_time(about.get("at"))
        if not giver or len(place) != 16 or time is None or self._history.is_placed(group, place):
            return
        author = about.get("jid") or f"{group}/{one_line(about.get('nick', ''), NICKNAME)}"
        time = min(time, datetime.now(UTC))
        draft = await self._reader.read(message, group, author != self._own, time, giver)
        if draft is None or draft.error is not None or draft.kind is not Kind.TEXT:
            return
        extra = Extra() if draft.extra is None else Extra.parse(draft.extra)
        draft = replace(
            draft,
            id=place,
            place=place,
            author=author,
            extra=replace(extra, given=giver).stored(),
            expires=self._expires(group, time),
        )
        added = self._history.add(draft, early=True)
        if added is not None:
            self._publish(HistoryGiven(added))

    def _expires(self, group: str, time: datetime) -> float | None:
        """When a message of that time has to disappear, in seconds since 1970; None: never."""
        lifetime = self._records.lifetime(group)
        if not lifetime:
            return None
        self._expiry.wake()
        return time.timestamp() + lifetime

    def _is_back(self, group: str, origin: str, place: str | None, time: datetime) -> bool:
        """One of the messages that this device has written comes back from the group. False if it is none."""
        ours = self._history.mine(group, origin)
        if ours is None:
            return False
        placed = self._history.put_in_order(ours, place, self._expires(group, time))
        self._outbox.settled(placed)
        if ours.state is not placed.state and ours.kind is Kind.TEXT:
            self._publish(MessageChanged(placed))
        return True

    def _announce(self, added: Message) -> None:
        if added.incoming:
            self._receipts.owe(added.peer)
        if added.kind in BESIDE:
            self._announce_vote(added)
            return
        if added.kind is not Kind.TEXT:
            event = self._reader.references.apply(added)
            if event is not None:
                self._publish(event)
            return
        if not added.incoming:
            self._history.mark_read(added.peer, added)
        self._publish(MessageReceived(added))
        if added.error and added.incoming:
            asked = self._history.is_requested_again(added.author, added.origin or added.id)
            self._publish(MessageUnreadable(added, asked))

    def _announce_vote(self, vote: Message) -> None:
        """A vote, the end of a poll or a pin: the message that it is about is another one now."""
        poll = self._history.group_target(vote.peer, vote.about or "")
        if poll is not None:
            self._publish(MessageChanged(poll))

    def heal(self, draft: Draft, id: str) -> None:
        """A member's device has sent a message of a group once more, for this device alone.

        It takes the place of the unreadable one. If none of that member is missing, nothing happens: what
        was not said in the group is not in it.
        """
        original = self._history.unreadable_in(draft.peer, id, draft.author or "")
        if original is None:
            return
        place = self._history.group_id(original)
        self._history.remove(original)
        added = self._history.add(
            replace(
                draft,
                id=original.id,
                origin=original.origin,
                time=original.time,
                archive=place,
                place=place,
            )
        )
        if added is not None:
            if added.kind is Kind.TEXT:
                self._publish(MessageHealed(added))
            self._announce(added)

    # what the group says itself

    def _told(self, message: Element, group: str, place: str | None, time: datetime) -> None:
        change = message.find(wire.tag("change"))
        if change is not None:
            self._changed(change, group, place, time)
            return
        retract = message.find(f"{{{stanzas.RETRACT}}}retract")
        if retract is not None and retract.find(f"{{{wire.MODERATE}}}moderated") is not None:
            target = self._history.group_target(group, retract.get("id", ""))
            if target is not None and not target.deleted:
                self._publish(MessageDeleted(self._history.set_deleted(target), target))

    def _changed(self, element: Element, group: str, place: str | None, time: datetime) -> None:
        """A notice: somebody has changed the group."""
        if place is not None and self._history.is_placed(group, place):
            return
        number, change = wire.change(element)
        change = self._with_accepted(group, change)
        self._records.apply(group, number, change, time)
        notice = self._history.add(
            Draft(
                peer=group,
                id=place or "",
                body="",
                incoming=change.by != self._own,
                encrypted=False,
                trust=Trust.PLAIN,
                time=time,
                state=State.RECEIVED,
                archive=place,
                kind=Kind.NOTICE,
                author=change.by,
                place=place or self._history.last_place(group) + "~",
                extra=Extra(change=change).stored(),
            )
        )
        self._receipts.owe(group)
        self._outbox.members_changed(group)
        self._newcomers.changed(group, change)
        self._sync.wake()
        self._publish(GroupChanged(group, notice))

    def _with_accepted(self, group: str, change: Change) -> Change:
        """The change, in which those who have accepted an invitation were no members before."""
        known = self._records.find(group)
        if known is None or not change.members:
            return change
        invited = {member.jid for member in known.members if member.invited}
        members = tuple(
            replace(one, was=Affiliation.NONE) if one.jid in invited and not one.invited else one
            for one in change.members
        )
        return replace(change, members=members)

    # refusals

    def _refused(self, message: Element, group: str) -> None:
        """A message of ours came back with an error."""
        ours = self._history.ours(group, message.get("id", ""))
        if ours is None or ours.state not in (State.QUEUED, State.SENT):
            return
        number = wire.stale(message)
        if number is not None:
            if number < self._records.numbers(group)[0]:
                self._records.forget_number(group)
            self._records.want(group, number)
            self._outbox.members_changed(group)
            self._sync.wake()
            return
        self._outbox.refused(ours, stanzas.error_text(message))
