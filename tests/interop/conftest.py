"""What the tests with other people's programs share."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.conftest import RunningServer

_numbers = itertools.count(1)


@pytest.fixture
def person(server: RunningServer) -> Callable[[str], str]:
    """Makes accounts that no other test knows, and returns their addresses."""
    return lambda name: server.add_user(f"{name}{next(_numbers)}")
