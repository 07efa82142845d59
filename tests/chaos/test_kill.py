"""Promises 1 to 3 when the server is killed at any moment, again and again, while connections are cut too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import kills
from tests.chaos.conftest import LONG

KILLS = 50 if LONG else 4


@pytest.mark.timeout(1200 if LONG else 300)
async def test_what_was_acknowledged_arrives_once_and_in_order_however_often_the_server_is_killed(
    tmp_path: Path,
) -> None:
    outcome = await kills.run("kith", tmp_path, KILLS, seed=KILLS)
    print(outcome)
    assert outcome.clean, outcome
    # it went on between the kills, and sessions did come back: `Cast.flowing` has waited for that
    assert outcome.resumptions >= kills.RESUMPTIONS * KILLS
    assert outcome.acknowledged >= kills.MESSAGES * KILLS
    assert not outcome.refused
