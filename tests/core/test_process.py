"""The server as a process: how it starts, refuses to start, and ends."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KITH, RunningServer, free_ports, running
from tests.raw import RawClient, body, condition, online


class Started(RunningServer):
    """As its operator starts it."""

    forks = False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", Started) as server:
        yield server


def refused(server: RunningServer, **environ: str) -> str:
    """`kith serve` has to refuse: the one line that it says."""
    done = subprocess.run(
        [*KITH, "serve"],
        env=server.environ | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


async def test_ctrl_c_says_goodbye_commits_and_ends_with_status_0(tmp_path: Path) -> None:
    with running(tmp_path / "data", Started) as server:
        server.add_user("ada")
        server.add_user("ben")
        ada = await online(server.port, "ada")
        unbound = RawClient(server.port)
        await unbound.connect()
        unbound.open()
        await unbound.tag("features")
        ada.send("<message to='ben@localhost' type='chat'><body>last words</body></message>")
        await ada.ping()
        assert await asyncio.to_thread(server.stop) == 0
        for client in (ada, unbound):
            assert condition(await client.tag("error")) == "system-shutdown"
            await client.end()
        assert not list(server.data_dir.glob("*.sqlite-wal"))
        server.start()
        ben = await online(server.port, "ben")
        assert body(await ben.message()) == "last words"


async def test_what_it_prints_tells_what_to_do_next(server: RunningServer) -> None:
    async with asyncio.timeout(25):
        while "Ctrl-C" not in (printed := server.log.read_text()):
            await asyncio.sleep(0.05)
    for text in (
        f"port {server.port}",
        f"ws://localhost:{server.http_port}/xmpp-websocket",
        str(server.data_dir)[:20],
        "kith user add you@localhost",
        "kith chat",
        f"Open http://localhost:{server.http_port} in a browser",
        "Ctrl-C",
    ):
        assert text in printed


def test_a_port_in_use_is_said_in_one_line(server: RunningServer, tmp_path: Path) -> None:
    line = refused(server, KITH_DATA_DIR=str(tmp_path / "other"))
    assert f"port {server.port} on 127.0.0.1 is in use" in line


def test_a_data_folder_that_can_not_be_written_is_said_in_one_line(
    server: RunningServer, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    assert "data folder" in refused(server, KITH_DATA_DIR=str(in_the_way))
    assert "data folder" in refused(server, KITH_DATA_DIR="/proc/kith")


def test_a_read_only_data_folder_is_said_in_one_line(server: RunningServer) -> None:
    """Not even root may write to /sys."""
    assert "can't write to the data folder" in refused(server, KITH_DATA_DIR="/sys")


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"KITH_XMP_PORT": "1"}, "did you mean xmpp_port?"),
        ({"KITH_XMPP_PORT": "seventy"}, "setting xmpp_port is wrong"),
        ({"KITH_XMPP_PORT": "70000"}, "setting xmpp_port is wrong"),
        ({"KITH_DOMAIN": "not a domain"}, "setting domain is wrong"),
        ({"KITH_ALLOW_PLAINTEXT": "perhaps"}, "setting allow_plaintext is wrong"),
        ({"KITH_CERTIFICATE": "x.pem"}, "certificate and private_key belong together"),
        ({"KITH_CERTIFICATE": "x.pem", "KITH_PRIVATE_KEY": "y.pem"}, "no such file: x.pem"),
        ({"KITH_CONFIG": "/nowhere.toml"}, "can't read /nowhere.toml"),
        ({"KITH_PUBLIC_URL": "https://example.org/chat"}, "only https://example.org, nothing behind it"),
        ({"KITH_PUBLIC_URL": "https://"}, "has to name a host"),
        ({"KITH_PUBLIC_URL": "https://example.org:http"}, "public_url is wrong"),
        ({"KITH_DNS_SERVER": "ns.example.org"}, "not an IP address and a port"),
        ({"KITH_DNS_SERVER": "192.0.2.1:0"}, "not an IP address and a port"),
        ({"KITH_SMS_URL": "https://sms.example/", "KITH_SMS_BODY": "text={text}"}, "no {number} or {digits}"),
        (
            {"KITH_SMS_URL": "https://sms.example/", "KITH_SMS_BODY": '{"to": {number}, "text": "{text}"}'},
            "sms_body is wrong (KITH_SMS_BODY in the environment): not JSON",
        ),
        (
            {f"KITH_{name}_PORT": "0" for name in ("XMPP", "XMPPS", "HTTP", "HTTPS")},
            "nobody could connect",
        ),
    ],
)
def test_a_wrong_setting_is_said_in_one_line(
    server: RunningServer, environ: dict[str, str], text: str
) -> None:
    assert text in refused(server, **environ)


def test_a_database_that_is_none_is_said_in_one_line(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "kith.sqlite").write_text("this is no database" * 100)
    assert "database" in refused(server, KITH_DATA_DIR=str(tmp_path))


def test_settings_come_from_a_file_and_the_environment_wins(tmp_path: Path) -> None:
    ports = free_ports(3)
    data = tmp_path / "data"
    server = RunningServer(data)
    file = tmp_path / "kith.toml"
    file.write_text(f'xmpp_port = {ports[0]}\nhttp_port = {ports[1]}\ndomain = "chat.example"\n')
    environ = {
        name: value
        for name, value in server.environ.items()
        if name not in ("KITH_XMPP_PORT", "KITH_HTTP_PORT", "KITH_ALLOW_PLAINTEXT")
    } | {"KITH_HTTP_PORT": str(ports[2])}
    process = subprocess.Popen(
        [*KITH, "serve", "--config", str(file)], env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        for port in (ports[0], ports[2]):
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", ports[1]), 1)
    finally:
        process.send_signal(2)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"chat.example" in output


async def test_an_account_added_beside_the_running_server_can_log_in_and_a_removed_one_is_out(
    server: RunningServer,
) -> None:
    sender = await _fresh(server, "first")
    sender.send("<message to='second@localhost' type='chat'><body>there?</body></message>")
    assert condition(await sender.message()) == "service-unavailable"
    server.add_user("second")
    second = await online(server.port, "second")
    async with asyncio.timeout(25):  # the server looks once a second
        while True:
            sender.send("<message to='second@localhost' type='chat'><body>now?</body></message>")
            await sender.ping()
            if second.inbox:
                break
            await asyncio.sleep(0.2)
    assert body(await second.message()) == "now?"
    server.kith("user", "remove", "second@localhost", "--yes")
    assert condition(await second.tag("error")) == "not-authorized"
    await second.end()


async def _fresh(server: RunningServer, name: str) -> RawClient:
    server.add_user(name)
    return await online(server.port, name)
