"""The promises hold whatever happens, and the simulation would notice if they did not.

CHAOS=long runs more schedules, and looks for each planted fault with none of them known.
"""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.simulation.faults import FAULTS, Fault
from tests.simulation.schedule import Schedule, schedules
from tests.simulation.search import first_broken, report, variations
from tests.simulation.world import run

LONG = os.environ.get("CHAOS") == "long"
#: Schedules within which a planted fault has to be found.
BUDGET = 1000


@settings(
    max_examples=1000 if LONG else 60,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
@given(st.one_of(schedules(1), schedules(3)))
def test_no_schedule_breaks_a_promise(schedule: Schedule) -> None:
    broken = run(schedule)
    assert not broken, report(schedule, broken)


@pytest.mark.parametrize("nodes", [1, 3])
def test_thousands_of_schedules_break_no_promise(nodes: int) -> None:
    """Seeds make schedules faster than hypothesis does; these do not shrink by themselves."""
    first = int(time.time()) if LONG else 0
    count = 2000 if LONG else 60
    found = first_broken(Schedule.of(seed, nodes) for seed in range(first, first + count))
    assert found is None, report(*found)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_simulation_finds(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault, by the schedule that has found it before, or by looking."""
    known = (
        list(variations(Schedule.parse(fault.found_by), 20))
        if fault.found_by and (fault.rare or not LONG)
        else []
    )
    assert first_broken(known[:1]) is None, "without the fault, nothing is broken"
    fault.plant(monkeypatch)
    looking = (Schedule.of(seed, fault.nodes) for seed in range(BUDGET))
    found = first_broken(known, fault.breaks) or first_broken(looking, fault.breaks)
    assert found is not None, f"not found in {BUDGET} schedules"
    assert any(fault.breaks in line for line in run(found[0])), "it is not seen again"
