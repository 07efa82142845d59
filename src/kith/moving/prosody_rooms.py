"""The rooms of Prosody (``mod_muc``, ``mod_muc_mam``, ``mod_vcard_muc``), as a file of Kith would have
them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from kith.base.ids import stamp
from kith.features.forms import Field, build_form, from_boolean
from kith.groups.names import ROOM_CONFIG
from kith.moving import lua
from kith.moving.names import ARCHIVE_TAG, CREATED_TAG, MEMBER_TAG, SUBJECT_TAG
from kith.moving.reading import Event, HostOpened, Part, RoomClosed, RoomOpened
from kith.wire import ns

#: The fields of the form of a room, by the names that Prosody has for what is in them.
_TEXTS = {"name": "roomname", "description": "roomdesc", "language": "lang", "password": "roomsecret"}
_FLAGS = {
    "persistent": "persistentroom",
    "members_only": "membersonly",
    "moderated": "moderatedroom",
    "changesubject": "changesubject",
    "allow_member_invites": "allowinvites",
    "archiving": "enablearchiving",
}
_AFFILIATIONS = frozenset(("owner", "admin", "member", "outcast"))


def hosts(folder: Path) -> list[str]:
    """The domains that have rooms. Raises OSError."""
    found = []
    for place in sorted(folder.iterdir()):
        if (place / "config").is_dir():
            try:
                found.append(lua.decoded(place.name))
            except ValueError:
                continue
    return found


def rooms(folder: Path, problem: Callable[[str, str], None]) -> Iterator[Event]:
    """All rooms in Prosody's data folder. ``problem``: as of `kith.moving.sources.Sources`."""
    for host in hosts(folder):
        yield HostOpened(host)
        place = folder / lua.encoded(host)
        for file in sorted((place / "config").glob("*.dat")):
            try:
                name = lua.decoded(file.stem)
                (room,) = lua.read(file)
                head = list(_room(place, file, room))
            except (OSError, ValueError) as error:
                problem(str(file), str(error))
                continue
            yield RoomOpened(name)
            yield from head
            log = place / "muc_log" / f"{file.stem}.list"
            try:
                for message in lua.entries(log) if log.exists() else ():
                    yield _archived(message)
            except (OSError, ValueError) as error:
                problem(str(log), str(error))
            yield RoomClosed()


def _room(place: Path, file: Path, room: lua.Table) -> Iterator[Part]:
    """What there is of a room before its archive. Raises OSError, ValueError."""
    data = _table(room.get("_data"))
    yield _part(_form(data))
    created = _first(place / "muc_log" / f"{file.stem}.list") or _number(data.get("subject_time"))
    yield _part(Element(CREATED_TAG, {"at": _stamp(created)} if created else {}))
    extra = _table(room.get("_affiliation_data"))
    # before 0.11, all were in a table of their own
    for jid, affiliation in (room | _table(room.get("_affiliations"))).items():
        if isinstance(jid, str) and isinstance(affiliation, str) and affiliation in _AFFILIATIONS:
            nick = _table(extra.get(jid)).get("reserved_nickname")
            attrs = {"jid": jid, "affiliation": affiliation}
            yield _part(Element(MEMBER_TAG, attrs | ({"nick": nick} if isinstance(nick, str) else {})))
    subject = data.get("subject")
    if isinstance(subject, str) and subject:
        element = Element(SUBJECT_TAG, {"by": str(data.get("subject_from") or "").partition("/")[2]})
        if time := _number(data.get("subject_time")):
            element.set("at", _stamp(time))
        element.text = subject
        yield _part(element)
    card = place / "vcard_muc" / file.name
    if card.exists():
        for table in lua.read(card):
            yield _part(lua.element(table, ns.VCARD))


def _form(data: lua.Table) -> Element:
    values = {var: data.get(name) for name, var in _TEXTS.items()}
    fields = [
        Field(f"muc#roomconfig_{var}", (text,)) for var, text in values.items() if isinstance(text, str)
    ]
    flags = {var: bool(data.get(name)) for name, var in _FLAGS.items() if data.get(name) is not None}
    # what is not there is off
    flags = dict.fromkeys(("persistentroom", "membersonly", "moderatedroom", "changesubject"), False) | flags
    flags["publicroom"] = not data.get("hidden")
    fields += [Field(f"muc#roomconfig_{var}", (from_boolean(on),)) for var, on in flags.items()]
    whois = "anyone" if data.get("whois") == "anyone" else "moderators"
    fields.append(Field("muc#roomconfig_whois", (whois,)))
    return build_form("submit", ROOM_CONFIG, fields)


def _archived(table: lua.Table) -> Part:
    """A message of the archive, in the form of XEP-0227."""
    message = lua.element(table, ns.CLIENT)
    stamped = message.attrib.pop("stamp", "")
    message.attrib.pop("stamp_legacy", None)
    time = _number(table.get("when"))
    result = Element(ns.tag(ns.MAM, "result"), {"id": str(table.get("key", ""))})
    forwarded = SubElement(result, ns.tag(ns.FORWARD, "forwarded"))
    SubElement(forwarded, ns.tag(ns.DELAY, "delay"), {"stamp": _stamp(time) if time else stamped})
    forwarded.append(message)
    return Part(ARCHIVE_TAG, "", result.tag, result, 1000)


def _first(log: Path) -> float:
    """The time of the first message of an archive; 0 if there is none. Raises OSError, ValueError."""
    return next((_number(table.get("when")) for table in lua.entries(log)), 0.0) if log.exists() else 0.0


def _part(element: Element) -> Part:
    return Part("", "", element.tag, element, 200)


def _table(value: object) -> lua.Table:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float:
    return value if isinstance(value, float) and 0 < value < 1e11 else 0.0


def _stamp(time: float) -> str:
    return stamp(datetime.fromtimestamp(time, UTC))
