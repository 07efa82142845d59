"""Announcements over the admin API reach people at once, and can be cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.admin.operator import Operator, kith
from tests.conftest import RunningServer, running
from tests.raw import body, online

RETRACT = "{urn:xmpp:message-retract:1}retract"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data") as server:
        server.add_user("ada")
        yield server


@pytest.fixture(scope="module")
def operator(server: RunningServer) -> Operator:
    return Operator(server)


async def test_what_is_announced_is_seen_at_once_listed_and_withdrawn(
    server: RunningServer, operator: Operator
) -> None:
    ada = await online(server.port, "ada")
    made = await operator.ask("POST", "/announcements", {"text": "The server moves.", "days": 2})
    assert made.status == 201, made
    assert body(await ada.message()) == "The server moves."
    listed = (await operator.ask("GET", "/announcements")).body["announcements"]
    assert listed == [made.body]
    id = made.body["id"]
    assert re.search(rf"{id}\s", kith(server, "announce", "--list").stdout)
    assert (await operator.ask("DELETE", f"/announcements/{id}")).status == 204
    gone = (await ada.message()).find(RETRACT)
    assert gone is not None
    assert gone.get("id") == id
    assert (await operator.ask("GET", "/announcements")).body["announcements"][0]["cancelled"]
    noted = (await operator.done("GET", "/log?limit=2"))["entries"]
    assert [(one["action"], one["target"]) for one in noted] == [("announce.cancel", id), ("announce", id)]
    assert kith(server, "admin", "log").stdout.count(id) == 2
    ada.abort()


@pytest.mark.parametrize(
    "request_",
    [{}, {"text": ""}, {"text": " \n"}, {"text": "x" * 10_001}, {"text": "a\x00b"}, {"text": "x", "days": 0}],
)
async def test_what_can_not_be_announced_is_refused(operator: Operator, request_: dict[str, object]) -> None:
    answer = await operator.ask("POST", "/announcements", request_)
    assert (answer.status, answer.error) == (400, "bad-request")


async def test_what_is_not_there_can_not_be_cancelled(operator: Operator) -> None:
    assert (await operator.ask("DELETE", "/announcements/0123456789")).status == 404
