"""A schedule is all that a run depends on."""

from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given

from tests.simulation.schedule import Schedule, schedules
from tests.simulation.world import World


@given(schedules())
def test_a_schedule_is_read_as_it_is_written(schedule: Schedule) -> None:
    assert Schedule.parse(str(schedule)) == schedule


def _history(schedule: Schedule) -> tuple[object, ...]:
    """All that a run leaves behind."""
    world = World(schedule)
    broken = world.run()
    disk = world.disk
    heard = [(name, device.notebook.seen, device.jid) for name, device in world.devices.items()]
    messages = [(id, row.message.stanza) for log in disk.logs.values() for id, row in log.rows.items()]
    return broken, world.time.turns, heard, messages, disk.sequence


def test_a_schedule_gives_the_same_run_each_time() -> None:
    for seed in range(8):
        schedule = Schedule.of(seed)
        assert _history(schedule) == _history(schedule)


def test_a_schedule_gives_the_same_run_in_another_process() -> None:
    """Whatever the order of sets there: what failed once can be seen again."""
    code = (
        "from tests.simulation.test_schedule import _history\n"
        "from tests.simulation.schedule import Schedule\n"
        "import hashlib\n"
        "print([hashlib.sha1(repr(_history(Schedule.of(s))).encode()).hexdigest() for s in range(8)])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for number in (1, 2)
    }
    assert len(seen) == 1
