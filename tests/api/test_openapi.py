"""The description at /api/openapi.json says what the API does: schemathesis looks for where it does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.api.person import Person
from tests.conftest import RunningServer, running

_CONFIG = """
[checks]
# a number that fits the pattern may still be nobody's, and an id may be of nothing
positive_data_acceptance.expected-statuses = [200, 201, 202, 204, 401, 403, 404, 409, 413, 422, 429, 503]

[parameters]
# nobody approves the links that it opens; waiting for that is what tests/api/test_links.py tries
wait = 0
"""


async def test_every_endpoint_is_described(server: RunningServer) -> None:
    url = f"http://127.0.0.1:{server.http_port}/api/openapi.json"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200
        described = await answer.json()
    assert described["openapi"].startswith("3.1")
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len(operations) >= 15
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert "security" in operation or "401" not in operation["responses"]


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        person = Person(server)
        phone = asyncio.run(person.register())
        (tmp_path / "schemathesis.toml").write_text(_CONFIG)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", str(tmp_path / "schemathesis.toml")),
                "run",
                f"http://127.0.0.1:{server.http_port}/api/openapi.json",
                *("--header", f"Authorization: Bearer {phone.credential}"),
                *("--header", "X-Forwarded-For: 198.19.0.1"),
                *("--max-examples", "20", "--seed", "1", "--phases", "examples,coverage,fuzzing"),
                *("--exclude-path", "/api/account/delete", "--request-timeout", "30", "--no-color"),
            ],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert "level=error" not in server.log.read_text()
