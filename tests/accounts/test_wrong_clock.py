"""A clock that was wrong for a while, by years, takes nothing from anybody for longer than that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kith.accounts.discovery import BUDGET, Discovery
from kith.accounts.errors import Refused
from kith.accounts.links import LIFETIME, Links
from kith.accounts.proof import LIFETIME as PROOF_LIFETIME
from kith.accounts.proof import Proofs
from tests.fuzz.world import World

DAY = 86400.0
YEARS = 3650 * DAY


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.loop.close()


class Clock:
    now = 1.8e9

    def __call__(self) -> float:
        return self.now


def test_numbers_can_be_looked_up_after_the_clock_was_ahead(world: World) -> None:
    async def look_up() -> None:
        clock = Clock()
        discovery = Discovery(world.domain, b"s" * 32, clock)
        await discovery._spend(1, BUDGET - 10)
        clock.now += YEARS
        await discovery._spend(1, 10)
        clock.now -= YEARS
        await discovery._spend(1, 10)
        await discovery._spend(1, BUDGET - 20)
        with pytest.raises(Refused):
            await discovery._spend(1, 10)
        clock.now += DAY
        await discovery._spend(1, 10)

    world.do(look_up())


def test_a_box_of_a_time_to_come_is_no_box(world: World) -> None:
    async def link() -> None:
        clock = Clock()
        links = Links(world.domain, clock)
        clock.now += YEARS
        id = await links.open("192.0.2.1")
        assert await links.sealed(id) == b""
        clock.now -= YEARS
        with pytest.raises(Refused):
            await links.sealed(id)
        clock.now += LIFETIME
        fresh = await links.open("192.0.2.1")
        assert await links.sealed(fresh) == b""
        assert await links._count() == 1  # the other one is gone

    world.do(link())


def test_a_proof_of_a_time_to_come_is_no_proof(world: World) -> None:
    clock = Clock()
    proofs = Proofs(world.domain.store, b"s" * 32, clock)
    clock.now += YEARS
    proof = proofs.make("+4915112345678", 1, "hash")
    assert proofs.is_for("+4915112345678", proof)
    clock.now -= YEARS
    assert not proofs.is_for("+4915112345678", proof)
    clock.now += YEARS + PROOF_LIFETIME
    assert not proofs.is_for("+4915112345678", proof)
