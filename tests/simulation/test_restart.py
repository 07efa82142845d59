"""A node that stops hands its sessions on to whoever owns their accounts next."""

from __future__ import annotations

import pytest

from tests.simulation.schedule import Schedule
from tests.simulation.world import World


@pytest.mark.parametrize("nodes", [1, 3])
def test_devices_resume_at_the_next_owner_after_a_restart(nodes: int) -> None:
    """Each node in turn, while people write: nobody who can resume has to begin anew."""
    resumed = 0
    for seed in range(6):
        events = "3 write ada.phone ben 5;0 write dora.phone ada 5"
        stops = "".join(f";4 restart {number} 1;3 write ben.phone cleo 3" for number in range(nodes))
        world = World(Schedule.parse(f"{seed}/{nodes}:{events}{stops}"))
        assert world.run() == []
        for device in world.devices.values():
            resumed += device.resumptions
    assert resumed > 6 * 4


@pytest.mark.parametrize("nodes", [1, 3])
def test_nobody_sees_a_device_leave_that_resumes_after_a_restart(nodes: int) -> None:
    """In presence that others get, as far as their own sessions stay."""
    schedule = Schedule.parse(f"3/{nodes}:8 restart 0 0.5")
    world = World(schedule)
    gone: list[tuple[str, str]] = []
    for device in world.devices.values():
        saw = device.saw

        def seen(presence: object, name: str = device.name, saw: object = saw) -> None:
            sender, type = presence.get("from") or "", presence.get("type")  # type: ignore[attr-defined]
            if type == "unavailable" and "/" in sender:
                gone.append((name, sender))
            saw(presence)  # type: ignore[operator]

        device.saw = seen  # type: ignore[method-assign]
    assert world.run() == []
    managed = {device.jid for device in world.devices.values() if device.manages}
    assert [(name, sender) for name, sender in gone if sender in managed] == []
