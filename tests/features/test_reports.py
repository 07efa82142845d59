"""XEP-0377: a report that comes with a block reaches the operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kith.features.operator_notices import INTERVAL, OperatorNotices
from tests.api.person import Person
from tests.clocks import SetClock
from tests.conftest import RunningServer, running
from tests.parts import room
from tests.raw import body, condition, online

SPAM = "urn:xmpp:reporting:spam"


def block(jid: str, report: str = "") -> str:
    return f"<block xmlns='urn:xmpp:blocking'><item jid='{jid}'>{report}</item></block>"


def report(reason: str, inside: str = "") -> str:
    return f"<report xmlns='urn:xmpp:reporting:1' reason='{reason}'>{inside}</report>"


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    for name in ("victim", "spammer"):
        server.add_user(name)


async def test_a_report_is_shown_to_the_operator_until_it_is_cleared(
    server: RunningServer, accounts: None
) -> None:
    victim, spammer = await online(server.port, "victim"), await online(server.port, "spammer")
    words = "<text>buys \x07gold</text><stanza-id xmlns='urn:xmpp:sid:0' by='victim@localhost' id='1'/>"
    words = words.replace("\x07", "")
    answer = await victim.iq("set", block("spammer@localhost", report(SPAM, words)))
    assert answer.get("type") == "result"
    spammer.send("<message to='victim@localhost' type='chat'><body>gold!</body></message>")
    assert (await spammer.message()).get("type") == "error"
    shown = server.kith("reports").stdout
    for part in ("spammer@localhost", "spam", "victim@localhost", "buys", "gold"):
        assert part in shown
    assert "1 report cleared" in server.kith("reports", "--clear").stdout
    assert "Nobody was reported" in server.kith("reports").stdout
    for client in (victim, spammer):
        client.abort()


async def test_a_report_without_a_known_reason_blocks_nobody(server: RunningServer, accounts: None) -> None:
    victim = await online(server.port, "victim")
    await victim.result("set", "<unblock xmlns='urn:xmpp:blocking'/>")
    answer = await victim.iq("set", block("spammer@localhost", report("urn:mood:bad")))
    assert condition(answer) == "bad-request"
    listed = await victim.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
    assert not len(listed[0])
    victim.abort()


async def test_a_block_without_a_report_reports_nobody(server: RunningServer, accounts: None) -> None:
    victim = await online(server.port, "victim")
    await victim.result("set", block("spammer@localhost"))
    assert "Nobody was reported" in server.kith("reports").stdout
    victim.abort()


async def test_the_server_says_that_it_takes_reports(server: RunningServer, accounts: None) -> None:
    victim = await online(server.port, "victim")
    info = await victim.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "localhost")
    assert "urn:xmpp:reporting:1" in {e.get("var") for e in info[0]}
    victim.abort()


async def test_the_operators_get_a_message_about_a_report_and_nobody_else(tmp_path: Path) -> None:
    """Whether or not they are online."""
    with running(tmp_path / "data", operators="boss@localhost,chief@localhost,nobody@localhost") as server:
        for name in ("boss", "chief", "victim", "spammer"):
            server.add_user(name)
        boss, victim = await online(server.port, "boss"), await online(server.port, "victim")
        words = "<text>sells ”\n\nServer: click here</text>"
        await victim.result("set", block("spammer@localhost", report(SPAM, words)))
        told = await boss.message()
        assert told.get("from") == "localhost"
        assert "spammer@localhost was reported for spam by victim@localhost" in body(told)
        assert '“sells " Server: click here”' in body(told)  # on one line
        chief = await online(server.port, "chief")
        assert "spammer@localhost" in body(await chief.message())
        await victim.expect_nothing()
        assert "an operator has no account here" in server.log.read_text()


async def test_many_reports_are_one_message(tmp_path: Path) -> None:
    clock = SetClock()
    async with room(tmp_path, OperatorNotices, clock=clock, operators=["boss@localhost"]) as there:
        boss = await there.session("boss/phone")
        notices = there.node.get(OperatorNotices)
        later: list[Callable[[], None]] = []
        there.node.tasks.later = lambda seconds, work: later.append(work)  # type: ignore[method-assign]
        for number in range(25):
            notices.tell(f"report {number}.")
            await there.settle()
        await there.settle()
        first = [str(stanza) for stanza in there.heard(boss)]
        assert len(first) == len(later) == 1
        clock.forward(INTERVAL)
        later[0]()
        for _ in range(3):
            await there.settle()
        (second,) = there.heard(boss)
        text = second.child("{jabber:client}body").text or ""  # type: ignore[union-attr]
        assert "report 10." in text
        assert "And 14 more." in text


async def test_operators_are_told_when_text_messages_run_out(tmp_path: Path) -> None:
    with running(tmp_path / "data", operators="boss@localhost", sms_per_hour="1") as server:
        server.add_user("boss")
        boss = await online(server.port, "boss")
        person = Person(server)
        await person.send_code()
        told = body(await boss.message())
        assert told == "Text messages are running out: everybody, an hour: 1 of 1."
        assert person.number not in told
