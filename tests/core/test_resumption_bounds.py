"""Sessions that wait for a lost connection are bounded in time and in stanzas (XEP-0198 §5)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.conftest import RunningServer, running
from tests.core.test_stream_management import enabled, resume, text
from tests.raw import body, online


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Waits a second, and holds five stanzas."""
    folder = tmp_path_factory.mktemp("hasty") / "data"
    with running(folder, resume_timeout="1", resume_stanzas="5") as server:
        for name in ("ada", "ben", "cem", "dora"):
            server.add_user(name)
        yield server


async def test_a_session_waits_no_longer_than_set_and_loses_nothing(hasty: RunningServer) -> None:
    sender, receiver = await online(hasty.port, "ada"), await online(hasty.port, "ben", "phone")
    element = await enabled(receiver)
    assert element.get("max") == "1"
    receiver.abort()
    sender.send(text(receiver.bare, "while it waited"))
    await sender.ping()
    await asyncio.sleep(3.5)
    back = await resume(hasty, "ben", element.get("id") or "", 0)
    assert (await back.tag("failed"))[0].tag.endswith("item-not-found")
    await back.bind("phone")
    await back.available()
    assert body(await back.message()) == "while it waited"
    await back.nothing()


async def test_a_session_that_is_owed_too_much_ends_and_loses_nothing(hasty: RunningServer) -> None:
    sender, receiver = await online(hasty.port, "cem"), await online(hasty.port, "dora", "phone")
    token = (await enabled(receiver)).get("id") or ""
    receiver.abort()
    for number in range(8):
        sender.send(text(receiver.bare, f"n{number}"))
    await sender.ping()
    back = await resume(hasty, "dora", token, 0)
    await back.tag("failed")
    await back.bind("phone")
    await back.available()
    assert [body(await back.message()) for _ in range(8)] == [f"n{number}" for number in range(8)]
    await back.nothing()
