"""The programs are built once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.web.device import Devices, build


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
