"""How the server passes the signalling of calls on, keeps it, and bounds it (`kith.calls.signalling`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.calls import signalling
from kith.calls.signalling import CallSignalling
from kith.core.actors.account import Session
from kith.features.archive import Archive
from kith.features.blocking import Blocking
from kith.features.carbons import Carbons
from kith.features.correspondents import Correspondents
from kith.features.hints import Hints
from kith.features.privacy import PrivacySettings
from kith.records import privacy
from kith.wire.stanza import Stanza
from tests.parts import Room, room

FEATURES = (PrivacySettings, Blocking, Correspondents, Archive, Hints, Carbons, CallSignalling)
JMI = "urn:xmpp:jingle-message:0"
INITIATE = (
    "<iq type='set' id='{id}' to='{to}'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='c'>"
    "<content creator='initiator' name='audio'>"
    "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></content></jingle></iq>"
)


def signal(name: str, to: str, id: str = "c", more: str = "") -> str:
    return f"<message to='{to}' type='chat' id='{name}{id}'><{name} xmlns='{JMI}' id='{id}'/>{more}</message>"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path, *FEATURES) as it:
        yield it


async def device(there: Room, address: str) -> Session:
    session = await there.session(address)
    session.state[Carbons] = True
    return session


def heard(there: Room, session: Session) -> list[str]:
    """The names of the elements about calls that a session was sent, in carbons too; requests and errors."""
    found = []
    for stanza in there.heard(session):
        names = [element.tag for element in stanza.element.iter() if element.tag.startswith(f"{{{JMI}}}")]
        found += [name.partition("}")[2] for name in names if stanza.type != "error"]
        if stanza.kind == "iq" or stanza.type == "error":
            found.append(f"{stanza.kind} {stanza.type}")
    return found


async def later(there: Room, name: str) -> list[str]:
    """What a device finds that comes after everything."""
    session = await there.session(name, presence=False)
    await there.says(session, "<presence/>")
    return heard(there, session)


async def test_all_devices_ring_and_all_learn_who_has_answered(there: Room) -> None:
    caller, callers_desk = await device(there, "ada/phone"), await device(there, "ada/desk")
    first, second = await device(there, "ben/phone"), await device(there, "ben/desk")
    await there.says(caller, signal("propose", "ben@localhost"))
    assert [heard(there, one) for one in (first, second, callers_desk)] == [["propose"]] * 3
    await there.says(second, signal("ringing", "ada@localhost/phone"))
    assert heard(there, caller) == ["ringing"]
    await there.says(first, signal("proceed", "ada@localhost/phone"))
    assert heard(there, caller) == ["proceed"]
    assert "proceed" in heard(there, second)
    assert "proceed" in heard(there, callers_desk)


@pytest.mark.parametrize("end", ["reject", "retract", "accept", "finish"])
async def test_an_ending_reaches_all_devices_of_both_sides(there: Room, end: str) -> None:
    sessions = [await device(there, name) for name in ("ada/phone", "ada/desk", "ben/phone", "ben/desk")]
    await there.says(sessions[0], signal("propose", "ben@localhost"))
    for session in sessions:
        there.heard(session)
    await there.says(sessions[2], signal(end, "ada@localhost"))
    assert [heard(there, one) for one in sessions] == [[end], [end], [], [end]]


async def test_a_device_that_was_away_finds_the_missed_call_and_its_end(there: Room) -> None:
    caller = await device(there, "ada/phone")
    gone = await there.session("ben/phone")
    there.node.sessions.end(gone)
    await there.says(caller, signal("propose", "ben@localhost"))
    await there.says(caller, signal("retract", "ben@localhost"))
    session = await there.session("ben/phone", presence=False)
    await there.says(session, "<presence/>")
    found = there.heard(session)
    calls = [one for one in found if one.kind == "message"]
    assert [one.children[0].partition("}")[2] for one in calls] == ["propose", "retract"]
    assert all("{urn:xmpp:delay}delay" in one.children for one in calls), "devices have to see how old it is"


async def test_that_a_device_rings_is_not_kept(there: Room) -> None:
    caller, callee = await device(there, "ada/phone"), await device(there, "ben/phone")
    await there.says(caller, signal("propose", "ben@localhost"))
    there.node.sessions.end(caller)
    await there.says(callee, signal("ringing", "ada@localhost"))
    await there.says(callee, signal("reject", "ada@localhost"))
    assert await later(there, "ada/other") == ["reject"]


async def test_somebody_blocked_neither_rings_nor_learns_it(there: Room) -> None:
    caller, desk = await device(there, "ada/phone"), await device(there, "ada/desk")
    callee = await device(there, "ben/phone")
    block = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='ada@localhost'/></block></iq>"
    await there.says(callee, block)
    there.heard(callee)
    await there.says(caller, signal("propose", "ben@localhost"))
    await there.says(caller, signal("retract", "ben@localhost"))
    assert heard(there, caller) == []
    assert heard(there, desk) == ["propose", "retract"], "as in any call that nobody answers"
    assert heard(there, callee) == []
    assert await later(there, "ben/desk") == []
    answers = []
    for resource in ("phone", "none"):
        await there.says(caller, INITIATE.format(id="i", to=f"ben@localhost/{resource}"))
        answers.append(there.heard(caller)[0].to_bytes().replace(resource.encode(), b""))
    assert b"service-unavailable" in answers[0]
    assert answers[0].replace(b"ada@localhost/", b"") == answers[1].replace(b"ada@localhost/phone", b"")
    assert heard(there, callee) == []


async def only_contacts(there: Room, session: Session) -> None:
    settings = privacy.Privacy(calls="contacts")
    await privacy.save(there.node.store, session.account.id, settings)
    await there.node.hooks.privacy_changed(session.account)


async def test_strangers_do_not_ring_where_only_contacts_may_call(there: Room) -> None:
    caller, callee = await device(there, "ada/phone"), await device(there, "ben/phone")
    await only_contacts(there, callee)
    await there.says(caller, signal("propose", "ben@localhost"))
    await there.says(caller, INITIATE.format(id="i", to="ben@localhost/phone"))
    assert heard(there, callee) == []
    assert heard(there, caller) == ["iq error"]
    await there.says(caller, "<message to='ben@localhost' type='chat'><body>May I?</body></message>")
    assert len(there.heard(callee)) == 1, "writing is another setting"


@pytest.mark.parametrize("before", ["<body>Call me</body>", f"<propose xmlns='{JMI}' id='x'/>"])
async def test_whom_one_has_written_to_or_called_may_call_back(there: Room, before: str) -> None:
    caller, callee = await device(there, "ada/phone"), await device(there, "ben/phone")
    await only_contacts(there, callee)
    await there.says(callee, f"<message to='ada@localhost' type='chat'>{before}</message>")
    there.heard(caller)
    await there.says(caller, signal("propose", "ben@localhost"))
    await there.says(caller, INITIATE.format(id="i", to="ben@localhost/phone"))
    assert heard(there, callee) == ["propose", "iq set"]


async def test_sessions_are_negotiated_without_a_subscription(there: Room) -> None:
    caller, callee = await device(there, "ada/phone"), await device(there, "ben/phone")
    await there.says(caller, signal("propose", "ben@localhost"))
    await there.says(callee, signal("proceed", "ada@localhost/phone"))
    await there.says(caller, INITIATE.format(id="i", to="ben@localhost/phone"))
    *_, request = there.heard(callee)
    assert request.attrs["from"] == "ada@localhost/phone"
    await there.says(callee, "<iq type='result' id='i' to='ada@localhost/phone'/>")
    assert there.heard(caller)[-1].type == "result"


async def test_candidates_of_an_answered_call_do_not_use_up_the_limit_for_strangers(tmp_path: Path) -> None:
    async with room(tmp_path, *FEATURES, strangers_per_hour=1) as there:
        caller, callee = await device(there, "ada/phone"), await device(there, "ben/phone")
        await there.says(caller, signal("propose", "ben@localhost"))
        await there.says(callee, signal("proceed", "ada@localhost/phone"))
        there.heard(callee)
        for number in range(60):  # 20 would be allowed to a stranger
            await there.says(caller, INITIATE.format(id=f"i{number}", to="ben@localhost/phone"))
        assert heard(there, callee) == ["iq set"] * 60


async def test_who_calls_again_and_again_is_refused_and_nobody_else(there: Room) -> None:
    caller, callee = await device(there, "ada/phone"), await device(there, "ben/phone")
    for number in range(signalling.MAX_CALLS_EACH + 3):
        await there.says(caller, signal("propose", "ben@localhost", str(number)))
    assert heard(there, callee) == ["propose"] * signalling.MAX_CALLS_EACH
    refused = there.heard(caller)
    assert len(refused) == 3
    assert all(b"policy-violation" in one.to_bytes() for one in refused)
    other = await device(there, "eve/phone")
    await there.says(other, signal("propose", "ben@localhost"))
    assert heard(there, callee) == ["propose"]


async def test_who_calls_everybody_is_refused(there: Room) -> None:
    caller = await device(there, "ada/phone")
    for number in range(signalling.MAX_CALLS + 2):
        await there.session(f"person{number}/phone")
        await there.says(caller, signal("propose", f"person{number}@localhost"))
    assert heard(there, caller) == ["message error"] * 2


async def test_requests_and_answers_are_bounded(there: Room) -> None:
    caller, callee = await device(there, "ada/phone"), await device(there, "ben/phone")
    await there.says(callee, signal("propose", "ada@localhost"))
    there.heard(caller)
    for number in range(signalling.MAX_REQUESTS + 1):
        caller.receive(Stanza.from_bytes(INITIATE.format(id=number, to="ben@localhost/phone").encode()))
        if not number % 100:
            await there.settle()
    await there.settle()
    there.heard(callee)
    assert heard(there, caller) == ["iq error"]
    for number in range(signalling.MAX_MESSAGES + 1):
        await there.says(caller, signal("ringing", "ben@localhost", str(number)))
    assert heard(there, caller) == ["message error"]
