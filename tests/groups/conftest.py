"""A node with groups for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.groups.there import There, groups


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with groups(tmp_path) as made:
        yield made
