"""What the README and the guide show works as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kith.client import State
from kith.client.testing import FakeServer
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
        await people.has_keys(ada, "bot@localhost")
        await ada.send("bot@localhost", "ping")
        (answer,) = await receive(ada)
        assert answer.body == "You said: ping"
        assert answer.encrypted
    finally:
        bot.kill()
        await bot.wait()


async def test_the_bot_in_a_group_answers_as_the_guide_shows_it(people: People, data: Path) -> None:
    found = re.findall(r"```python\n(.*?)```", (ROOT / "docs/sdk.md").read_text(), re.DOTALL)
    (program,) = [block for block in found if "filters.mentioned" in block]
    assert len([line for line in program.splitlines() if line]) <= 10
    people.server.add_user("bot", "secret")
    ada = await people.open(people.account("ada"))
    group = await ada.make_group("Tea", ["bot@localhost"])
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env=os.environ
        | {"KITH_HOST": "127.0.0.1", "KITH_PORT": str(people.server.port), "XDG_DATA_HOME": str(data)},
    )
    try:
        await people.has_keys(ada, "bot@localhost")
        await ada.send(group.jid, "nobody is meant")
        asked = await ada.send(group.jid, "@bot, are you there?", wait=State.SENT)
        (answer,) = await receive(ada)
        assert (answer.body, answer.author) == (f"Hello, {ada.jid}!", "bot@localhost")
        assert ada.find(group.jid, answer.reply_to or "") == asked
        assert answer.encrypted
    finally:
        bot.kill()
        await bot.wait()


async def test_the_bot_with_commands_and_its_test_work_as_the_guide_shows_them() -> None:
    found = re.findall(r"```python\n(.*?)```", (ROOT / "docs/sdk.md").read_text(), re.DOTALL)
    program: dict[str, Any] = {"__name__": "guide"}
    for block in found:
        if "\nbot.run()" in block or "send_file" in block:
            continue
        if "kith.client.bot import" in block or "kith.client.testing import" in block:
            exec(compile(block, "docs/sdk.md", "exec", dont_inherit=True), program)
    await program["test_add"]()
    async with FakeServer() as server, server.running(program["bot"]):
        ada = await server.person("ada", "bot@localhost")
        for sent, answer in (
            ("/register", "What is your name?"),
            ("Ada", "Hello, Ada!"),
            ("hi", "Hello, Ada!"),
            ("what?", "I understand /help."),
            ("/remind 0 milk", "I will."),
        ):
            await ada.send(sent)
            assert (await ada.receives()).body == answer
        assert (await ada.receives()).body == "Remember: milk"


async def test_the_bot_with_files_works_as_the_guide_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.findall(r"```python\n(.*?)```", (ROOT / "docs/sdk.md").read_text(), re.DOTALL)
    (block,) = [block for block in found if "send_file" in block]
    assert len([line for line in block.splitlines() if line]) <= 10
    program: dict[str, Any] = {"__name__": "guide"}
    exec(compile(block, "docs/sdk.md", "exec", dont_inherit=True), program)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (30, 20), "red").save(tmp_path / "red.png")
    async with FakeServer() as server, server.running(program["photographer"]):
        ada = await server.person("ada", "bot@localhost")
        await ada.client.send_file("bot@localhost", tmp_path / "red.png")
        answer = await ada.receives()
        assert answer.body == "Your picture, as I got it"
        assert answer.media is not None
        with Image.open(await answer.media.save(tmp_path)) as picture:
            assert picture.size == (30, 20)
    assert [file.name for file in (tmp_path / "pictures").iterdir()] == ["red.jpg"]
