"""SIGHUP: settings that a running server takes over."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
from pathlib import Path

import structlog

from kith import journal
from kith.config import Config
from tests.api.person import Person
from tests.conftest import RunningServer, running

#: How long a log line may take, in seconds.
_PATIENCE = 20


async def _reload(server: RunningServer, event: str) -> str:
    """Sends the signal, and returns the log line about it."""
    before = server.log.read_text()
    os.kill(server.pid, signal.SIGHUP)
    async with asyncio.timeout(_PATIENCE):
        while True:
            for line in server.log.read_text().removeprefix(before).splitlines():
                if event in line:
                    return line
            await asyncio.sleep(0.02)


async def test_changed_settings_are_taken_over_and_others_named(
    tmp_path: Path,
) -> None:
    file = tmp_path / "kith.toml"
    file.write_text('registration = "closed"\nping_after = 400')
    with running(tmp_path / "data", config=str(file)) as server:
        person = Person(server)
        refused = await person.ask("POST", "/api/register/code", {"number": person.number})
        assert refused.status == 403
        file.write_text('registration = "phone"\nping_after = 300')
        line = await _reload(server, "settings reloaded")
        assert "changed=registration" in line
        assert "need_a_restart=ping_after" in line
        assert await person.send_code()


async def test_wrong_settings_change_nothing_and_say_why(tmp_path: Path) -> None:
    file = tmp_path / "kith.toml"
    file.write_text('registration = "closed"')
    with running(tmp_path / "data", config=str(file)) as server:
        file.write_text('registration = "perhaps"')
        line = await _reload(server, "settings not reloaded")
        assert "level=error" in line
        assert "registration is wrong" in line
        person = Person(server)
        assert (await person.ask("POST", "/api/register/code", {"number": person.number})).status == 403


def test_the_level_of_the_log_can_change_while_loggers_are_in_use() -> None:
    out = io.StringIO()
    journal.set_up("warning", "text", out)
    logger = structlog.get_logger("kith")
    for level in ("warning", "info", "error", "debug"):
        journal.set_level(level)
        for method in ("debug", "info", "warning", "error"):
            getattr(logger, method)(f"{method} at {level}")
    written = re.findall(r'event="(\w+ at \w+)"', out.getvalue())
    assert written == [
        *("warning at warning", "error at warning"),
        *("info at info", "warning at info", "error at info"),
        "error at error",
        *("debug at debug", "info at debug", "warning at debug", "error at debug"),
    ]


def test_only_what_a_running_server_can_take_over_is_changed() -> None:
    config = Config()
    assert config.take_over(Config()) == ([], [])
    new = Config(operators=["ada@localhost"], domain="example.org", sms_per_hour=5)
    changed, later = config.take_over(new)
    assert (set(changed), later) == ({"operators", "sms_per_hour"}, ["domain"])
    assert (config.domain, config.operators, config.sms_per_hour) == ("localhost", ["ada@localhost"], 5)
