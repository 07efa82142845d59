"""Two servers that are both killed while people write: no message that Kith has taken is lost silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.conftest import LONG
from tests.ejabberd import paths
from tests.federation import kills

MESSAGES, KILLS = (2000, 8) if LONG else (160, 2)
OTHERS = kills.OTHERS if LONG else ("kith", "prosody-plain")


@pytest.mark.timeout(900 if LONG else 240)
@pytest.mark.parametrize("other", OTHERS)
async def test_no_message_to_another_server_is_lost_silently_however_often_both_are_killed(
    tmp_path: Path, other: str
) -> None:
    assert other != "ejabberd" or paths(), "Debian's package ejabberd is not installed"
    outcome = await kills.run(other, tmp_path, MESSAGES, KILLS, seed=KILLS)
    print(outcome)
    assert outcome.out.acknowledged == MESSAGES
    assert outcome.out.lost == 0, outcome
    assert outcome.out.disorder == 0, outcome
    if other == "kith":
        assert (outcome.back.lost, outcome.back.disorder) == (0, 0), outcome
        assert (outcome.out.twice, outcome.back.twice) == (0, 0), outcome
