"""Promises 1 to 3 when the server is killed at any moment, again and again, while connections are cut too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import kills
from tests.chaos.conftest import LONG

KILLS = 50 if LONG else 4


@pytest.mark.timeout(1200 if LONG else 120)
async def test_what_was_acknowledged_arrives_once_and_in_order_however_often_the_server_is_killed(
    tmp_path: Path,
) -> None:
    outcome = await kills.run("kith", tmp_path, KILLS, seed=KILLS)
    print(outcome)
    assert outcome.clean, outcome
    assert outcome.resumptions > KILLS  # sessions did come back, between the kills
    assert outcome.acknowledged > 100 * KILLS
    assert not outcome.refused
