"""One node alone: the bus is a call, and every slot is its own."""

from __future__ import annotations

import pytest

from kith.base.slots import SLOTS, slot_of
from kith.bus.local import LocalBus, LocalPlacement
from kith.ports.bus import Bus, BusError, Link, Lost, NoOwner, OnFrame, OnLost, Reply
from kith.ports.placement import Placement

Answer = tuple[bytes | None, type[BusError] | None]


class Asker:
    """Notes the answers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def __call__(self, answer: bytes | None, error: BusError | None) -> None:
        self.answers.append((answer, type(error) if error is not None else None))


def test_a_node_alone_owns_every_slot() -> None:
    placement: Placement = LocalPlacement()
    names = [f"person{number}@example.org" for number in range(20_000)]
    assert all(placement.owns(name) for name in names)
    assert {placement.slot(name) for name in names} == set(range(SLOTS))


def test_the_slot_of_a_name_never_changes() -> None:
    assert [slot_of(name) for name in ("ada@example.org", "s2s:example.net", "")] == [710, 328, 0]


def test_a_request_is_taken_as_it_is_and_answered_at_once() -> None:
    bus: Bus = LocalBus()
    asker, request = Asker(), b"\x01who"
    taken: list[bytes] = []

    def take(request: bytes, reply: Reply) -> None:
        taken.append(request)
        reply(b"\x01me")

    bus.serve(7, take)
    bus.ask(7, request, asker)
    assert taken[0] is request  # no copy
    assert asker.answers == [(b"\x01me", None)]


def test_nobody_serves_the_slot() -> None:
    bus, asker = LocalBus(), Asker()
    bus.serve(7, lambda request, reply: reply(request))
    bus.stop(7)
    bus.ask(7, b"\x01", asker)
    bus.ask(8, b"\x01", asker)
    bus.tell(8, b"\x01")
    assert asker.answers == [(None, NoOwner)] * 2


def test_a_request_is_answered_once() -> None:
    bus, asker = LocalBus(), Asker()

    def take(request: bytes, reply: Reply) -> None:
        reply(b"first")
        reply(b"second")

    bus.serve(7, take)
    bus.ask(7, b"\x01", asker)
    assert asker.answers == [(b"first", None)]


def test_a_request_that_nobody_can_answer_any_more_is_lost() -> None:
    bus, asker = LocalBus(), Asker()
    kept: list[Reply] = []
    bus.serve(7, lambda request, reply: kept.append(reply))
    bus.ask(7, b"\x01", asker)
    assert asker.answers == []
    kept.clear()
    assert asker.answers == [(None, Lost)]


def test_a_slot_is_served_once() -> None:
    bus = LocalBus()
    bus.serve(7, lambda request, reply: None)
    with pytest.raises(ValueError, match="slot 7"):
        bus.serve(7, lambda request, reply: None)


def test_frames_cross_a_link_until_one_side_closes_it() -> None:
    bus = LocalBus("one")
    events: list[tuple[object, ...]] = []
    sides: list[Link] = []

    def accept(node: str, link: Link) -> tuple[OnFrame, OnLost]:
        sides.append(link)
        events.append(("accepted", node))
        return lambda stream, frame: events.append(("far", stream, frame)), lambda: events.append(("lost",))

    bus.accept(accept)
    near = bus.link("one", lambda stream, frame: events.append(("near", stream, frame)), lambda: None)
    near.send(1, b"a")
    sides[0].send(1, b"b")
    near.close()
    near.close()
    near.send(1, b"c")
    sides[0].send(1, b"d")
    assert events == [("accepted", "one"), ("far", 1, b"a"), ("near", 1, b"b"), ("lost",)]


def test_a_link_to_a_node_that_is_not_there_is_lost() -> None:
    lost: list[bool] = []
    LocalBus("one").link("two", lambda stream, frame: None, lambda: lost.append(True)).send(1, b"a")
    assert lost == [True]
