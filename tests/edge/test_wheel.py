"""The pause before a silent client is pinged grows while the network keeps its connection."""

from __future__ import annotations

from itertools import pairwise

from kith.edge.keepalive import Rules, Wheel
from kith.ports.connection import Liveness

RULES = Rules(ping_after=420, ping_timeout=60, proxy_timeout=60)


class Silent:
    """A connection whose client says nothing but answers, if ``answers``."""

    def __init__(self, wheel: Wheel[Silent], liveness: Liveness, answers: bool = True) -> None:
        self.heard, self.asked, self.survived = 0, -1, 0
        self.pings: list[float] = []
        self.ended = 0.0
        self._wheel, self._liveness, self._answers = wheel, liveness, answers
        wheel.enter(self)

    def liveness(self) -> Liveness:
        return self._liveness

    def send_ping(self) -> None:
        self.pings.append(self._wheel.now * RULES.turn)
        if self._answers:
            self.heard = self._wheel.now

    def on_timeout(self) -> None:
        self.ended = self._wheel.now * RULES.turn
        self._wheel.leave(self)


def pauses(liveness: Liveness, hours: float = 8) -> list[float]:
    wheel: Wheel[Silent] = Wheel(RULES)
    one = Silent(wheel, liveness)
    while wheel.now * RULES.turn < hours * 3600:
        wheel.turn()
    return [round(later - earlier) for earlier, later in pairwise([RULES.turn, *one.pings])]


def test_a_path_that_keeps_the_connection_is_asked_more_and_more_seldom_up_to_a_bound() -> None:
    for liveness in (Liveness(), Liveness(resumable=True, resting=True)):
        found = pauses(liveness)
        assert found == sorted(found)
        assert abs(found[0] - RULES.patience(liveness)) < 2 * RULES.turn
        assert abs(found[-1] - RULES.longest) < 2 * RULES.turn


def test_a_proxy_closes_silent_connections_however_many_answers_came() -> None:
    assert max(pauses(Liveness(proxied=True), hours=1)) <= 0.8 * RULES.proxy_timeout + RULES.turn


def test_after_a_silence_that_a_connection_did_not_survive_the_next_one_is_asked_sooner() -> None:
    wheel: Wheel[Silent] = Wheel(RULES)
    one = Silent(wheel, Liveness())
    while len(one.pings) < 6:
        wheel.turn()
    one._answers = False
    while not one.ended:
        wheel.turn()
    assert one.ended - one.pings[-1] <= RULES.ping_timeout + RULES.turn
    began, again = wheel.now * RULES.turn, Silent(wheel, Liveness())
    while not again.pings:
        wheel.turn()
    assert again.pings[0] - began <= RULES.ping_after + 2 * RULES.turn
    assert again.pings[0] - began < one.pings[-1] - one.pings[-2]
