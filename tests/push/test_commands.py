"""`kith push test`, and what `kith doctor` says of waking devices."""

from __future__ import annotations

import asyncio
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from kith.commands.finding import Verdict
from kith.commands.push import check_push
from kith.config import Config
from tests.api.person import Person
from tests.conftest import RunningServer, free_ports, running
from tests.federation.world import Authority
from tests.push.service import push_service


async def test_an_operator_wakes_the_devices_of_an_account(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with push_service(authority) as service:
        with running(tmp_path / "data", push_networks="127.0.0.0/8", push_ca=str(authority.file)) as server:
            ada = Person(server)
            phone = await ada.register()
            address = phone.login["address"]
            browser = service.browser()
            await ada.done("PUT", "/api/push", browser.subscription(), phone)
            done = await _kith(server, "push", "test", address)
            assert (done.returncode, "sent" in done.stdout) == (0, True)
            assert browser.read((await service.push()).body) == {"call": False}
            service.status = [(403, {})]
            failed = await _kith(server, "push", "test", address)
            assert (failed.returncode, "403" in failed.stdout) == (1, True)
        assert "not running" in (await _kith(server, "push", "test", address)).stderr


async def _kith(server: RunningServer, *arguments: str) -> CompletedProcess[str]:
    """Runs a command while this loop serves the push service."""
    return await asyncio.to_thread(server.kith, *arguments, check=False)


@pytest.mark.parametrize(
    ("settings", "self_signed", "expected"),
    [
        ({"federation": True}, True, []),
        ({}, True, [Verdict.NOTE]),
        ({"push_services": ["push.example"]}, True, [Verdict.BAD]),
        ({"push_services": ["push.example"]}, False, []),
    ],
)
async def test_the_doctor_says_what_is_missing(
    settings: dict[str, object], self_signed: bool, expected: list[Verdict]
) -> None:
    found = await check_push(Config(**settings), False, self_signed)  # type: ignore[arg-type]
    assert [finding.verdict for finding in found] == expected
    assert all(finding.todo for finding in found)


async def test_the_doctor_notices_that_push_services_are_not_reached() -> None:
    found = await check_push(
        Config(federation=True), True, False, [("a browser", "localhost")], free_ports(1)[0]
    )
    assert [finding.verdict for finding in found] == [Verdict.NOTE]
