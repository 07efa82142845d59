"""Rooms in an export become groups, once, and go back into an export as they are."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kith.base.clock import Clock
from kith.core.log.own import own_part
from kith.groups import config as configs
from kith.groups import group as states
from kith.groups import members as affiliations
from kith.groups.members import Affiliation
from kith.moving import prosody_rooms
from kith.moving.arrival import Context
from kith.moving.exporting import Exporter
from kith.moving.reading import Part, RoomOpened, events
from kith.moving.renaming import Renaming
from kith.moving.report import Report
from kith.moving.rooms import RoomImporter
from kith.moving.writes import Writes
from kith.ports.pictures import Pictures
from kith.ports.store import Append, LogQuery, Shared, Store
from tests.moving.place import DOMAIN, opened, reasons

SERVICE = f"groups.{DOMAIN}"
ROOM = f"tea@{SERVICE}"
FORM = (
    "<x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_roomname'><value>Tea</value></field>"
    "<field var='muc#roomconfig_maxusers'><value>many</value></field>"
    "<field var='{urn:kith:groups:0}approve'><value>1</value></field></x>"
)
MEMBER = "<member jid='{}@new.example' affiliation='{}' since='2026-01-0{}T00:00:00Z'/>"


def said(text: str, day: int, nick: str = "ada") -> str:
    return (
        "<result xmlns='urn:xmpp:mam:2' id='x'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<delay xmlns='urn:xmpp:delay' stamp='2026-01-0{day}T12:00:00Z'/>"
        f"<message xmlns='jabber:client' from='tea@{SERVICE}/{nick}' type='groupchat' to='x' id='{text}'>"
        f"<body>{text}</body><stanza-id xmlns='urn:xmpp:sid:0' id='old' by='tea@{SERVICE}'/>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='old'/></message></forwarded></result>"
    )


def room(*messages: str, head: str = "", name: str = "tea", host: str = SERVICE, end: str = "</room>") -> str:
    """A file with one room."""
    people = MEMBER.format("ada", "owner", 1) + MEMBER.format("ben", "member", 3)
    people += MEMBER.format("eve", "member", 1)  # who has no account
    archive = f"<archive xmlns='urn:xmpp:pie:0#mam'>{''.join(messages)}</archive>"
    inner = f"{FORM}<created at='2026-01-01T00:00:00Z'/>{people}{head}{archive}"
    closing = f"{end}</host></server-data>" if end else ""
    return (
        f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{host}'>"
        f"<room xmlns='urn:kith:rooms:0' name='{name}'>{inner}{closing}"
    )


async def take(
    store: Store, xml: str, merge: bool = False, real: bool = True, pictures: Pictures | None = None
) -> Report:
    report = Report()
    names = Renaming(DOMAIN, {})
    context = Context(store, Writes(store, real), Clock(), names, report, pictures)
    await store.create_accounts([(f"{name}@{DOMAIN}", {}) for name in ("ada", "ben")])
    found = events(io.BytesIO(xml.encode()))
    await RoomImporter(context, merge, lambda jid: False).run(found)
    return report


async def log(store: Store, jid: str, shared: bool = False) -> list[str]:
    record = await store.account(jid)
    assert record is not None
    page = await store.page(LogQuery(record.id, limit=1000, shared=shared))
    return [e.stanza.partition(b"<body>")[2].partition(b"</body>")[0].decode() for e in page.entries]


async def test_members_find_in_their_logs_what_was_said_since_they_came(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        report = await take(store, room(said("one", 2), said("two", 2), said("three", 4)))
        assert (report.taken["rooms"], report.taken["members"]) == (1, 2)
        assert await log(store, ROOM) == await log(store, f"ada@{DOMAIN}", True) == ["one", "two", "three"]
        assert await log(store, f"ben@{DOMAIN}", True) == ["three"]
        assert reasons(report) == {"members: not a member, or without an account here": 1}
        assert list(report.notes) == [
            "a setting of a room was not taken: muc#roomconfig_maxusers: not a number"
        ]
        record = await store.account(ROOM)
        assert record is not None
        own = {one.key: one.value for one in await store.documents(record.id, "group")}
        config = configs.load(own["config"])
        assert (config.name, config.approve, config.members_only) == ("Tea", True, True)
        assert states.load(own["state"]).creator == f"ada@{DOMAIN}"
        people = [affiliations.load(one.value) for one in await store.documents(record.id, "members")]
        assert {one.jid: (one.affiliation, one.nick) for one in people} == {
            f"ada@{DOMAIN}": (Affiliation.OWNER, "ada"),
            f"ben@{DOMAIN}": (Affiliation.MEMBER, "ben"),
        }
        page = await store.page(LogQuery(record.id))
        assert b"'old'" not in b"".join(entry.stanza for entry in page.entries)


CARD = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>{}</BINVAL></PHOTO></vCard>"


async def test_the_picture_of_a_room_comes_along(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await take(store, room(head=CARD.format("QUJD")))
        record = await store.account(ROOM)
        assert record is not None
        state = await store.document(record.id, "group", "state")
        card = await store.document(record.id, "card", "")
        assert state is not None
        assert card is not None
        assert states.load(state.value).avatar == hashlib.sha1(b"ABC").hexdigest()
        assert b"<BINVAL>QUJD</BINVAL>" in card.value


@pytest.mark.parametrize("photo", ["no base64!", "QUJD" * 100_000])
async def test_a_room_with_a_picture_that_can_not_be_taken_is_taken_without(
    tmp_path: Path, photo: str
) -> None:
    async with opened(tmp_path) as store:
        report = await take(store, room(said("one", 2), head=CARD.format(photo)))
        assert any(note.startswith("a photo was left out") for note in report.notes)
        assert await log(store, ROOM) == ["one"]
        record = await store.account(ROOM)
        assert record is not None
        assert await store.documents(record.id, "card") == []


async def test_an_import_that_was_cut_off_goes_on_and_takes_nothing_twice(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        cut = room(said("one", 2), said("two", 3), end="")
        with pytest.raises(Exception, match="is not XML"):
            await take(store, cut)
        whole = room(said("one", 2), said("two", 3), said("three", 4))
        await take(store, whole)
        assert await log(store, ROOM) == ["one", "two", "three"]
        again = await take(store, whole)
        assert (again.taken["rooms"], again.there["rooms"], again.taken["messages of rooms"]) == (0, 1, 0)
        merged = await take(store, room(said("two", 3), said("four", 5)), merge=True)
        assert (merged.there["messages of rooms"], merged.taken["messages of rooms"]) == (1, 1)
        assert await log(store, f"ada@{DOMAIN}", True) == ["one", "two", "three", "four"]


async def test_a_trial_writes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        report = await take(store, room(said("one", 2)), real=False)
        assert (report.taken["rooms"], report.taken["messages of rooms"]) == (1, 1)
        assert await store.groups() == []


@pytest.mark.parametrize(
    ("name", "host", "reason"),
    [
        ("@", SERVICE, "rooms: not an address"),
        ("tea", "rooms.other.example", f"rooms: not of {DOMAIN}; to take them along: "),
    ],
)
async def test_a_room_that_can_not_be_taken_is_told(
    tmp_path: Path, name: str, host: str, reason: str
) -> None:
    async with opened(tmp_path) as store:
        report = await take(store, room(said("one", 2), name=name, host=host))
        assert [found for found in reasons(report) if found.startswith(reason)]
        assert await store.groups() == []


async def test_a_group_comes_back_from_its_export_with_the_keys_of_all(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    subject = "<subject by='ada' at='2026-01-02T00:00:00Z'>Which cake?</subject>"
    async with opened(tmp_path / "a") as store:
        await take(store, room(said("one", 2), head=subject))
        record = await store.account(ROOM)
        people = [await store.account(f"{name}@{DOMAIN}") for name in ("ada", "ben")]
        assert record is not None
        ids = [one.id for one in people if one is not None]
        stanza = (
            f"<message from='{ROOM}/ada' type='groupchat'><encrypted xmlns='e'><h></h></encrypted></message>"
        )
        after = len("</h></encrypted></message>")
        own = {id: own_part(after, b"<key rid='%d'/>" % id) for id in ids}
        shared = Shared(record.id, ids, own)
        done = lambda existing, error: None  # noqa: E731
        last = Clock().now()
        store.append(
            Append(int(last * 1000) << 20, stanza.encode(), [(record.id, "x", 0)], done, shared=shared)
        )
        await store.flush()
        file = io.BytesIO()
        exporter = Exporter(store, Clock(), DOMAIN, file)
        exporter.begin()
        assert await exporter.rooms([ROOM]) == 1
        exporter.end()
    written = file.getvalue().decode()
    assert written.count("rid=") == 2
    ElementTree.fromstring(written)
    async with opened(tmp_path / "b") as store:
        report = await take(store, written)
        assert (report.taken["rooms"], report.taken["messages of rooms"], reasons(report)) == (1, 2, {})
        record = await store.account(ROOM)
        assert record is not None
        state = await store.document(record.id, "group", "state")
        assert state is not None
        assert states.load(state.value).subject == "Which cake?"
        assert await log(store, f"ben@{DOMAIN}", True) == [""]


@pytest.mark.parametrize(
    "data",
    [
        'return { ["_data"] = 5; ["a@b"] = { }; ["c@d"] = "owner"; };',
        'return { ["_data"] = { ["name"] = { }; ["subject"] = true; ["subject_time"] = -1; }; };',
        'return { ["_affiliations"] = { ["c@d"] = "owner"; [7] = "owner"; }; };',
        "return 5",
        "return { }; return { };",
        "{",
    ],
)
def test_whatever_prosody_has_stored_is_read_or_told(tmp_path: Path, data: str) -> None:
    place = tmp_path / "rooms%2enew%2eexample"
    for store in ("config", "muc_log"):
        (place / store).mkdir(parents=True)
    (place / "config" / "t%c3%a9.dat").write_text(data)
    (place / "muc_log" / "t%c3%a9.list").write_text('item({\n["attr"] = 5;\n});\nitem({\n')
    problems: list[str] = []
    found = list(prosody_rooms.rooms(tmp_path, lambda file, reason: problems.append(reason)))
    assert problems
    assert [one.name for one in found if isinstance(one, RoomOpened)] in (["té"], [])


def test_a_text_that_looks_like_the_end_of_an_entry_is_none(tmp_path: Path) -> None:
    place = tmp_path / "rooms%2enew%2eexample"
    for store in ("config", "muc_log"):
        (place / store).mkdir(parents=True)
    (place / "config" / "tea.dat").write_text("return { };")
    body = '\t{\n\t\t"one\\\n});\\\ntwo";\n\t\t["attr"] = {};\n\t\t["name"] = "body";\n\t};\n'
    entry = f'item({{\n{body}\t["when"] = 1796074115;\n\t["name"] = "message";\n\t["attr"] = {{}};\n}});\n'
    (place / "muc_log" / "tea.list").write_text(entry * 2)
    problems: list[str] = []
    found = list(prosody_rooms.rooms(tmp_path, lambda file, reason: problems.append(reason)))
    assert problems == []
    texts = [
        one.element.findtext(".//{jabber:client}body")
        for one in found
        if isinstance(one, Part) and one.within and one.element is not None
    ]
    assert texts == ["one\n});\ntwo"] * 2
