"""The data folder as a running server sees it: one server for it, and no database but its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kith.ports.store import Append
from kith.store.sqlite import SQLiteStore
from tests.conftest import KITH, RunningServer, free_ports, running
from tests.core.test_process import refused
from tests.raw import condition, online

#: `kith serve` with a thread that ends by an error after some commits.
BROKEN_THREAD = """
import sys
import time
from kith.store import {module}
original = {module}.{name}
calls = 0
def breaking(*arguments):
    global calls
    calls += 1
    if calls > 3:
        raise AttributeError
    return original(*arguments)
{module}.{name} = breaking
sys.argv = ["kith", "serve"]
from kith.cli import main
main()
"""


def other_ports() -> dict[str, str]:
    names = ("XMPP", "XMPPS", "HTTP", "HTTPS")
    return {f"KITH_{name}_PORT": str(port) for name, port in zip(names, free_ports(4), strict=True)}


def kith(server: RunningServer, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*KITH, *command], env=server.environ, capture_output=True, text=True, check=False)


def logged(server: RunningServer, text: str) -> list[str]:
    return [line for line in server.log.read_text().splitlines() if text in line]


async def until_logged(server: RunningServer, text: str) -> None:
    async with asyncio.timeout(25):
        while not logged(server, text):
            await asyncio.sleep(0.1)


def test_a_second_server_on_the_same_folder_is_refused(server: RunningServer, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(server.data_dir)
    for folder in (server.data_dir, link):
        line = refused(server, **other_ports(), KITH_DATA_DIR=str(folder))
        assert f"process {server.pid} serves from the folder {folder} already" in line


def test_a_folder_is_free_again_after_its_server_was_killed(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.kill()
        server.start()


async def test_a_deleted_database_stops_acknowledgements_and_none_takes_its_place(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.add_user("ada")
        server.add_user("ben")
        ada = await online(server.port, "ada")
        for file in server.data_dir.glob("kith.sqlite*"):
            file.unlink()
        await until_logged(server, "the disk refuses to store")
        assert logged(server, "kith.sqlite was removed")
        ada.send("<message to='ben@localhost' type='chat'><body>lost?</body></message>")
        assert condition(await ada.message()) == "internal-server-error"
        for command in (["user", "add", "eve@localhost", "--password", "secret123"], ["user", "list"]):
            done = await asyncio.to_thread(kith, server, *command)
            assert done.returncode == 2
            assert "put it back, restore a backup" in done.stderr
        assert not list(server.data_dir.glob("kith.sqlite*"))
        await asyncio.to_thread(server.stop)
        assert "put it back, restore a backup" in refused(server)
        assert not list(server.data_dir.glob("kith.sqlite*"))
        (server.data_dir / "secret").unlink()  # who wants to begin anew says so
        server.start()


def test_a_server_of_another_domain_than_its_data_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.add_user("ada")
        server.stop()
        line = refused(server, KITH_DOMAIN="other.example")
        assert "of localhost, not of other.example: set KITH_DOMAIN=localhost" in line
        server.start()


@pytest.mark.parametrize(
    ("module", "name"), [("transaction", "Transactions.commit"), ("checkpoint", "Checkpoints.wrote")]
)
def test_a_server_whose_thread_has_failed_ends_with_a_status(tmp_path: Path, module: str, name: str) -> None:
    """So that a supervisor starts it again: it would look alive and answer nobody."""
    server = RunningServer(tmp_path / "data")
    script = BROKEN_THREAD.format(module=module, name=name)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=server.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 70
    assert "error=AttributeError" in done.stderr
    assert "thread=kith-store" in done.stderr


async def test_the_operator_hears_at_the_start_of_messages_that_are_dated_ahead(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "data" / "kith.sqlite")
    await store.open()
    await store.create_accounts([("ada@localhost", {})])
    ada = await store.account("ada@localhost")
    assert ada is not None
    tomorrow = int((time.time() + 86_400) * 1000) << 20
    store.append(Append(tomorrow, b"<message/>", [(ada.id, "ben@localhost", 0)], lambda *_: None))
    await store.flush()
    await store.close()
    with running(tmp_path / "data") as server:
        (line,) = logged(server, "messages are dated ahead of the clock")
        assert "hours=24.0" in line
