"""The description at /api/openapi.json says what the API does: schemathesis looks for where it does not."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

import kith.api
from kith.api import api
from kith.api.description import Document
from kith.api.endpoint import Call
from kith.base.tasks import Tasks
from kith.config import Config
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


class Nobody:
    """Lets nobody in."""

    async def admit(self, request: object, endpoint: object) -> Call:
        raise NotImplementedError


def written() -> set[tuple[str, str]]:
    """Method and path of all that is written down in the source as an endpoint."""
    found = set()
    for module in pkgutil.iter_modules(kith.api.__path__, "kith.api."):
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type):
                found |= {value._endpoint[:2] for value in vars(kind).values() if hasattr(value, "_endpoint")}
    assert len(found) >= 15
    return found


async def test_every_endpoint_is_described(server: RunningServer) -> None:
    url = f"http://127.0.0.1:{server.http_port}/api/openapi.json"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200
        described = await answer.json()
    assert described["openapi"].startswith("3.1")
    paths = described["paths"]
    assert {(method.upper(), path) for path in paths for method in paths[path]} == written()
    operations = [operation for path in paths.values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert ("security" in operation) == ("401" in operation["responses"])


async def test_what_is_described_is_there_and_asks_who_one_is(server: RunningServer) -> None:
    nobody = Person(server)
    paths = (await nobody.ask("GET", "/api/openapi.json")).body["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            answer = await nobody.ask(method.upper(), re.sub(r"\{\w+\}", "x", path), [])
            if "security" in operation:
                expected = (401, "not-authorized")
            elif "requestBody" in operation:
                expected = (400, "bad-request")
            elif path == "/api/login":  # which tells everybody how people log in
                expected = (200, "")
            else:
                expected = (404, "not-found")
            assert (answer.status, answer.error) == expected, (method, path, answer)


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


def test_the_description_is_made_once_since_anybody_can_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def describe(endpoints: object, url: str, document: object) -> dict[str, str]:
        made.append(url)
        return {"url": url}

    monkeypatch.setattr(api, "describe", describe)
    config = Config()
    there = api.API(config, Tasks(), Nobody(), [], Document("/x", "X", "", "x"))
    assert {there.description() for _ in range(100)} == {b'{"url":"/"}'}
    config.take_over(Config(public_url="https://example.org/"))
    assert {there.description() for _ in range(100)} == {b'{"url":"https://example.org"}'}
    assert made == ["/", "https://example.org"]
