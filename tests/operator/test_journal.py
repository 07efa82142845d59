"""What the server writes for its operator, at its most talkative, says nothing that is not the operator's."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import re
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from dnslib.server import BaseResolver, DNSLogger, DNSServer
from hypothesis import given
from hypothesis import strategies as st

from kith import journal
from tests.conftest import RunningServer, free_ports, running
from tests.raw import RawClient, authenticate, online, plain

NUMBERS = ("+491701234567", "+15552368077")
MASKED = ("+49170*****67", "+1555*****77")
BODY = "meet-me-at-the-old-mill"
PASSWORD = "correct-horse-battery"
AGENT = "d4565fa7-4d72-4749-b3d3-740edbf87770"


async def traffic(server: RunningServer) -> str:
    """Everything that may go well or wrong. Returns the token that a device was given."""
    ada, ben = await online(server.port, NUMBERS[0]), await online(server.port, NUMBERS[1])
    for client, peer in ((ada, NUMBERS[1]), (ben, NUMBERS[0])):
        client.send(f"<message to='{peer}@localhost' type='chat' id='m'><body>{BODY}</body></message>")
        await client.ping()
    for to in ("+491709999999@localhost", "ann@nowhere.example", "a@b@c", f"{NUMBERS[1]}@localhost/none"):
        ada.send(f"<message to='{to}' type='groupchat'><body>{BODY}</body></message>")
        ada.send(f"<message to='{to}'><body>{BODY}</body></message>")
        ada.send(f"<iq to='{to}' type='get' id='x'><query xmlns='{BODY}'/></iq>")
    ada.send(f"<presence type='{BODY}'/><presence to='{BODY}@@'/><iq id='x' type='{BODY}'/>")
    await ada.ping()
    await ada.take(lambda e: e.get("from") == "ann@nowhere.example" and e.get("type") == "error", 30)
    guesser = RawClient(server.port)
    await guesser.connect()
    guesser.open()
    await guesser.tag("features")
    for user in (NUMBERS[0], f"{NUMBERS[0]}@localhost", BODY):
        guesser.send(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain(user, PASSWORD)}</auth>"
        )
        await guesser.tag("failure")
    guesser.send(f"<no xmlns='{BODY}'>{BODY}")
    guesser.send("</well-formed>")
    await guesser.end()
    phone = RawClient(server.port)
    await phone.connect()
    wish = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
    success = await phone.login2(NUMBERS[0], inline=wish, agent=AGENT)
    token = success.find("{urn:xmpp:fast:0}token")
    assert token is not None
    phone.send(f"<message><body>{BODY}</body>")
    bad = RawClient(server.port)
    await bad.connect()
    proof = base64.b64encode(f"{NUMBERS[0]}\0{PASSWORD}".encode()).decode()
    bad.open(
        then=authenticate(
            "", agent=AGENT, mechanism="HT-SHA-256-NONE", data=proof, inline="<fast xmlns='urn:xmpp:fast:0'/>"
        )
    )
    await bad.tag("failure")
    bad.send(f"<iq type='{BODY}'/>")
    await bad.end()
    for client in (ada, ben, phone):
        client.abort()
    return token.get("token", "")


def events(server: RunningServer) -> list[str]:
    """The lines of the log, without what `kith serve` prints for people when it starts."""
    text = server.log.read_text()
    return (text if text.startswith("{") else text.partition("Press Ctrl-C to stop.\n")[2]).splitlines()


@pytest.fixture(scope="module", params=["text", "json"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines that the traffic left."""
    nowhere, port = free_ports(2)
    settings = {
        "log_level": "debug",
        "log_format": request.param,
        "federation": "on",
        "federation_port": str(port),
        "dns_server": f"127.0.0.1:{nowhere}",
    }
    names = DNSServer(BaseResolver(), port=nowhere, address="127.0.0.1", logger=DNSLogger("-log"))
    names.start_thread()
    try:
        return _told(tmp_path_factory.mktemp("kith"), settings)
    finally:
        names.stop()
        names.server.server_close()


def _told(folder: Path, settings: dict[str, str]) -> list[str]:
    with running(folder / "data", **settings) as server:
        for number in NUMBERS:
            server.add_user(number)
        token = asyncio.run(traffic(server))
        server.stop()
        lines = events(server)
    text = "\n".join(lines)
    for secret in (
        BODY,
        PASSWORD,
        token,
        AGENT,
        *(number[1:] for number in NUMBERS),
        "491709999999",
        base64.b64encode(BODY.encode()).decode().rstrip("="),
        plain(NUMBERS[0], PASSWORD)[8:24],
    ):
        assert secret not in text, (secret, [line for line in lines if secret in line])
    return lines


