"""A clock that is wrong for some seconds does no lasting harm."""

from __future__ import annotations

import pytest

from kith.base.clock import Clock
from kith.base.ids import Ids

YEAR = 365 * 86_400.0
TODAY = 1_790_000_000.0


class Clocks:
    """``wall`` can be set, ``steady`` only goes on."""

    def __init__(self) -> None:
        self.wall = TODAY
        self.steady = 1000.0
        self.clock = Clock(lambda: self.wall, lambda: self.steady)

    def wait(self, seconds: float) -> float:
        self.wall += seconds
        self.steady += seconds
        return self.clock.now()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.mark.parametrize("seconds", [0.001, 1.0, 29.0, 31.0, 3600.0, 30 * 86_400.0])
def test_time_that_passes_is_believed(clocks: Clocks, seconds: float) -> None:
    for _ in range(5):
        assert clocks.wait(seconds) == clocks.wall


@pytest.mark.parametrize("idle", [0.0, 5.0, 40.0, 86_400.0])
def test_a_jump_ahead_that_is_over_soon_was_never_believed(clocks: Clocks, idle: float) -> None:
    clocks.wait(idle)
    for _ in range(20):  # again and again, never for long
        clocks.wall += 10 * YEAR
        for _ in range(10):
            assert clocks.wait(1.0) == pytest.approx(clocks.wall - 10 * YEAR, abs=0.01)
        clocks.wall -= 10 * YEAR
        assert clocks.wait(1.0) == clocks.wall
        clocks.wait(20.0)


def test_a_step_ahead_that_stays_is_believed_after_a_minute(clocks: Clocks) -> None:
    """As on a machine without a battery that has learned the time."""
    clocks.wall += 10 * YEAR
    told = [clocks.wait(1.0) for _ in range(100)]
    assert told[0] < TODAY + 100
    assert told[50] < TODAY + 100
    assert told[70] == pytest.approx(TODAY + 10 * YEAR + 71)
    assert told == sorted(told)


def test_a_clock_that_was_set_back_is_believed_at_once(clocks: Clocks) -> None:
    clocks.wall -= YEAR
    assert clocks.wait(1.0) == clocks.wall
    clocks.wall += 2 * YEAR  # and a jump from there is none of less
    assert clocks.wait(1.0) == pytest.approx(clocks.wall - 2 * YEAR, abs=0.01)


def test_ids_of_messages_are_of_today_after_the_clock_was_wrong_for_seconds(clocks: Clocks) -> None:
    ids = Ids(clocks.clock.now)
    made = [ids.next(0)]
    clocks.wall += 10 * YEAR
    for _ in range(30):
        clocks.wait(1.0)
        made.append(ids.next(0))
    clocks.wall -= 10 * YEAR
    clocks.wait(1.0)
    made.append(ids.next(0))
    restarted = Ids(clocks.clock.now)
    restarted.gained(0, made[-1])
    made.append(restarted.next(0))
    assert made == sorted(set(made))
    assert made[-1] >> 20 == pytest.approx((TODAY + 31) * 1000, abs=10)
