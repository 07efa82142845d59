"""Three clients whose channel bindings differ log in by SCRAM with them, and never by the password itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningServer, running
from tests.federation.world import Authority
from tests.interop.consoles import Poezio, home_of_nobody, lines


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[RunningServer]:
    """A server as it comes, with a certificate that clients can check."""
    certificate, key = authority.certificate("localhost", names="localhost")
    with running(
        tmp_path_factory.mktemp("strict") / "data",
        allow_plaintext="off",
        log_level="debug",
        certificate=str(certificate),
        private_key=str(key),
    ) as server:
        yield server


async def logged_in(server: RunningServer, account: str) -> str:
    """The mechanism by which the account has logged in."""
    async with asyncio.timeout(30):
        while True:
            for line in server.log.read_text().splitlines():
                if 'event="login failed"' in line and account in line:
                    raise AssertionError(line)
                if 'event="logged in"' in line and f"account={account}" in line:
                    return line.partition("mechanism=")[2].split()[0]
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", ["tokio-xmpp", "mellium"])
async def test_clients_with_tls_exporter_log_in_by_it(
    strict: RunningServer, authority: Authority, tmp_path: Path, name: str
) -> None:
    account = strict.add_user(name)
    async with lines(name, tmp_path / "log", account, strict.port, authority.file, account) as client:
        assert (await client.logged_in()).startswith(f"{account}/")
        assert (await logged_in(strict, account)).endswith("-PLUS")
        assert await client.end() == 0


async def test_poezio_logs_in_by_tls_unique(strict: RunningServer, authority: Authority) -> None:
    """Debian's, with slixmpp 1.8, which uses it in TLS 1.3, whatever is announced."""
    account = strict.add_user("poezio")
    with home_of_nobody() as home:
        client = Poezio(home, account, strict.port, account, authority.file)
        try:
            assert (await logged_in(strict, account)).endswith("-PLUS")
        finally:
            await client.end()
