"""A node with status for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.status.there import There, statuses


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with statuses(tmp_path) as made:
        yield made
