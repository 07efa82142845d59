"""A clock that was wrong for a while, by years, takes nothing from anybody for longer than that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from kith.accounts.discovery import BUDGET, Discovery
from kith.accounts.enrolment import Enrolment
from kith.accounts.errors import Refused
from kith.accounts.links import LIFETIME, Links
from kith.accounts.proof import LIFETIME as PROOF_LIFETIME
from kith.accounts.proof import Proofs
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from tests.clocks import SetClock
from tests.fuzz.world import World

DAY = 86400.0
YEARS = 3650 * DAY


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.loop.close()


SECRET = Secret(b"s" * 32)


def test_numbers_can_be_looked_up_after_the_clock_was_ahead(world: World) -> None:
    async def look_up() -> None:
        clock = SetClock()
        discovery = Discovery(SECRET, clock, world.domain.store)
        await discovery._spend(1, BUDGET - 10)
        clock.time += YEARS
        await discovery._spend(1, 10)
        clock.time -= YEARS
        await discovery._spend(1, 10)
        await discovery._spend(1, BUDGET - 20)
        with pytest.raises(Refused):
            await discovery._spend(1, 10)
        clock.time += DAY
        await discovery._spend(1, 10)

    world.do(look_up())


def test_a_box_of_a_time_to_come_is_no_box(world: World) -> None:
    async def link() -> None:
        clock = SetClock()
        links = Links(clock, Randomness(), world.domain.store, cast(Enrolment, None))
        clock.time += YEARS
        id = await links.open("192.0.2.1")
        assert await links.sealed(id) == b""
        clock.time -= YEARS
        with pytest.raises(Refused):
            await links.sealed(id)
        clock.time += LIFETIME
        fresh = await links.open("192.0.2.1")
        assert await links.sealed(fresh) == b""
        assert await links._count() == 1  # the other one is gone

    world.do(link())


def test_a_proof_of_a_time_to_come_is_no_proof(world: World) -> None:
    clock = SetClock()
    proofs = Proofs(SECRET, clock, Randomness(), world.domain.store)
    clock.time += YEARS
    proof = proofs.make("+4915112345678", 1, "hash")
    assert proofs.is_for("+4915112345678", proof)
    clock.time -= YEARS
    assert not proofs.is_for("+4915112345678", proof)
    clock.time += YEARS + PROOF_LIFETIME
    assert not proofs.is_for("+4915112345678", proof)
