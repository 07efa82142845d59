"""Who has lost the connection is not shown as available for as long as the session waits (XEP-0198 §5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import RunningServer, running
from tests.core.test_roster import befriend, presence
from tests.core.test_stream_management import enabled, resume, text
from tests.raw import RawClient, body, online


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Sessions wait for thirty seconds, and are unavailable to others after a tenth of that."""
    with running(tmp_path_factory.mktemp("absence") / "data", resume_timeout="30") as server:
        for name in ("ada", "ben"):
            server.add_user(name)
        yield server


async def last_seen(client: RawClient, jid: str) -> int:
    answer = await client.iq("get", "<query xmlns='jabber:iq:last'/>", jid)
    return int(answer[0].get("seconds") or -1)


async def test_a_session_without_connection_is_unavailable_soon_and_available_when_it_goes_on(
    house: RunningServer,
) -> None:
    ada = await online(house.port, "ada", "laptop")
    ben = await online(house.port, "ben", "phone")
    await befriend(ada, ben)
    token = (await enabled(ben)).get("id") or ""
    ben.abort()
    await ada.take(presence("unavailable", ben.jid))
    # when it left, not when that was told
    assert await last_seen(ada, ben.bare) >= 2
    # a newcomer is not told that it is there
    again = await online(house.port, "ada", "tablet")
    again.send(f"<presence type='probe' to='{ben.bare}'/>")
    await again.take(presence("unavailable", ben.bare))
    # what comes meanwhile waits as before
    ada.send(text(ben.bare, "while away"))
    await ada.ping()
    back = await resume(house, "ben", token, 0)
    await back.tag("resumed")
    assert body(await back.message()) == "while away"

    await ada.take(presence(None, ben.jid))
    assert await last_seen(ada, ben.bare) == 0


async def test_who_returns_at_once_was_never_away(house: RunningServer) -> None:
    ada = await online(house.port, "ada", "laptop")
    ben = await online(house.port, "ben", "watch")
    token = (await enabled(ben)).get("id") or ""
    ben.abort()
    back = await resume(house, "ben", token, 0)
    await back.tag("resumed")
    await ada.ping()
    with pytest.raises(TimeoutError):
        await ada.take(presence("unavailable", ben.jid), timeout=5)
