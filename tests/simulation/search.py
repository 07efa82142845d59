"""Looks for schedules that break a promise, and makes those that do as short as they can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.simulation.schedule import Schedule
from tests.simulation.world import run


def first_broken(schedules: Iterable[Schedule], breaks: str = "") -> tuple[Schedule, list[str]] | None:
    """The first schedule that breaks a promise, and how. ``breaks``: a part of what is to be said then."""
    for schedule in schedules:
        broken = run(schedule)
        if any(breaks in line for line in broken):
            return schedule, broken
    return None


def variations(schedule: Schedule, count: int) -> Iterator[Schedule]:
    """The same events with other delays and other luck, the given schedule first."""
    return (Schedule(schedule.seed + more, schedule.events, schedule.nodes) for more in range(count))


def shrunk(schedule: Schedule, breaks: str) -> Schedule:
    """The same with fewer events, as long as something breaks that is described by ``breaks``."""
    events = list(schedule.events)
    size = max(1, len(events) // 2)
    while size:
        start = 0
        while start < len(events):
            fewer = Schedule(schedule.seed, (*events[:start], *events[start + size :]), schedule.nodes)
            if first_broken([fewer], breaks):
                events = list(fewer.events)
            else:
                start += size
        size //= 2
    return Schedule(schedule.seed, tuple(events), schedule.nodes)


def report(schedule: Schedule, broken: list[str]) -> str:
    """What a person needs to see it again."""
    lines = "\n".join(f"  {line}" for line in broken[:20])
    return f"broken:\n{lines}\nsee it again: .venv/bin/python -m tests.simulation '{schedule}'"
