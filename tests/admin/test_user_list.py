"""`kith user list`: who is there, beside a running server and without one; and the socket that it asks."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from kith.admin.live import SOCKET
from tests.admin.operator import kith
from tests.api.person import Person, until
from tests.conftest import RunningServer, running
from tests.raw import online


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data") as server:
        yield server


async def listed(server: RunningServer, *arguments: str) -> dict[str, dict[str, Any]]:
    shown = await asyncio.to_thread(kith, server, "user", "list", "--json", *arguments)
    return {one["address"]: one for one in map(json.loads, shown.stdout.splitlines())}


async def test_the_list_says_who_is_online_from_where_and_what_they_take_up(server: RunningServer) -> None:
    server.add_user("ada")
    server.add_user("ben")
    client = await online(server.port, "ada")
    client.send("<message to='ben@localhost' type='chat'><body>hello</body></message>")
    await client.ping()
    found = await listed(server)
    assert list(found) == ["ada@localhost", "ben@localhost"]
    ada, ben = found.values()
    assert (ada["online"], ben["online"]) == (True, False)
    assert ada["addresses"] == ["127.0.0.1"]
    assert ada["messages"] == ben["messages"] == ben["undelivered"] == 1
    assert ada["bytes"] > 50
    assert ben["last_seen"] is None
    assert list(await listed(server, "--state", "online")) == ["ada@localhost"]
    assert list(await listed(server, "--inactive", "1")) == ["ben@localhost"]
    assert list(await listed(server, "AD")) == ["ada@localhost"]
    client.abort()

    async def gone() -> bool:
        shown = (await listed(server, "ada", "--quick"))["ada@localhost"]
        return not shown["online"] and shown["last_seen"] is not None

    await until(gone)


async def test_a_table_is_for_people_and_a_pipe_gets_addresses(server: RunningServer) -> None:
    server.add_user("cat")
    shown = (await asyncio.to_thread(kith, server, "user", "list", "cat")).stdout
    assert shown == "cat@localhost\n"
    table = (await asyncio.to_thread(kith, server, "user", "list", "cat", "--long")).stdout.splitlines()
    assert table[0].split() == [
        *("ADDRESS", "NAME", "STATE", "LAST", "SEEN", "DEVICES", "MESSAGES", "STORAGE", "FROM"),
    ]
    assert table[1].split()[:4] == ["cat@localhost", "active", "never", "0"]
    wrong = await asyncio.to_thread(kith, server, "user", "list", "--state", "x", check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


async def test_addresses_are_kept_by_account_and_shown_to_operators(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
    headers = {"X-Forwarded-For": "2001:db8:1:2:3:4:5:6", "X-Forwarded-Proto": "https"}
    request = (
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'>"
        f"<initial-response>{phone.proof()}</initial-response><user-agent id='{phone.login['agent']}'/>"
        "<bind xmlns='urn:xmpp:bind:0'/><fast xmlns='urn:xmpp:fast:0'/></authenticate>"
    )
    async with websockets.connect(url, subprotocols=["xmpp"], additional_headers=headers) as client:  # type: ignore[list-item]
        await client.send(
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0' "
            f"from='{phone.login['address']}'/>"
        )
        await client.send(request)
        await client.send("<presence xmlns='jabber:client'/>")
        address = phone.login["address"]

        async def there() -> bool:
            return "2001:db8:1:2::/64" in (await listed(server, address))[address]["addresses"]

        await until(there)
        assert (await listed(server, address))[address]["addresses"] == [
            "2001:db8:1:2:3:4:5:6",
            "2001:db8:1:2::/64",
        ]
    exported = await asyncio.to_thread(
        kith, server, "user", "export", address, "--output", str(server.data_dir.parent / "export.zip")
    )
    assert "everything" in exported.stdout
    assert b"2001:db8:1:2::/64" in server.on_disk()
    await asyncio.to_thread(kith, server, "user", "remove", address, "--yes")
    assert address not in await listed(server)


def test_only_the_owner_can_open_the_socket(server: RunningServer) -> None:
    path = server.data_dir / SOCKET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_stranger_on_the_socket_breaks_nothing(server: RunningServer) -> None:
    for text in (
        b"",
        b"\0" * 5000,
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"DELETE / HTTP/9\r\n\r\n",
        b"POST /trace HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
    ):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.data_dir / SOCKET))
            client.sendall(text)
    assert await listed(server)
    assert "level=error" not in server.log.read_text()


def test_without_a_server_nobody_is_online_and_a_socket_that_is_left_does_not_hurt(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.add_user("ada")
        server.kill()
        assert (server.data_dir / SOCKET).exists()
        shown = kith(server, "user", "list", "--json")
        assert json.loads(shown.stdout)["online"] is None
        assert "No server is running" in kith(server, "user", "list", "--long").stderr
        server.start()
        assert json.loads(kith(server, "user", "list", "--json").stdout)["online"] is False
        assert server.stop() == 0
        assert not (server.data_dir / SOCKET).exists()


def test_a_path_that_is_too_long_for_a_socket_is_no_reason_not_to_start(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / "data"
    os.makedirs(folder.parent)
    with running(folder) as server:
        assert "no socket for commands" in server.log.read_text()
        server.add_user("ada")
        assert json.loads(kith(server, "user", "list", "--json").stdout)["online"] is None


def test_every_command_that_changes_something_is_in_the_audit_log(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data", registration="invite")  # its settings; it does not run
    people, accounts = tmp_path / "people.csv", tmp_path / "ada.xml"
    people.write_text("jid,password\nben,secret\n")
    done = [
        ("account.add", "user", "add", "ada", "--password", "x"),
        ("account.password", "user", "passwd", "ada", "--password", "y"),
        ("account.import", "user", "import", str(people)),
        ("suspend", "user", "suspend", "ada"),
        ("resume", "user", "resume", "ada"),
        ("ban", "user", "ban", "+491701234567"),
        ("unban", "user", "unban", "+49 170 1234567"),
        ("invitation.create", "invite", "--name", "eve"),
        ("reports.clear", "reports", "--clear"),
        ("announce", "announce", "On Sunday, the server moves."),
        ("trace", "trace", "ada"),
        ("token.create", "admin", "token", "create", "web"),
        ("token.revoke", "admin", "token", "revoke", "web"),
        ("account.export", "user", "export", "ada", "--output", str(tmp_path / "ada.zip")),
        ("export", "export", "ada@localhost", "--output", str(accounts)),
        ("account.remove", "user", "remove", "ada", "--yes"),
        ("import", "import", str(accounts)),
    ]
    for _, *command in done:
        kith(server, *command)
    log = [json.loads(line) for line in kith(server, "admin", "log", "--json").stdout.splitlines()]
    assert [entry["action"] for entry in log] == [action for action, *_ in done]
    assert {entry["via"] for entry in log} == {"command"}
    assert {entry["by"] for entry in log} == {pwd.getpwuid(os.getuid()).pw_name}


async def test_one_account_is_shown_with_what_is_known_of_it(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register("Nokia")
    client = await phone.online(server.port)
    await asyncio.to_thread(kith, server, "user", "ban", "+49151*", "--new-only", "--note", "spam")
    shown = (await asyncio.to_thread(kith, server, "user", "show", person.number)).stdout
    for text in (
        f"address     {person.number}@localhost\n",
        "state       active\n",
        "last seen   online\n",
        f"device      {phone.login['device']}  20",
        f"connected from 127.0.0.1, device {phone.login['device']}",
    ):
        assert text in shown, shown
    client.abort()
    await asyncio.to_thread(
        kith, server, "user", "suspend", person.number, "--note", "evil\x1b[2J", "--days", "1"
    )
    shown = (await asyncio.to_thread(kith, server, "user", "show", person.number)).stdout
    assert "state       suspended\n" in shown
    assert "evil[2J" in shown or "evil [2J" in shown
    assert "\x1b" not in shown
    missing = await asyncio.to_thread(kith, server, "user", "show", "nobody", check=False)
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
