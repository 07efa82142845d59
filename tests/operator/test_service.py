"""What a service manager is told, and the unit and settings that the Debian package brings."""

from __future__ import annotations

import configparser
import json
import socket
import subprocess
from pathlib import Path

import pytest

from kith.config import load
from kith.notify import notify
from tests.api.person import Person, until
from tests.conftest import KITH, RunningServer

DEBIAN = Path(__file__).parents[2] / "packaging" / "debian"


@pytest.mark.parametrize("abstract", [False, True])
def test_a_server_says_when_it_is_ready_and_when_it_stops(tmp_path: Path, abstract: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"kith-{tmp_path.name}" if abstract else str(tmp_path / "notify")
        manager.bind(f"\0{name}" if abstract else name)
        manager.settimeout(30)
        server = RunningServer(tmp_path / "data")
        server.environ["NOTIFY_SOCKET"] = f"@{name}" if abstract else name
        server.start()
        try:
            assert manager.recv(100) == b"READY=1"
        finally:
            assert server.stop() == 0
        assert manager.recv(100) == b"STOPPING=1"


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nowhere"))
    notify("READY=1")


def test_the_unit_waits_for_the_start_and_does_not_repeat_a_wrong_setting() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEBIAN / "kith.service")
    service = unit["Service"]
    assert (service["Type"], service["RestartPreventExitStatus"]) == ("notify", "2")
    assert service["User"] == "kith"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"


def test_the_settings_of_the_package_are_good_and_name_an_absolute_folder() -> None:
    config = load(DEBIAN / "kith.toml", {})
    assert config.data_dir == Path("/var/lib/kith")


async def test_json_is_alone_on_standard_output(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data", log_format="json")
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(  # noqa: ASYNC220
            [*KITH, "serve"], env=server.environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        try:

            async def started() -> bool:
                return "started" in (tmp_path / "out").read_text()

            await until(started)
            person = Person(server)
            assert (await person.ask("POST", "/api/register/code", {"number": person.number})).status == 202
        finally:
            process.terminate()
            assert process.wait(30) == 0
    lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "started"
    assert events[-2:] == ["stopping", "stopped"]
    assert "text message" in events
    assert (tmp_path / "err").read_text() == ""
