"""XEP-0377: a report that comes with a block reaches the operator."""

from __future__ import annotations

import pytest

from tests.conftest import RunningServer
from tests.raw import condition, online

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
