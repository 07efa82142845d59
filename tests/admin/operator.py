"""An operator with a token for the admin API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from typer.testing import CliRunner

from kith.cli import app
from tests.api.person import Answer, Person
from tests.conftest import RunningServer


class Done(NamedTuple):
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


def kith(server: RunningServer, *arguments: str, check: bool = True) -> Done:
    """Runs a command as `RunningServer.kith` does, in this process, which takes a fraction of the time."""
    with ThreadPoolExecutor(1) as elsewhere:  # the test may have a loop of its own here
        run = elsewhere.submit(CliRunner().invoke, app, arguments, env=server.environ).result()
    assert not check or run.exit_code == 0, (arguments, run.output, run.exception)
    return Done(run.exit_code, run.stdout, run.stderr)


class Operator:
    """Asks the admin API, from an address of their own."""

    def __init__(self, server: RunningServer, token: str = "") -> None:
        self.server = server
        self.token = token or kith(server, "admin", "token", "create", f"t{id(self)}").stdout.strip()
        self._person = Person(server)

    async def ask(self, method: str, path: str, json: Any = None, **other: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", **other.pop("headers", {})}
        return await self._person.ask(method, f"/api/admin{path}", json, headers=headers, **other)

    async def done(self, method: str, path: str, json: Any = None) -> Any:
        """As `ask`, for a request that has to succeed. Returns the body."""
        answer = await self.ask(method, path, json)
        assert answer.status < 300, answer
        return answer.body

    async def ban(self, kind: str, value: str, **more: Any) -> str:
        """Bans, and returns the ban's id."""
        made = await self.done("POST", "/bans", {"kind": kind, "value": value, **more})
        return str(made["id"])

    async def lift(self, id: str) -> None:
        await self.done("DELETE", f"/bans/{id}")
