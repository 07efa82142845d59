"""How fast a bot answers, and whether that stays so: `python bench/bot.py [--messages 2000] [--plain]`.

A server, some people who write to a bot, and the bot, each in a process of its own. Once everybody has
talked with the bot, the people write all their messages while it is away; then it comes and answers them.
Prints, for each tenth of the messages, what an answer takes of the bot's processor, the answers in each
second of that and of the clock, and its memory: all lines have to be alike.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.lab import KITH, environment, serving
from kith.client import Client, Message, State

PEOPLE = 10
SETTINGS: Any = {"host": "127.0.0.1", "insecure": True, "auto_accept": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--plain", action="store_true", help="without encryption")
    parser.add_argument("--profile", action="store_true", help="what the bot spends its time with")
    parser.add_argument("--iterator", action="store_true", help="by Client.messages, not by a Bot")
    parser.add_argument("--bot", metavar="PORT", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bot:
        asyncio.run(answer(given))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given)


def measure(folder: Path, given: argparse.Namespace) -> None:
    (folder / "server").mkdir()
    environ = dict(environment(folder / "server"))
    file = folder / "users.csv"
    file.write_text("jid,password\nbot,pw\n" + "".join(f"p{n},pw\n" for n in range(PEOPLE)))
    subprocess.run([*KITH, "user", "import", str(file)], env=environ, check=True, capture_output=True)
    port = int(environ["KITH_XMPP_PORT"])
    with serving(environ):
        print(f"{given.messages} messages of {PEOPLE} people, {'plain' if given.plain else 'encrypted'}")
        asyncio.run(ask(folder, port, given.messages // PEOPLE, not given.plain))
        command = [sys.executable, __file__, "--bot", str(port), "--data", str(folder / "bot")]
        command += [f"--messages={given.messages // PEOPLE * PEOPLE}"]
        command += [f"--{name}" for name in ("profile", "iterator", "plain") if getattr(given, name)]
        subprocess.run(command, check=True)


async def ask(folder: Path, port: int, each: int, encrypted: bool) -> None:
    """Lets everybody talk with the bot once, and then write to it while it is away."""

    def client(name: str) -> Client:
        return Client(f"{name}@localhost", "pw", data=folder / name, port=port, **SETTINGS)

    async with client("bot") as bot:
        people = [client(f"p{n}") for n in range(PEOPLE)]
        for one in people:
            await one.open()
        await asyncio.gather(*(one.ready() for one in people))
        questions = aiter(bot.messages())
        for one in people:
            answer = asyncio.create_task(one.next_message("bot@localhost"))
            await one.send("bot@localhost", "hello", encrypted=encrypted)
            while (question := await anext(questions)).peer != one.jid:
                pass
            await question.reply("hello")
            await answer
        following = asyncio.ensure_future(anext(questions))  # the last one is handled
        await asyncio.sleep(1)
        following.cancel()
    await asyncio.gather(*(write(one, each, encrypted) for one in people))
    for one in people:
        await one.close()


async def write(person: Client, count: int, encrypted: bool) -> None:
    for n in range(count):
        message = await person.send("bot@localhost", f"question {n}", encrypted=encrypted)
    await person.wait_for(message, State.SENT, timeout=600)


async def answer(given: argparse.Namespace) -> None:
    """The bot's process: answers all messages, and prints how that goes."""
    process, step = psutil.Process(os.getpid()), max(given.messages // 10, 1)
    client = Client("bot@localhost", "pw", data=given.data, port=given.bot, **SETTINGS)
    begun, cpu, count = time.perf_counter(), time.process_time(), 0
    first, all_done = begun, asyncio.Event()

    def note() -> None:
        nonlocal begun, cpu, count
        count += 1
        if count % step == 0:
            now, used = time.perf_counter(), time.process_time()
            print(
                f"{count:7} {(used - cpu) / step * 1000:6.2f} ms of processor each"
                f" {step / (used - cpu):6.0f} per second of processor"
                f" {step / (now - begun):7.0f} per second {process.memory_info().rss / 1e6:7.1f} MB",
                flush=True,
            )
            begun, cpu = now, used
        if count >= given.messages:
            all_done.set()

    async def handle(message: Message) -> None:
        await message.reply(f"{message.body}? Yes.")
        note()

    profile = cProfile.Profile()
    async with client:
        begun, cpu = time.perf_counter(), time.process_time()
        if given.profile:
            profile.enable()
        if given.iterator:
            async for message in client.messages():
                if message.incoming:
                    await handle(message)
                if all_done.is_set():
                    break
        else:
            from kith.client.bot import Bot

            bot = Bot(client)
            bot.on_message()(handle)
            running = asyncio.create_task(bot.run_until_closed())
            await all_done.wait()
            running.cancel()
        profile.disable()
    print(f"{count / (time.perf_counter() - first):.0f} answers per second, with the start")
    if given.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(70)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
