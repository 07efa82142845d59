"""Calls of the SDK: two clients on a real server, with media from one to the other."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from xml.etree.ElementTree import Element

import av
import pytest

from kith.client import CallChanged, CallEnded, CallRinging, CallState, Client, Trust
from kith.client.calls.call import Call
from kith.client.events import Listener
from tests.calls.callers import Callers
from tests.calls.headless import Meter, Picture, Tone
from tests.client.conftest import People, event
from tests.conftest import RunningServer
from tests.raw import condition, online

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def people(server: RunningServer, tmp_path: Path) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        yield Callers(server, tmp_path, stack)


async def two(people: People) -> tuple[Client, Client]:
    return await people.open(people.account("ada")), await people.open(people.account("ben"))


async def rings(events: Listener) -> Call:
    found: CallRinging = await event(events, CallRinging)
    return found.call


async def state(events: Listener, wanted: CallState) -> Call:
    while True:
        changed: CallChanged = await event(events, CallChanged)
        if changed.call.state is wanted:
            return changed.call


async def test_sound_and_pictures_go_both_ways_bound_to_the_devices_keys(people: People) -> None:
    ada, ben = await two(people)
    await people.has_keys(ada, ben.jid)
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone(), Picture())
    call = await rings(events)
    assert (call.peer, call.outgoing, call.wants_video) == (ada.jid, False, True)
    await call.accept(Tone(), Picture())
    await placed.connected()
    for one in (placed, call):
        await Meter(await one.track("audio")).frames(20, loud=True)
        await Meter(await one.track("video")).frames(5)
        assert one.trust is Trust.BLIND, "bound to a key that nobody has compared yet"
    await placed.hang_up()
    assert await call.ended() == "success"
    assert ada.calls.all() == ben.calls.all() == []


async def test_a_call_with_a_verified_contact_is_verified(people: People) -> None:
    ada, ben = await two(people)
    (key,) = await ada.fingerprints(ben.jid)
    await ada.verify(ben.jid, key.text)
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    await (await rings(events)).accept(Tone())
    await placed.connected()
    assert placed.trust is Trust.VERIFIED
    await placed.hang_up()


async def test_all_devices_ring_and_the_others_stop_when_one_answers(people: People) -> None:
    ada = await people.open(people.account("ada"))
    account = people.account("ben")
    phone, desk = await people.open(account, "phone"), await people.open(account, "desk")
    events, others = phone.events(), desk.events()
    placed = await ada.calls.place(account, Tone())
    call, other = await rings(events), await rings(others)
    await call.accept(Tone())
    assert await other.ended() == "elsewhere"
    await placed.hang_up()
    assert await call.ended() == "success"


async def test_a_call_is_rejected_retracted_or_not_answered(people: People) -> None:
    ada, ben = await two(people)
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    (await rings(events)).reject()
    with pytest.raises(CallEnded, match="decline"):
        await placed.connected()
    placed = await ada.calls.place(ben.jid, Tone())
    call = await rings(events)
    await placed.hang_up()
    assert await call.ended() == "cancel"
    assert (await call.accept(Tone())).state is CallState.ENDED
    placed = await ada.calls.place("nobody@localhost", Tone())
    assert await placed.ended() == "gone"
    placed = await ada.calls.place(ben.jid, Tone())
    call = await rings(events)
    for one in (placed, call):
        one.end_in(0.01, "timeout")
    assert (await placed.ended(), await call.ended()) == ("timeout", "timeout")


async def test_strangers_do_not_ring(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = await people.open(people.account("ben"), auto_accept=False)
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    await ada.send(ben.jid, "hello", encrypted=False)
    assert not isinstance(await anext(events), CallRinging)
    assert ben.calls.all() == []
    await placed.hang_up()


async def test_nothing_rings_in_a_program_that_does_not_take_calls(people: People) -> None:
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"), calls=False)
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    await people.has_keys(ada, ben.jid)
    await ada.send(ben.jid, "hello")
    assert not isinstance(await anext(events), CallRinging)
    assert placed.state is CallState.PROPOSED, "it does not say that it rings"
    await placed.hang_up()


async def test_a_call_from_before_the_connection_rings_and_one_that_is_over_does_not(people: People) -> None:
    ada, account = await people.open(people.account("ada")), people.account("ben")
    async with people.device(account):
        pass
    over = await ada.calls.place(account, Tone())
    await over.hang_up()
    placed = await ada.calls.place(account, Tone())
    ben = people.device(account)
    await ben.open()
    events = ben.events()
    async with asyncio.timeout(60):
        call = await rings(events)
    assert call.id == placed.id
    assert ben.calls.all() == [call]
    await ben.close()


async def test_two_who_call_each_other_at_once_have_one_call(people: People) -> None:
    ada, ben = await two(people)
    mine, theirs = await ada.calls.place(ben.jid, Tone()), await ben.calls.place(ada.jid, Tone())
    await mine.connected()
    await theirs.connected()
    assert mine.id == theirs.id
    await mine.hang_up()
    assert await theirs.ended() == "success"


async def test_the_bot_of_the_guide_answers_the_phone(people: People) -> None:
    found = re.findall(r"```python\n(.*?)```", (ROOT / "docs/sdk.md").read_text(), re.DOTALL)
    (program,) = [block for block in found if "CallRinging" in block and "asyncio.run(" in block]
    assert len([line for line in program.splitlines() if line]) <= 10
    with av.open(str(people.folder / "welcome.ogg"), "w") as file:
        stream, tone = file.add_stream("libopus", rate=48000), Tone()
        for _ in range(250):
            file.mux(stream.encode(await tone.recv()))
        file.mux(stream.encode(None))
    people.server.add_user("phonebot", "secret")
    ada = await people.open(people.account("ada"))
    server = {"KITH_HOST": "127.0.0.1", "KITH_PORT": str(people.server.port)}
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program.replace("bot@localhost", "phonebot@localhost")),
        env=os.environ | server | {"XDG_DATA_HOME": str(people.folder / "data")},
        cwd=people.folder,
    )
    try:
        await people.has_keys(ada, "phonebot@localhost")
        for _ in range(2):
            placed = await ada.calls.place("phonebot@localhost", Tone())
            await placed.connected()
            await Meter(await placed.track("audio")).frames(20, loud=True)
            await placed.hang_up()
    finally:
        bot.kill()
        await bot.wait()


async def test_a_fingerprint_that_is_not_what_the_device_has_sent_ends_the_call(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = await two(people)
    await people.has_keys(ada, ben.jid)
    seal = ben.calls.seal

    async def forged(jingle: Element, peer: str, device: int) -> bool:
        done = await seal(jingle, peer, device)
        for payload in jingle.iter("{eu.siacs.conversations.axolotl}payload"):
            payload.text = "AAAA" + (payload.text or "")[4:]
        return done

    monkeypatch.setattr(ben.calls, "seal", forged)
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    call = await rings(events)
    await call.accept(Tone())
    assert (placed.reason, await call.ended()) == ("security-error", "security-error")


async def test_another_certificate_than_the_one_that_was_announced_is_not_talked_to(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a server had put itself between the devices, and the other app did not encrypt fingerprints."""
    ada, ben = await two(people)

    async def replaced(jingle: Element, peer: str, device: int) -> bool:
        for print in jingle.iter("{urn:xmpp:jingle:apps:dtls:0}fingerprint"):
            print.text = ":".join(["AB"] * 32)
        return False

    monkeypatch.setattr(ben.calls, "seal", replaced)
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    call = await rings(events)
    await call.accept(Tone())
    assert placed.trust is Trust.PLAIN
    assert await placed.ended() == "connectivity-error"


