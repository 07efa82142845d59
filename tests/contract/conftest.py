"""Each kind of store that has to keep the promises of `kith.ports.store`."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest

from kith.ports.store import Store
from kith.store.sqlite import SQLiteStore
from tests.contract.logs import Logs
from tests.simulation.disk import Disk
from tests.simulation.store import SimulatedStore


class Backend(Protocol):
    """Where one test's stores keep what lasts."""

    def store(self) -> Store:
        """A store, not open yet, with all that the ones before it have committed."""

    async def crash(self, store: Store) -> Store:
        """The power goes: a store, not open yet, with what is on the disk at this moment.

        Nothing is asked of the old one afterwards.
        """

    def break_disk(self, store: Store) -> None:
        """From now on nothing can be written."""


class SQLiteBackend:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "kith.sqlite"
        self._crashed: list[Store] = []

    def store(self) -> SQLiteStore:
        return SQLiteStore(self._path)

    async def crash(self, store: Store) -> SQLiteStore:
        """Its files are copied as they are now: what is written to the old ones later is not seen."""
        folder = self._path.parent / f"after-{len(self._crashed)}"
        folder.mkdir()
        for file in self._path.parent.glob("kith.sqlite*"):
            if not file.name.endswith("-shm"):  # a crash leaves no memory
                shutil.copy(file, folder)
        await store.close()
        self._crashed.append(store)
        self._path = folder / self._path.name
        return SQLiteStore(self._path)

    def break_disk(self, store: Store) -> None:
        self._path.rename(self._path.with_name("moved"))


class SimulatedBackend:
    """The store of the simulation, here in real time: its seed says how slow it is."""

    def __init__(self, folder: Path) -> None:
        self._disk = Disk()
        self._rng = random.Random(str(folder.name))

    def store(self) -> SimulatedStore:
        return SimulatedStore(self._disk, self._rng)

    async def crash(self, store: Store) -> SimulatedStore:
        """What is being committed may have reached the disk, or not."""
        assert isinstance(store, SimulatedStore)
        store.kill()
        return self.store()

    def break_disk(self, store: Store) -> None:
        assert isinstance(store, SimulatedStore)
        store.full = True


#: By name. Each gets a folder of its own.
BACKENDS: dict[str, Callable[[Path], Backend]] = {"sqlite": SQLiteBackend, "simulated": SimulatedBackend}


@pytest.fixture(params=list(BACKENDS))
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
async def logs(backend: Backend) -> AsyncIterator[Logs]:
    """A new store with three accounts. A test that closes it puts another in its place."""
    store = backend.store()
    await store.open()
    logs = Logs(store)
    await logs.create()
    yield logs
    await logs.store.close()
