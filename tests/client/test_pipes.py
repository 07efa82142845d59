"""`kith send`, `history` and `tail` as scripts use them, completion, and passwords by pipe and by file."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kith.client import State
from kith.client.testing import FakeServer, Person
from tests.client.conftest import People, receive, until

KITH = (sys.executable, "-m", "kith")


class Shell:
    """Runs commands as Ada, on a fake server."""

    def __init__(self, server: FakeServer, folder: Path) -> None:
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")} | {
            "KITH_HOST": "127.0.0.1",
            "KITH_PORT": str(server.port),
            "KITH_JID": server.account("ada").jid,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "PYTHONIOENCODING": "utf-8",
        }
        self.password = folder / "password"
        self.password.write_text("secret\nanything else\n")

    async def start(self, *command: str, **environ: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(*KITH, *command),
            env=self.environ | environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *command: str, stdin: str = "", **environ: str) -> tuple[int | None, str, str]:
        """The status, standard output and standard error."""
        process = await self.start(*command, **environ)
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 120)
        return process.returncode, out.decode(), err.decode()

    async def kith(self, *command: str, stdin: str = "") -> str:
        """Standard output of a command that succeeds."""
        options = ("--insecure", "--password-file", str(self.password))
        status, out, err = await self.run(*command, *options, stdin=stdin)
        assert status == 0, err
        return out


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[tuple[Shell, Person, FakeServer]]:
    async with FakeServer() as server:
        yield Shell(server, tmp_path), await server.person("ben", "ada@localhost"), server


async def test_a_text_is_sent_from_an_argument_and_from_a_pipe_and_history_prints_both(scene: Any) -> None:
    shell, ben, _ = scene
    await shell.kith("send", "ben", "from an argument")
    got = await ben.receives()
    assert (got.body, got.encrypted) == ("from an argument", True)
    await shell.kith("send", "ben@localhost", stdin="two lines\nfrom a pipe: ü\n")
    assert (await ben.receives()).body == "two lines\nfrom a pipe: ü"
    await got.reply("thanks\u202e[31m")
    await until(lambda: ben.client.queued() == 0)
    printed = await shell.kith("history", "ben")
    lines = [line[20:] if line[0] == "2" else line for line in printed.splitlines()]
    assert lines == [
        "> ben@localhost: from an argument",
        "> ben@localhost: two lines",
        "    from a pipe: ü",
        "< ben@localhost: thanks\ufffd[31m",
    ]
    lines = (await shell.kith("history", "ben", "--json", "-n", "2", "--offline")).splitlines()
    assert [json.loads(line)["body"] for line in lines] == ["two lines\nfrom a pipe: ü", "thanks\u202e[31m"]


async def test_what_can_not_be_sent_ends_with_a_line_and_a_status(scene: Any) -> None:
    shell, _, server = scene
    server.account("carl")  # has never logged in
    options = ("--insecure", "--password-file", "-")
    status, _, err = await shell.run("send", "carl", "hello", *options, stdin="secret\n")
    assert status == 1
    assert "--unencrypted" in err
    assert "Traceback" not in err
    status, _, err = await shell.run("send", "carl", "hello", "--unencrypted", *options, stdin="secret\n")
    assert status == 0, err
    status, _, err = await shell.run(
        "send", "ben", "hello", *options, stdin="wrong\n", XDG_DATA_HOME="/tmp/none"
    )
    assert status == 1
    status, _, err = await shell.run("send", "ben", "   ", *options, stdin="secret\n")
    assert (status, "nothing to send" in err) == (1, True)
    status, _, err = await shell.run("send", "ben", "hello", "--insecure")
    assert status == 2
    assert "--password-file" in err


async def test_tail_prints_json_lines_and_each_message_once_over_restarts(scene: Any) -> None:
    shell, ben, _ = scene
    await shell.kith("tail", "--once")
    for body in ("1", "2"):
        await ben.send(body)
    await until(lambda: ben.client.queued() == 0)
    options = ("--json", "--insecure", "--password-file", str(shell.password))
    printed = await shell.kith("tail", "--json", "--once")
    found = [json.loads(line) for line in printed.splitlines()]
    assert [(one["peer"], one["body"], one["incoming"]) for one in found] == [
        ("ben@localhost", "1", True),
        ("ben@localhost", "2", True),
    ]
    assert await shell.kith("tail", "--once", "--json") == ""
    process = await shell.start("tail", "--resume", "ben", *options)
    try:
        await ben.send("3")
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert json.loads(line)["body"] == "3"
    finally:
        process.kill()
        await process.wait()


async def test_the_password_of_a_new_account_comes_from_a_pipe_or_a_file(tmp_path: Path) -> None:
    environ = {"KITH_DATA_DIR": str(tmp_path / "server")}
    async with FakeServer() as server:
        shell = Shell(server, tmp_path)
        for name, options, stdin in (
            ("ada", ("--password-file", "-"), "from a pipe\n"),
            ("ben", ("--password-file", str(shell.password)), ""),
        ):
            status, _, err = await shell.run("user", "add", name, *options, stdin=stdin, **environ)
            assert status == 0, err
        status, _, err = await shell.run("user", "add", "carl", **environ)
        assert status != 0
        assert "--password-file" in err


async def test_a_shell_completes_commands_options_and_the_people_one_has_written_to(scene: Any) -> None:
    shell, _, _ = scene
    await shell.kith("send", "ben", "hello")
    remembered = {"jid": "ada@localhost", "host": "127.0.0.1", "insecure": True}
    config = Path(shell.environ["XDG_CONFIG_HOME"]) / "kith"
    config.mkdir(parents=True)
    (config / "accounts.json").write_text(json.dumps([remembered]))

    async def complete(line: str) -> list[str]:
        words = line.split(" ")
        _, out, _ = await shell.run(
            _KITH_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1)
        )
        return out.split()

    assert {"send", "serve", "settings"} <= set(await complete("kith se"))
    assert "--unencrypted" in await complete("kith send --un")
    assert await complete("kith send be") == ["ben@localhost"]
    for name in ("bash", "zsh", "fish"):
        status, script, _ = await shell.run("completion", name)
        assert status == 0
        assert "_KITH_COMPLETE" in script


async def test_groups_are_written_to_and_read_by_address_and_by_name(people: People, tmp_path: Path) -> None:
    ada = await people.open(people.account("ada"))
    bot = people.account("bot")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")} | {
        "KITH_HOST": "127.0.0.1",
        "KITH_PORT": str(people.server.port),
        "KITH_PASSWORD": "pw",
        "KITH_JID": bot,
        "XDG_CONFIG_HOME": str(tmp_path),
        "PYTHONIOENCODING": "utf-8",
    }

    async def kith(*command: str) -> str:
        options = ("--insecure", "--data", str(tmp_path / "data"))
        process = await asyncio.create_subprocess_exec(
            *(*KITH, *command, *options), env=environ, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0
        return out.decode()

    await kith("tail", "--once")  # publishes keys
    group = await ada.make_group("Tea at five", [bot])
    await ada.send(group.jid, "who brings cake?", wait=State.SENT)
    await kith("send", group.jid, "I do")
    await kith("send", "tea at five", "and biscuits")
    assert [message.body for message in await receive(ada, 2)] == ["I do", "and biscuits"]
    lines = [json.loads(line) for line in (await kith("history", "Tea at five", "--json")).splitlines()]
    assert [line["body"] or line["notice"] for line in lines][-3:] == [
        "who brings cake?",
        "I do",
        "and biscuits",
    ]
    assert [line["author"] for line in lines][-3:] == [ada.jid, bot, bot]
    assert "added" in lines[0]["notice"]
    assert f"{group.jid} {ada.jid}: who brings cake?" in await kith("history", group.jid)
