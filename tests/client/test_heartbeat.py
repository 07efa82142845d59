"""The pause between pings grows while connections survive it, and shrinks when one does not."""

from __future__ import annotations

import pytest

from kith.client.heartbeat import LEAST, MOST, Heartbeat


class Path:
    """A network whose router forgets connections that were silent for so many seconds."""

    def __init__(self, forgets: float) -> None:
        self.forgets = forgets
        self.lost = self.pings = 0

    def hour(self, heartbeat: Heartbeat, hours: float = 1.0) -> None:
        passed = 0.0
        while passed < hours * 3600:
            silence = heartbeat.pause
            passed += silence
            self.pings += 1
            if silence < self.forgets:
                heartbeat.answered(silence)
            else:
                self.lost += 1
                heartbeat.lost(silence)


@pytest.mark.parametrize("forgets", [40, 61, 90, 120, 200, 290, 1000])
def test_the_pause_settles_below_what_the_path_keeps(forgets: float) -> None:
    heartbeat, path = Heartbeat(60), Path(forgets)
    path.hour(heartbeat)
    path.lost = path.pings = 0
    path.hour(heartbeat, 10)
    assert path.lost <= 10 * 3600 / 20 / LEAST  # rare attempts whether the network has become better
    assert heartbeat.pause < min(forgets * 1.5, MOST + 1)
    assert path.pings < 11 * 3600 / min(forgets / 1.5 / 1.5, MOST)


def test_on_a_path_that_keeps_connections_the_pings_become_rare() -> None:
    heartbeat, path = Heartbeat(60), Path(3600)
    path.hour(heartbeat)
    assert heartbeat.pause == MOST
    path.pings = 0
    path.hour(heartbeat)
    assert (path.pings, path.lost) == (12, 0)


def test_a_better_network_is_noticed() -> None:
    heartbeat = Heartbeat(60)
    Path(50).hour(heartbeat)
    assert heartbeat.pause < 50
    Path(3600).hour(heartbeat, 12)
    assert heartbeat.pause == MOST


def test_answers_after_a_short_silence_do_not_lengthen_the_pause() -> None:
    heartbeat = Heartbeat(60)
    for _ in range(10):
        heartbeat.answered(5)
    assert heartbeat.pause == 60


def test_a_connection_that_is_lost_in_the_middle_of_traffic_says_nothing_of_silence() -> None:
    heartbeat = Heartbeat(60)
    heartbeat.lost(2)
    assert heartbeat.pause == 60
    for _ in range(20):
        heartbeat.lost(60)
    assert heartbeat.pause == LEAST
