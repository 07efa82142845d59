"""Features by themselves: each is given what it needs in a few lines, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.config import Config
from kith.core.routing.hosts import Hosts
from kith.features.strangers import HOUR, SERVER_FACTOR, Strangers
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

from ..parts import room


async def test_strangers_of_an_hour_ago_are_not_counted(tmp_path: Path) -> None:
    async with room(tmp_path) as there:
        now, accounts, tasks = [0.0], there.node.accounts, there.node.tasks
        clock = Clock(steady=lambda: now[0])
        strangers = Strangers(
            Config(strangers_per_hour=2), Domain("localhost"), clock, accounts, Hosts(), tasks
        )
        eve = parse_jid("eve@elsewhere.example")

        def writes_to(number: int) -> bool:
            stanza = Stanza.build("message", {"type": "chat"})
            return strangers.stanza_in(eve, parse_jid(f"m{number}@localhost"), stanza)

        for number in range(2 * SERVER_FACTOR):
            assert writes_to(number)
        with pytest.raises(StanzaError, match="too many new people"):
            writes_to(99)
        assert writes_to(0)  # no new one
        now[0] += HOUR + 1
        assert writes_to(99)
        await there.settle()
