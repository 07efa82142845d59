"""go-sendxmpp (Debian): what a cron job uses to say that it is done."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.interop.slix import online


async def _send(folder: Path, jid: str, password: str, to: str, text: str, *options: str) -> tuple[int, str]:
    program = shutil.which("go-sendxmpp")
    assert program, "go-sendxmpp is missing: `make test` installs it (debian-packages.txt)"
    process = await asyncio.create_subprocess_exec(
        *(program, "-u", jid, "-p", password, "-n", *options, to),
        env={"HOME": str(folder)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(text.encode()), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("tls", ["starttls", "direct"])
async def test_a_script_sends_a_message_that_arrives(server: RunningServer, tmp_path: Path, tls: str) -> None:
    cron, ada_jid = server.add_user(f"cron-{tls}"), server.add_user(f"ada-{tls}")
    port = server.port if tls == "starttls" else server.xmpps_port
    options = ["-j", f"127.0.0.1:{port}"] + (["-t"] if tls == "direct" else [])
    async with online(ada_jid, server.port) as ada:
        status, output = await _send(tmp_path, cron, "pw", ada_jid, "the backup is done: 3 > 2 & 1", *options)
        assert status == 0, output
        message = await ada.message()
        assert message["body"].strip() == "the backup is done: 3 > 2 & 1"
        assert message["from"].bare == cron


async def test_a_script_with_a_wrong_password_fails(server: RunningServer, tmp_path: Path) -> None:
    cron = server.add_user("cron-wrong")
    status, output = await _send(tmp_path, cron, "wrong", cron, "hello", "-j", f"127.0.0.1:{server.port}")
    assert status != 0
    assert "auth" in output.lower(), output
