"""The web app's parts, built once for these tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.web.peer import build


@pytest.fixture(scope="session")
def peer_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`web/tests/peer.ts` as one file for Node."""
    return asyncio.run(build(tmp_path_factory.mktemp("peer")))
