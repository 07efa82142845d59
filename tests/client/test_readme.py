"""What the README and the guide show works as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.client.conftest import People, receive

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    """The complete Python programs of a page: those that run themselves."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [block for block in found if "asyncio.run(" in block]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bots of all pages are one account on one device."""
    return tmp_path_factory.mktemp("bot")


@pytest.mark.parametrize("page", ["README.md", "docs/sdk.md"])
async def test_the_bot_of_the_page_answers(people: People, page: str, data: Path) -> None:
    (program, *_) = blocks(page)
    people.server.add_user("bot", "secret")
    ada = await people.open(people.account("ada"))
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env=os.environ
        | {"KITH_HOST": "127.0.0.1", "KITH_PORT": str(people.server.port), "XDG_DATA_HOME": str(data)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await ada.add_contact("bot@localhost")
        async with asyncio.timeout(60):
            while not (keys := [key for key in await ada.fingerprints("bot@localhost") if key.active]):
                await asyncio.sleep(0.2)
        assert keys
        await ada.send("bot@localhost", "ping")
        (answer,) = await receive(ada)
        assert answer.body == "You said: ping"
        assert answer.encrypted
    finally:
        bot.kill()
        await bot.wait()