async def test_requests_about_somebody_elses_session_are_refused(people: People) -> None:
    ada, ben = await two(people)
    eve = await online(people.server.port, people.account("eve").partition("@")[0])
    events = ben.events()
    placed = await ada.calls.place(ben.jid, Tone())
    call = await rings(events)
    device = str(ben._stream.boundjid.full)
    for action in ("session-initiate", "session-terminate", "transport-info", "session-accept"):
        answer = await eve.iq(
            "set", f"<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='{call.id}'/>", device
        )
        assert condition(answer) == "item-not-found", action
    for name in ("retract", "finish"):
        ending = f"<{name} xmlns='urn:xmpp:jingle-message:0' id='{call.id}'/>"
        eve.send(f"<message to='{ben.jid}' type='chat'>{ending}</message>")
    await eve.ping()
    await call.accept(Tone())
    await placed.connected()
    await eve.iq(
        "set", f"<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='{call.id}'/>", device
    )
    await Meter(await call.track("audio")).frames(10, loud=True)
    await placed.hang_up()
    eve.abort()


async def test_a_description_that_is_not_valid_ends_the_call_and_nothing_of_it_is_logged(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "kith")
    ben = await people.open(people.account("ben"))
    ada = await online(people.server.port, people.account("ada").partition("@")[0])
    events = ben.events()
    ada.send(
        f"<message to='{ben.jid}' type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='x'>"
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose></message>"
    )
    call = await rings(events)
    accepting = asyncio.ensure_future(call.accept(Tone()))
    await ada.take(lambda e: e.find("{urn:xmpp:jingle-message:0}proceed") is not None)
    device = str(ben._stream.boundjid.full)
    secret = "192.0.2.99"
    answer = await ada.iq(
        "set",
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='x'>"
        f"<content creator='initiator' name='{secret}&#10;a=x'/></jingle>",
        device,
    )
    assert answer.get("type") == "result"
    assert await call.ended() == "failed-application"
    await accepting
    terminated = await ada.take(lambda e: e.get("type") == "set")
    assert terminated[0].get("action") == "session-terminate"
    assert secret not in caplog.text
    ada.abort()
