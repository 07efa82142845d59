"""The network of played and real servers that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.federation.world import World, world


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made
