"""Fail2ban finds whoever guesses in the log, and nobody else: by its own program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.api.person import Person
from tests.conftest import running
from tests.core.test_websocket import OPEN, WebClient
from tests.raw import plain

FOLDER = Path(__file__).parents[2] / "packaging" / "fail2ban"
GUESSER = "203.0.113.77"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
PROXIED = {"X-Forwarded-For": GUESSER, "X-Forwarded-Proto": "https"}


def found(log: Path) -> list[str]:
    """The addresses that the filter finds in a log, once for each line."""
    program = shutil.which("fail2ban-regex")
    assert program, "fail2ban is missing: `make test` installs it (debian-packages.txt)"
    done = subprocess.run(
        [program, "--out", "ip", str(log), str(FOLDER / "filter.conf")],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_who_guesses_is_found_and_nobody_else(tmp_path: Path, log_format: str) -> None:
    with running(tmp_path / "data", log_format=log_format) as server:
        server.add_user("ada")
        friend, guesser = Person(server), Person(server, address=GUESSER)
        await friend.ask("POST", "/api/register/code", {"number": friend.number})
        await guesser.ask("POST", "/api/register/code", {"number": guesser.number})
        assert (await guesser.try_to_register("x", "abcdef")).status == 400
        for code in ("000000", "000001"):
            assert (await guesser.try_to_register("x", code)).error == "wrong-code"
        token = {"Authorization": "Bearer kadm_" + "x" * 40}
        refused = await guesser.ask("GET", "/api/admin/people", headers=token)
        assert refused.status == 401
        url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
        async with connect(url, subprotocols=["xmpp"], additional_headers=PROXIED) as connection:  # type: ignore[list-item]
            client = WebClient(connection)
            await client.send(OPEN)
            for password in ("wrong", "wrong again"):
                data = plain("ada", password)
                await client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{data}</auth>")
                await client.take("failure")
    addresses = found(server.log)
    assert addresses == [GUESSER] * 5, server.log.read_text()


def test_a_name_that_looks_like_a_line_of_the_log_bans_nobody_else(tmp_path: Path) -> None:
    """Whatever somebody writes is one value of a line, with quotes."""
    log = tmp_path / "log"
    stamp = "timestamp=2026-11-30T17:20:02.667963Z level=info"
    log.write_text(
        f'{stamp} event="login failed" account="x address=198.51.100.1 y" address={GUESSER}\n'
        f'{stamp} event="session opened" device="event=\\"login failed\\" address=198.51.100.2"\n'
        f"{stamp} event=started\n"
    )
    assert found(log) == [GUESSER]
