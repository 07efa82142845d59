"""The programs are built once. A house with a server, and people with browsers who come to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conftest import RunningServer, running
from tests.interop.converse import chromium as run_chromium
from tests.web.device import Devices, build
from tests.web.people import Interruption, People, cut, restart


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sync layer for Node."""
    return asyncio.run(build(tmp_path_factory.mktemp("driver")))


@pytest.fixture(scope="session")
def peer_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encryption, linking and discovery for Node."""
    return asyncio.run(build(tmp_path_factory.mktemp("peer"), "crypto"))


@pytest.fixture
async def devices(program: Path, server: RunningServer) -> AsyncIterator[Devices]:
    async with AsyncExitStack() as stack:
        yield Devices(program, server, stack)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the settings that people have."""
    with running(tmp_path_factory.mktemp("kith") / "data", allow_plaintext="off") as server:
        yield server


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One for all: what a person has is in a context of its own."""
    with run_chromium(tmp_path_factory.mktemp("chromium")) as where:
        yield where


@pytest.fixture
async def people(chromium: str, house: RunningServer) -> AsyncIterator[People]:
    # it sends no more than ten codes in an hour to one address, and remembers that while it runs
    await asyncio.to_thread(house.stop)
    await asyncio.to_thread(house.start)
    async with AsyncExitStack() as stack:
        people = People(chromium, house, stack)
        yield people
        for person in people.all:
            assert person.complaints == []
            assert person.elsewhere == []


@pytest.fixture(params=[cut, restart], ids=["cut", "restart"])
def interrupted(request: pytest.FixtureRequest) -> Interruption:
    """What goes wrong in the middle."""
    found: Interruption = request.param
    return found
