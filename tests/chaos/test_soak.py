"""The soak, in short: `make soak` is the long form, which can say that memory stays flat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.soak import plot, soak


@pytest.mark.timeout(120)
async def test_ordinary_life_loses_nothing_and_fills_no_memory(tmp_path: Path) -> None:
    town, _ = await soak(tmp_path, minutes=0.12, people=18, messages=20, visits=7)
    assert town.received >= town.acknowledged >= 20
    assert town.visits >= 7
    before, after = town.growth()
    assert after < 1.3 * before
    plot(town.samples, "a short one", tmp_path / "soak.svg")
    assert (tmp_path / "soak.svg").stat().st_size > 1000
