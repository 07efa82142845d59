"""Promise 1 in the count of handled stanzas: it never covers one that is not committed."""

from __future__ import annotations

from typing import Any, cast

from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors import sm
from kith.core.actors.intake import COMMITTING, Intake, Work
from kith.wire.errors import StanzaError, StreamError
from kith.wire.stanza import Stanza


class Taken(Intake):
    """Messages to ``nobody`` are refused, to ``nowhere`` dropped, and all others go to the log."""

    def __init__(self) -> None:
        super().__init__(Tasks(), Figures(), None)
        self.sent: list[bytes] = []

    def handle(self, stanza: Stanza) -> Work:
        if stanza.attrs["to"] == "nobody":
            raise StanzaError("service-unavailable")
        return None if stanza.attrs["to"] == "nowhere" else COMMITTING

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        self.sent.append(b"refused")

    def fail(self, error: StreamError) -> None:
        raise error

    def raw(self, data: bytes) -> None:
        self.sent.append(data)

    def ended(self) -> None:
        raise AssertionError

    def messages(self, *to: str) -> None:
        for name in to:
            self.take(Stanza("{jabber:client}message", {"to": name}, b"", []))


def acknowledged(intake: Taken) -> list[bytes]:
    return [data for data in intake.sent if data != b"refused"]


def test_a_refused_message_does_not_count_before_those_that_wait_for_the_disk() -> None:
    intake = Taken()
    intake.messages("ben", "ben", "ben")
    intake.asked()
    intake.messages("nobody", "nowhere", "nobody", "nobody")
    assert intake.handled == 0
    intake.committed()
    assert intake.handled == 1
    assert acknowledged(intake) == []
    intake.committed()
    intake.committed()
    assert intake.handled == 7
    assert acknowledged(intake) == [sm.answer(7)]


def test_refused_messages_count_in_their_places() -> None:
    intake = Taken()
    intake.messages("nobody", "ben", "nobody", "ben", "nowhere", "nobody", "ben")
    counts = [intake.handled]
    for _ in range(3):
        intake.committed()
        counts.append(intake.handled)
    assert counts == [1, 3, 6, 7]
    assert intake.idle


def test_the_count_is_right_however_refusals_and_commits_mix() -> None:
    """Beside a plain list of what is handled."""
    import random

    rng = random.Random(5)
    for _ in range(300):
        intake, order = Taken(), cast(list[Any], [])
        for _ in range(40):
            waiting = [entry for entry in order if not entry[1]]
            if waiting and rng.random() < 0.4:
                waiting[0][1] = True
                intake.committed()
            else:
                refused = rng.random() < 0.5
                order.append([len(order), refused])
                intake.messages("nobody" if refused else "ben")
            handled = next((n for n, done in order if not done), len(order))
            assert intake.handled == handled
