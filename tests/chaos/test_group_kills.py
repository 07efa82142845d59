"""The promises of groups when the server is killed at any moment: nothing lost, nothing twice, one order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import group_kills
from tests.chaos.conftest import LONG

KILLS = 40 if LONG else 3


@pytest.mark.timeout(1200 if LONG else 300)
async def test_all_members_have_all_messages_once_and_in_the_order_of_the_group(tmp_path: Path) -> None:
    outcome = await group_kills.run(tmp_path, KILLS, seed=KILLS)
    print(outcome)
    assert outcome.clean, outcome
    assert outcome.acknowledged >= group_kills.MESSAGES * KILLS
