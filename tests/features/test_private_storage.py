"""XEP-0049: what a client keeps on the server, and gets back on another device."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

import pytest

from kith.features.private_storage import MAX_BYTES
from tests.conftest import RunningServer
from tests.raw import RawClient, condition, online

NOTES = "<storage xmlns='storage:rosternotes'>{}</storage>"


def query(inside: str) -> str:
    return f"<query xmlns='jabber:iq:private'>{inside}</query>"


async def kept(client: RawClient, element: str) -> Element:
    """What the server has under the name of an element, empty if it has nothing."""
    answer = await client.iq("get", query(element))
    assert answer.get("type") == "result", tostring(answer)
    ((found,),) = answer
    return found


def is_empty(element: Element) -> bool:
    return not (len(element) or element.text or element.attrib)


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    for name in ("keeper", "other"):
        server.add_user(name)


async def test_another_device_gets_what_one_has_kept(server: RunningServer, accounts: None) -> None:
    phone, desk = await online(server.port, "keeper"), await online(server.port, "keeper")
    notes = NOTES.format("<note jid='a@b' cdate='2026-11-24T00:00:00Z'>r&amp;d</note>")
    assert (await phone.iq("set", query(notes))).get("type") == "result"
    (note,) = await kept(desk, NOTES.format(""))
    assert (note.get("jid"), note.text) == ("a@b", "r&d")
    assert (await desk.iq("set", query(NOTES.format("")))).get("type") == "result"
    assert is_empty(await kept(phone, NOTES.format("")))
    for client in (phone, desk):
        client.abort()


async def test_what_was_never_kept_is_empty(server: RunningServer, accounts: None) -> None:
    client = await online(server.port, "keeper")
    found = await kept(client, "<x xmlns='urn:never' a='1'>of the question<y/></x>")
    assert found.tag == "{urn:never}x"
    assert is_empty(found)
    client.abort()


async def test_nobody_reads_or_writes_for_another(server: RunningServer, accounts: None) -> None:
    keeper, other = await online(server.port, "keeper"), await online(server.port, "other")
    assert (await keeper.iq("set", query(NOTES.format("<note/>")))).get("type") == "result"
    for type in ("get", "set"):
        answer = await other.iq(type, query(NOTES.format("")), "keeper@localhost")
        assert condition(answer) == "forbidden"
    assert is_empty(await kept(other, NOTES.format("")))
    assert len(await kept(keeper, NOTES.format(""))) == 1
    keeper.abort()
    other.abort()


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("", "bad-request"),
        ("<a xmlns='urn:a'/><b xmlns='urn:b'/>", "bad-request"),
        ("<a xmlns='jabber:client'/>", "not-acceptable"),
        ("<a/>", "not-acceptable"),
    ],
)
async def test_wrong_requests_get_the_standard_error(
    server: RunningServer, accounts: None, inside: str, expected: str
) -> None:
    client = await online(server.port, "other")
    assert condition(await client.iq("set", query(inside))) == expected
    client.abort()


async def test_the_storage_has_a_bound(server: RunningServer, accounts: None) -> None:
    client = await online(server.port, "other")
    part = "x" * (MAX_BYTES // 3)
    answers = [await client.iq("set", query(f"<a xmlns='urn:{n}'>{part}</a>")) for n in range(3)]
    assert [a.get("type") for a in answers[:2]] == ["result", "result"]
    assert condition(answers[2]) == "resource-constraint"
    client.abort()
