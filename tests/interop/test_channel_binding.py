"""Three clients whose channel bindings differ log in by SCRAM with them, and never by the password itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.conftest import RunningServer, running
from tests.federation.world import Authority

NOBODY = 65534
CLIENTS = Path(__file__).parent / "clients" / "bin"


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


def built(name: str) -> Path:
    program = CLIENTS / name
    assert program.exists(), f"{program} is missing: `make test` builds it (scripts/interop-clients.sh)"
    return program


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
    strict: RunningServer, authority: Authority, name: str
) -> None:
    account = strict.add_user(name)
    program = built(name)
    process = await asyncio.create_subprocess_exec(
        *(program, account, "pw", f"127.0.0.1:{strict.port}", str(authority.file)),
        env={**os.environ, "SSL_CERT_FILE": str(authority.file)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, error = await asyncio.wait_for(process.communicate(), 40)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, error.decode()
    assert output.decode().startswith(f"{account}/")
    assert (await logged_in(strict, account)).endswith("-PLUS")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of somebody who is not root, as whom poezio does not run."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)


def become_nobody() -> None:
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


async def test_poezio_logs_in_by_tls_unique(strict: RunningServer, authority: Authority, home: Path) -> None:
    """Debian's, with slixmpp 1.8, which uses it in TLS 1.3, whatever is announced."""
    account = strict.add_user("poezio")
    program = shutil.which("poezio")
    assert program, "poezio is missing: `make test` installs it (debian-packages.txt)"
    root = home / "authority.pem"
    root.write_bytes(authority.file.read_bytes())
    config = home / "poezio.cfg"
    config.write_text(
        f"[Poezio]\njid={account}\npassword=pw\ncustom_host=127.0.0.1\ncustom_port={strict.port}\n"
        f"ca_cert_path={root}\nuse_log=false\n"
    )
    folders = {name: str(home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    child = pexpect.spawn(
        program,
        ["-f", str(config)],
        env={**folders, "PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8"},  # type: ignore[arg-type]
        dimensions=(40, 120),
        preexec_fn=become_nobody,
    )
    try:
        reading = asyncio.create_task(asyncio.to_thread(child.read))  # or it waits for a full terminal
        assert (await logged_in(strict, account)).endswith("-PLUS")
    finally:
        child.close(force=True)
        await asyncio.gather(reading, return_exceptions=True)
