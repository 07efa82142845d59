"""Rooms become groups: with their members, settings, subject, picture and archive.

They are taken after all accounts. A room is marked as begun before it is created, and the mark is removed
when all of its data are durable, as it is for accounts. Members find the archive in their own logs, from the
time on from which they were members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from xml.etree.ElementTree import Element

import msgspec

from kith.features.forms import Form, X, parse_form
from kith.features.photos import clean_photo
from kith.features.vcard import MAX_BYTES, without_avatar
from kith.groups import card, configuration, index
from kith.groups import config as configs
from kith.groups import group as states
from kith.groups import members as affiliations
from kith.groups.config import Config
from kith.groups.group import Group, State
from kith.groups.groups import GROUP, MEMBERS, memberships
from kith.groups.members import AFFILIATIONS, Affiliation, Member, Members
from kith.groups.messages import MAX_SUBJECT
from kith.groups.nicknames import default_nick, free_nick
from kith.moving.arrival import Context
from kith.moving.names import ARCHIVE_TAG, CARD_TAG, CREATED_TAG, MEMBER_TAG, SUBJECT_TAG
from kith.moving.reading import Event, HostOpened, Part, RoomClosed, RoomOpened
from kith.moving.room_archive import RoomArchive, time_of
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid, prepare_local
from kith.wire.serialize import serialize

#: The space of the marks, as documents of the server.
_BEGUN = "rooms-moving-in"


class _Room:
    """A room that is being read: what comes before its archive, then the group."""

    def __init__(self, address: JID, host: str) -> None:
        self.address = address
        self.old = f"{address.local}@{host}"
        self.config = Config()
        self.state = State()
        self.people: list[Element] = []
        self.card = b""  # that of the picture, if there is one
        self.archive: RoomArchive | None = None  # of the group
        self.existing = False  # it was here before this import


class RoomImporter:
    """Imports rooms. ``merge``: those that exist get the messages that they do not have.

    ``accounts``: tells whether an account will exist, for a trial.
    """

    def __init__(self, context: Context, merge: bool, accounts: Callable[[str], bool]) -> None:
        self._context = context
        self._merge = merge
        self._accounts = accounts
        self._host = ""
        self._taken = False
        self._room: _Room | None = None
        self._seen: set[str] = set()
        self._latest = int(context.clock.now() * 1000)  # nothing is from the future

    async def run(self, events: Iterable[Event]) -> None:
        """Imports everything. Raises `kith.ports.store.Unavailable` if the store fails."""
        for event in events:
            match event:
                case HostOpened():
                    await self._close(complete=False)
                    self._host = event.jid
                    self._taken = self._context.names.add_rooms(event.jid)
                case RoomOpened():
                    await self._close(complete=False)
                    self._open(event.name)
                case RoomClosed():
                    await self._close(complete=True)
                case Part() if self._room is not None:
                    await self._take(self._room, event)
                case _:
                    pass  # of an account
        await self._close(complete=False)

    def _open(self, name: str) -> None:
        report, names = self._context.report, self._context.names
        shown = f"{name}@{self._host}"
        if not self._taken:
            report.leave(
                "rooms", f"not of {names.own}; to take them along: --domain {self._host}={names.rooms}", shown
            )
            return
        try:
            address = JID(prepare_local(name), names.rooms)
        except ValueError:
            report.leave("rooms", "not an address", shown)
            return
        if address.bare in self._seen:
            report.leave("rooms", "twice in the files", address.bare)
            return
        self._seen.add(address.bare)
        self._room = _Room(address, self._host)

    async def _close(self, complete: bool) -> None:
        room, self._room = self._room, None
        if room is None:
            return
        await self._begin(room)
        await self._context.writes.settle()
        if not complete:
            self._context.report.note("a room is incomplete, because its file is", room.address.bare)
        elif self._context.writes.real:
            await self._context.store.remove(0, _BEGUN, room.address.bare)

    async def _take(self, room: _Room, part: Part) -> None:
        if part.within == ARCHIVE_TAG:
            await self._begin(room)
            if room.archive is not None:
                room.archive.take(part.element)
                await self._context.writes.relieve()
        elif part.element is None:
            self._context.report.leave("rooms", "data that are too large", room.address.bare)
        elif part.tag == X:
            room.config = self._configured(room, parse_form(part.element))
        elif part.tag == MEMBER_TAG:
            room.people.append(part.element)
        elif part.tag == SUBJECT_TAG:
            at = self._time(part.element.get("at")) or 0
            room.state = msgspec.structs.replace(
                room.state,
                subject=(part.element.text or "")[:MAX_SUBJECT],
                subject_by=part.element.get("by", ""),
                subject_at=at,
            )
        elif part.tag == CREATED_TAG:
            number = part.element.get("number", "")
            room.state = msgspec.structs.replace(
                room.state,
                created=self._time(part.element.get("at")) or 0,
                creator=self._bare(part.element.get("by", "")) or "",
                number=int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else 1,
                link=part.element.get("link", "")[:100],
            )
        elif part.tag == CARD_TAG:
            await self._pictured(room, part.element)
        else:
            self._context.report.leave("rooms", "unknown data of a room", part.tag)

    # -- the group --------------------------------------------------------------------------------------

    def _configured(self, room: _Room, form: Form) -> Config:
        """The settings, one by one: those that Kith does not have keep their default."""
        config = room.config
        for var, values in form.values.items():
            try:
                config = configuration.changed(config, Form("submit", {var: values}))
            except StanzaError as error:
                self._context.report.note(
                    f"a setting of a room was not taken: {error.text}", room.address.bare
                )
        return config

    async def _pictured(self, room: _Room, element: Element) -> None:
        """Takes the picture of a room from its card."""
        try:
            await clean_photo(element, self._context.pictures, room.address.bare, card.PICTURE_BYTES)
            data = serialize(element, "")
            if len(data) > MAX_BYTES:
                raise StanzaError("resource-constraint", "the card is too big")
            _, avatar, _ = without_avatar(element)
        except StanzaError as error:
            self._context.report.note(f"a photo was left out: {error.text}", room.address.bare)
            return
        if avatar is not None:
            room.card, room.state = data, msgspec.structs.replace(room.state, avatar=avatar.id)

    async def _begin(self, room: _Room) -> None:
        """Creates the group, unless it exists; once everything before the archive was read."""
        if room.archive is not None or room.existing:
            return
        store, report, jid = self._context.store, self._context.report, room.address.bare
        record = await store.account(jid)
        begun = await store.document(0, _BEGUN, jid) if record is not None else None
        created = room.state.created or self._latest
        people = await self._people(room, created)
        owner = next((one.jid for one in people if one.affiliation is Affiliation.OWNER), "")
        room.state = msgspec.structs.replace(
            room.state,
            created=created,
            creator=room.state.creator or owner,
            removed=room.state.number,
        )
        if record is not None and begun is None:
            report.found("rooms")
            state = await store.document(record.id, GROUP, "state")
            room.existing = True
            if not self._merge or state is None or states.load(state.value).destroyed:
                return
            people = [affiliations.load(one.value) for one in await store.documents(record.id, MEMBERS)]
        else:
            report.take("rooms")
            report.take("members", len(people))
        id = record.id if record is not None else await self._create(room, people)
        group = Group(jid, id, room.config, room.state, Members(people))
        room.archive = RoomArchive(self._context, group, room.old, self._latest)
        if record is not None:
            await room.archive.load()

    async def _create(self, room: _Room, people: Sequence[Member]) -> int:
        store, jid = self._context.store, room.address.bare
        if not self._context.writes.real:
            return 0
        documents = [
            (GROUP, "config", configs.dump(room.config)),
            (GROUP, "state", states.dump(room.state)),
            *((MEMBERS, member.jid, affiliations.dump(member)) for member in people),
        ]
        if room.state.avatar:
            documents.append((card.SPACE, "", room.card))
        await store.put(0, _BEGUN, jid, b"")
        entry = index.entry_of(room.config, False)
        if entry.public or entry.temporary:
            await index.note(store, jid, entry)
        id = await store.create_group(jid, documents, memberships(jid, people))
        assert id is not None, "nothing else creates groups meanwhile"
        return id

    async def _people(self, room: _Room, created: int) -> list[Member]:
        """The members, with nicknames that are their own. Somebody owns the group, if there is anybody."""
        group = Group(room.address.bare, 0, room.config, room.state, Members(()))
        for element in room.people:
            affiliation = AFFILIATIONS.get(element.get("affiliation", ""), Affiliation.NONE)
            bare = self._bare(element.get("jid", ""))
            account = await self._account(bare) if bare is not None else None
            belongs = affiliation >= Affiliation.MEMBER
            if bare is None or affiliation is Affiliation.NONE or (belongs and account is None):
                reason = "not a member, or without an account here"
                self._context.report.leave("members", reason, f"{group.jid}: {element.get('jid', '')}")
                continue
            jid = parse_jid(bare)
            if belongs and not jid.local:
                self._context.report.leave("members", "a whole server", f"{group.jid}: {bare}")
                continue
            nick = element.get("nick", "")
            if belongs:
                nick = free_nick(group, nick, bare, set()) if nick else default_nick(group, jid, set())
            group.members.put(
                Member(
                    *(bare, affiliation, account or 0, nick if belongs else ""),
                    since=self._time(element.get("since")) or created,
                    number=room.state.number,
                    by=self._bare(element.get("by", "")) or "",
                    reason=element.get("reason", "")[:1000],
                    pending=element.get("invited") == "true",
                )
            )
        people = list(group.members)
        if people and all(one.affiliation is not Affiliation.OWNER for one in people):
            heir = max(people, key=lambda one: (one.affiliation, bool(one.account)))
            if heir.affiliation >= Affiliation.MEMBER:
                group.members.put(msgspec.structs.replace(heir, affiliation=Affiliation.OWNER))
                self._context.report.note("a room had no owner; somebody else of it is now", group.jid)
        return list(group.members)

    async def _account(self, bare: str) -> int | None:
        """The id of an account; 0 if it is on another server; None if there is none here."""
        jid = parse_jid(bare)
        if jid.domain != self._context.names.own or not jid.local:
            return 0
        record = await self._context.store.account(bare)
        if record is not None:
            return record.id
        return 0 if not self._context.writes.real and self._accounts(bare) else None

    def _time(self, text: str | None) -> int | None:
        return time_of(text, self._latest)

    def _bare(self, text: str) -> str | None:
        return self._context.names.bare(text)
