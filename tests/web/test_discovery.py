"""The web app finds who is here by the function that the server computes (RFC 9497)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.person import Person, new_number
from tests.conftest import RunningServer
from tests.interop.node import Refused
from tests.web.peer import web_peer


async def test_those_who_are_here_are_found_and_no_others(server: RunningServer, peer_script: Path) -> None:
    me, friends = Person(server), [Person(server) for _ in range(3)]
    phone = await me.register()
    for friend in friends:
        await friend.register()
    here = [friend.number for friend in friends]
    numbers = [*(new_number() for _ in range(120)), *here, *(new_number() for _ in range(3))]
    base = f"http://127.0.0.1:{server.http_port}"
    async with web_peer(peer_script) as web:
        assert await web.do("discover", base, phone.credential, numbers) == here
        assert await web.do("discover", base, phone.credential, list(reversed(here))) == here[::-1]
        with pytest.raises(Refused, match="401"):
            await web.do("discover", base, "nobody", here)
