"""What waits for somebody is sent before what comes, all of it, however large, to each device."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.disk import Disk, preload
from tests.conftest import RunningServer
from tests.core.test_stream_management import SM, enabled, text
from tests.raw import CLIENT, RawClient, body, online

MAM = "<query xmlns='urn:xmpp:mam:2'/>"
LARGE = "x" * 400_000


async def offline(server: RunningServer, *names: str) -> None:
    for name in names:
        server.add_user(name)


async def test_what_comes_while_the_roster_is_read_waits_for_what_is_older(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    server = RunningServer(tmp_path / "data")
    preload(server.environ, disk)
    server.start()
    try:
        await offline(server, "ada", "ben")
        ada = await online(server.port, "ada")
        ada.send(text("ben@localhost", "older"))
        await ada.ping()
        ben = await online(server.port, "ben", presence=None)
        for n in range(40):  # a roster of many pages, which no other query reads
            item = f"<item jid='friend{n}@localhost' name='{'long' * 200}'/>"
            await ben.result("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")
        await asyncio.to_thread(server.stop)
        server.start()  # it knows nobody's roster now
        ada = await online(server.port, "ada")
        await enabled(ada)
        ada.send(text("ada@localhost", "the writer has read its pages then"))
        await ada.message()
        ben = await online(server.port, "ben", presence=None)
        disk.mode = "h"
        ben.send("<presence/>")
        await asyncio.sleep(0.2)
        ada.send(text("ben@localhost", "newer"))
        ada.send(f"<r xmlns='{SM}'/>")
        await ada.tag("a")  # it is committed
        disk.mode = "0"
        assert [body(await ben.message()) for _ in range(2)] == ["older", "newer"]
        await ben.expect_nothing()
    finally:
        disk.mode = "0"
        server.kill()


async def test_a_device_that_read_the_archive_gets_what_another_one_got_before_it_was_available(
    server: RunningServer,
) -> None:
    await offline(server, "cem", "dora")
    cem = await online(server.port, "cem")
    phone = await online(server.port, "dora", "phone")
    await enabled(phone)
    laptop = await online(server.port, "dora", "laptop", presence=None)
    await laptop.result("set", MAM)
    cem.send(text("dora@localhost", "in between"))
    assert body(await phone.message()) == "in between"
    phone.send(f"<a xmlns='{SM}' h='1'/>")
    await phone.ping()
    await asyncio.sleep(1.5)  # the delivery mark is written once a second
    laptop.send("<presence/>")
    message = await laptop.message()
    assert body(message) == "in between"
    assert message.find("{urn:xmpp:delay}delay") is not None
    # once: not when it comes and goes, nor to the next device
    await laptop.ping()
    laptop.send("<presence type='unavailable'/>")
    await laptop.available()
    await laptop.expect_nothing()
    tablet = await online(server.port, "dora", "tablet")
    await tablet.expect_nothing()


async def test_a_glance_at_the_start_of_the_archive_does_not_bring_all_of_it(server: RunningServer) -> None:
    await offline(server, "kai", "lea")
    kai, lea = await online(server.port, "kai"), await online(server.port, "lea", "phone")
    for n in range(5):
        kai.send(text("lea@localhost", f"n{n}"))
    for n in range(5):
        assert body(await lea.message()) == f"n{n}"
    laptop = await online(server.port, "lea", "laptop", presence=None)
    page = "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max></set>"
    await laptop.result("set", f"<query xmlns='urn:xmpp:mam:2'>{page}</query>")
    laptop.inbox.clear()
    await asyncio.sleep(1.5)
    await laptop.available()
    await laptop.expect_nothing()


@pytest.mark.parametrize("managed", [False, True])
async def test_many_large_messages_reach_who_was_away(server: RunningServer, managed: bool) -> None:
    """More than a connection may leave unread."""
    number = int(managed)
    await offline(server, f"eve{number}", f"fay{number}")
    eve = await online(server.port, f"eve{number}")
    for n in range(40):
        eve.send(text(f"fay{number}@localhost", f"{n} {LARGE}"))
        if n % 10 == 9:
            await eve.ping()
    fay = await online(server.port, f"fay{number}", presence=None)
    if managed:
        await enabled(fay)
    fay.send("<presence/>")
    for n in range(40):
        message = await fay.message(20)
        assert body(message).partition(" ")[0] == str(n)
        if managed and n % 5 == 0:
            fay.send(f"<a xmlns='{SM}' h='{n + 1}'/>")
    await fay.expect_nothing()


async def test_a_page_of_large_messages_is_shorter_and_says_that_more_follow(server: RunningServer) -> None:
    await offline(server, "gus", "hal")
    gus = await online(server.port, "gus")
    for n in range(10):
        gus.send(text("hal@localhost", f"{n} {LARGE}"))
    await gus.ping()
    hal = await online(server.port, "hal", presence=None)
    for direction in ("<after>{}</after>", "<before>{}</before>"):
        seen: list[str] = []
        last, complete, pages = "", False, 0
        while not complete:
            position = direction.format(last) if last or "before" in direction else ""
            page = f"<set xmlns='http://jabber.org/protocol/rsm'><max>50</max>{position}</set>"
            answer = await hal.iq("set", f"<query xmlns='urn:xmpp:mam:2'>{page}</query>")
            got = [await hal.message() for _ in [e for e in hal.inbox if e.tag == CLIENT + "message"]]
            assert sum(len(e.findtext(f".//{CLIENT}body") or "") for e in got) < 2_000_000
            texts = [(e.findtext(f".//{CLIENT}body") or "").partition(" ")[0] for e in got]
            seen = texts + seen if "before" in direction else seen + texts
            end = "first" if "before" in direction else "last"
            last = answer.findtext(f".//{{http://jabber.org/protocol/rsm}}{end}") or ""
            complete = answer[0].get("complete") == "true"
            pages += 1
        assert seen == [str(n) for n in range(10)]
        assert pages > 2


async def test_what_waits_for_a_client_that_does_not_read_is_bounded(server: RunningServer) -> None:
    """It is cut off; its messages stay where they are."""
    await offline(server, "ida", "jon")
    ida = await online(server.port, "ida")
    for n in range(12):
        ida.send(text("jon@localhost", f"{n} {LARGE}"))
    await ida.ping()
    jon = RawClient(server.port)
    await jon.connect()
    await jon.login("jon")
    await jon.bind("phone")
    jon._task.cancel()  # it reads nothing more
    jon._writer.transport.pause_reading()
    jon.send("<presence/>")
    for n in range(12, 60):
        ida.send(text("jon@localhost", f"{n} {LARGE}"))
        await ida.ping()
    back = await online(server.port, "jon", "laptop")
    seen = [int(body(await back.message(20)).partition(" ")[0]) for _ in range(48)]
    assert seen == list(range(seen[0], seen[0] + 48))
    jon.abort()