def test_no_text_password_token_or_number_is_written_and_lines_of_an_account_look_the_same(
    told: list[str],
) -> None:
    for number in MASKED:
        assert sum(number in line for line in told) >= 4, told
    for event in ("logged in", "login failed", "session opened", "session closed", "stanza refused"):
        assert any(event in line for line in told), event
    assert any("no way to another server" in line and "nowhere.example" in line for line in told)


def test_each_line_is_one_event_with_its_time_and_level(told: list[str]) -> None:
    assert told
    for line in told:
        if line.startswith("{"):
            event = json.loads(line)
        else:
            pairs = re.findall(r'(?:^| )([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)', line)
            assert " ".join(f"{name}={value}" for name, value in pairs) == line
            event = dict(pairs)
        assert {"event", "level", "timestamp"} <= set(event)
        assert event["level"] in ("debug", "info", "warning", "error")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a journal of this process writes."""
    out = io.StringIO()
    before = logging.root.handlers[:], logging.root.level, threading.excepthook, sys.unraisablehook
    journal.set_up("debug", "json", out)
    yield out
    logging.root.handlers[:] = before[0]
    logging.root.setLevel(before[1])
    threading.excepthook, sys.unraisablehook = before[2:]
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_an_error_says_what_and_where_and_quotes_only_the_machine(written: io.StringIO) -> None:
    log = structlog.get_logger("test")
    for error in (
        ValueError(f"what {BODY}?"),
        OSError(28, "No space left"),
        sqlite3.OperationalError("busy"),
    ):
        try:
            raise error
        except Exception as raised:
            log.error("failed", exc_info=raised)
    first, second, third = map(json.loads, written.getvalue().splitlines())
    assert first["error"] == "ValueError"
    assert re.fullmatch(r"test_journal\.py:\d+", first["where"])
    assert second["error"] == "OSError: [Errno 28] No space left"
    assert third["error"] == "OperationalError: busy"


def test_libraries_threads_and_callbacks_get_one_line_without_what_they_were_given(
    written: io.StringIO,
) -> None:
    try:
        raise ValueError(BODY)
    except ValueError:
        logging.getLogger("aiohttp.server").exception("request of %s\nfailed", BODY)

    def fail(data: str) -> None:
        raise KeyError(data)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(journal.loop_error)
        loop.call_soon(fail, BODY)
        await asyncio.sleep(0)

    asyncio.run(work())
    thread = threading.Thread(target=fail, args=(BODY,))
    thread.start()
    thread.join()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["error"] for line in lines] == ["ValueError", "KeyError", "KeyError"]
    assert lines[0]["event"] == "request of %s"
    assert BODY not in written.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+491701234567@localhost/phone", "+49170*****67@localhost/phone"),
        ("491701234567@localhost", "49170*****67@localhost"),
        ("tel:+1 (555) 236-8077", "tel:+1555*****77"),
        ("/invite/%2B491701234567", "/invite/%2B49170*****67"),
        ("+4930123", "*****23"),
        ("port 5222, 192.168.100.200, 2001:db8::1", "port 5222, 192.168.100.200, 2001:db8::1"),
        ("two\nlines\x1b[31m\u2028three", "two lines [31m three"),
        ("x" * 1000, "x" * 300 + "…"),
        (b"bytes", "[5 bytes]"),
        (["+491701234567", {"password": 1}], ["+49170*****67", "{'password': 1}"]),
    ],
)
def test_values_are_made_fit_to_be_kept(text: object, expected: object) -> None:
    made = journal.discreet(None, "", {"value": text, "password": "p", "token": "t"})
    assert made["value"] == expected or made["value"] == f"+{expected}"
    assert made["password"] == made["token"] == "[hidden]"


@given(
    st.text(alphabet=" @/:.=+abc", max_size=8),
    st.sampled_from(("+", "00", "")),
    st.integers(10**7, 10**15 - 1),
    st.sampled_from(("", "@localhost/x", " said", "/", ",")),
)
def test_no_number_of_eight_digits_or_more_stays_whole(
    before: str, plus: str, number: int, after: str
) -> None:
    """Unless a letter stands right before it, when it is part of a name."""
    if not plus and before[-1:].isalnum():
        before += " "
    if plus == "00" and (before[-1:].isalnum() or number > 10**13):
        return
    made = journal.discreet(None, "", {"value": f"{before}{plus}{number}{after}"})
    assert str(number) not in str(made["value"])
    assert str(number)[-7:] not in str(made["value"])


def test_the_levels_are_those_of_the_setting(tmp_path: Path) -> None:
    with running(tmp_path / "data", log_level="error") as server:
        server.add_user("ada")

        async def wrong() -> None:
            client = RawClient(server.port)
            await client.connect()
            client.open(then=authenticate("ada", "wrong"))
            await client.tag("failure")

        asyncio.run(wrong())
        server.stop()
        assert events(server) == []
