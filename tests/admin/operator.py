"""An operator with a token for the admin API."""

from __future__ import annotations

from typing import Any

from tests.api.person import Answer, Person
from tests.conftest import RunningServer


class Operator:
    """Asks the admin API, from an address of their own."""

    def __init__(self, server: RunningServer, token: str = "") -> None:
        self.server = server
        self.token = token or server.kith("admin", "token", "create", f"t{id(self)}").stdout.strip()
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
