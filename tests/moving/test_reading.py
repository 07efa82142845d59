"""Files of XEP-0227 are read in pieces, whatever somebody has put into them."""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith.moving.reading import MAX_PIECE, Event, HostOpened, Part, ReadError, UserClosed, UserOpened, events
from kith.moving.sources import Sources
from tests.moving.place import user


def read(text: str | bytes) -> list[Event]:
    return list(events(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


def names(found: list[Event]) -> list[str]:
    """Accounts as name@host."""
    host, people = "", []
    for event in found:
        if isinstance(event, HostOpened):
            host = event.jid
        elif isinstance(event, UserOpened):
            people.append(f"{event.name}@{host}")
    return people


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><server-data xmlns='urn:xmpp:pie:0'/>", "document type"),
        ("<server-data xmlns='urn:xmpp:pie:0'>&a;</server-data>", "not XML"),
        ("<?xml version='1.0' encoding='iso-8859-1'?><a/>", "iso-8859-1"),
        ("<server-data xmlns='urn:xmpp:pie:0'>", "not XML"),
        ("", "not XML"),
        ("hello", "not XML"),
        (f"<a b='{'x' * 3_000_000}'/>", "a tag of more than"),
        (f"<{'a' * 5000}/>", "a name that is too long"),
        (user("".join(f"<e{n}/>" for n in range(150_000))), "different names"),
    ],
)
def test_what_such_a_file_does_not_need_is_refused(text: str, error: str) -> None:
    with pytest.raises(ReadError, match=error):
        read(text)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ReadError, match="not XML"):
        read(user("<vCard xmlns='vcard-temp'><FN>?</FN></vCard>").encode().replace(b"?", b"\xff"))


@pytest.mark.parametrize(
    "inside",
    [
        f"<vCard xmlns='vcard-temp'><FN>{'x' * (MAX_PIECE + 100_000)}</FN></vCard>",
        f"<vCard xmlns='vcard-temp'>{'<a>' * 200}{'</a>' * 200}</vCard>",
        f"<vCard xmlns='vcard-temp'>{'<a/>' * 60_000}</vCard>",
    ],
)
def test_a_piece_beyond_a_limit_is_left_out_and_the_others_are_read(inside: str) -> None:
    found = read(user(inside + "<query xmlns='jabber:iq:roster'><item jid='ben@x.example'/></query>"))
    parts = [event for event in found if isinstance(event, Part)]
    assert [part.element is None for part in parts] == [True, False]
    assert isinstance(found[-1], UserClosed)


def test_memory_does_not_grow_with_the_file() -> None:
    message = (
        "<result xmlns='urn:xmpp:mam:2' id='x'><forwarded xmlns='urn:xmpp:forward:0'><delay "
        "xmlns='urn:xmpp:delay' stamp='2024-05-01T10:00:00Z'/><message xmlns='jabber:client'>"
        f"<body>{'x' * 2000}</body></message></forwarded></result>"
    ).encode()
    before, after = user("<archive xmlns='urn:xmpp:pie:0#mam'>|</archive>").encode().split(b"|")

    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self._chunks = self._make()

        def _make(self) -> Iterator[bytes]:
            yield before
            for _ in range(1000):
                yield message * 30
            yield after

        def read(self, size: int = -1) -> bytes:
            return next(self._chunks, b"")

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(isinstance(event, Part) for event in events(Endless()))  # type: ignore[arg-type]
    assert count == 30_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 20_000  # KiB, of 68 MB


def test_hosts_and_people_may_be_in_files_of_their_own(tmp_path: Path) -> None:
    xi = "xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'"
    (tmp_path / "all.xml").write_text(f"<server-data {xi}><xi:include href='x.example.xml'/></server-data>")
    include = "<xi:include href='x.example/ada%20a.xml'/>"
    (tmp_path / "x.example.xml").write_text(f"<host {xi} jid='x.example'>{include}<user name='ben'/></host>")
    (tmp_path / "x.example").mkdir()
    (tmp_path / "x.example" / "ada a.xml").write_text(f"<user {xi} name='ada'/>")
    problems: list[str] = []
    for path in (tmp_path / "all.xml", tmp_path):
        found = list(Sources(path, lambda file, reason: problems.append(reason)).events())
        assert names(found) == ["ada@x.example", "ben@x.example"]
    assert not problems


def test_files_outside_of_the_folder_and_circles_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.xml").write_text(user("", "secret"))
    folder = tmp_path / "export"
    folder.mkdir()
    xi = "xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'"
    (folder / "link.xml").symlink_to(tmp_path / "secret.xml")
    hrefs = [
        "../secret.xml",
        str(tmp_path / "secret.xml"),
        "file:///etc/passwd",
        "",
        "all.xml",
        "none.xml",
        "link.xml",
    ]
    inside = "".join(f"<xi:include href='{href}'/>" for href in hrefs)
    text = "<xi:include href='part.xml' parse='text'/>"
    (folder / "all.xml").write_text(f"<server-data {xi}>{inside}{text}</server-data>")
    problems: list[str] = []
    found = list(Sources(folder / "all.xml", lambda file, reason: problems.append(reason)).events())
    assert names(found) == []
    assert len(problems) == len(hrefs) + 1


def test_one_broken_file_of_many_does_not_stop_the_others(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"p{number}@x.example.xml").write_text(user("", f"p{number}", "x.example"))
    (tmp_path / "p1@x.example.xml").write_text("<server-data")
    problems: list[str] = []
    found = list(Sources(tmp_path, lambda file, reason: problems.append(file)).events())
    assert names(found) == ["p0@x.example", "p2@x.example"]
    assert problems == ["p1@x.example.xml"]


def test_the_namespace_of_before_is_read_as_well() -> None:
    text = user("<offline-messages/>", host="x.example")
    old = text.replace("urn:xmpp:pie:0", "http://www.xmpp.org/extensions/xep-0227.html#ns")
    assert read(old) == read(text)
