"""A bot: handlers, commands, state, errors, dialogues, timers, restarts."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import Any

import pytest

from kith.client import GaveUp, NotOpen, ReactionsChanged, State, TimedOut
from kith.client.bot import Bot, Context, TimerContext, filters
from kith.client.testing import FakeServer
from tests.client.conftest import until

BOT = "bot@localhost"


class Colour(Enum):
    RED = "red"
    GREEN = "green"


def calculator(server: FakeServer, **settings: Any) -> Bot:
    bot = Bot(server.client("bot"), **settings)

    @bot.command()
    async def add(context: Context, a: int, b: int = 1) -> None:
        """Adds two numbers."""
        await context.reply(str(a + b))

    @bot.command("paint", "colour")
    async def paint(context: Context, colour: Colour, *things: str) -> None:
        await context.reply(f"{colour.value}: {', '.join(things)}")

    @bot.command(help="Says it.")
    async def say(context: Context, *, text: str) -> None:
        await context.reply(text)

    @bot.command(when=filters.peers("ada@localhost"), hidden=True)
    async def secret(context: Context) -> None:
        await context.reply("for Ada")

    @bot.on_message(filters.text("hi", "hello") & filters.encrypted)
    async def greet(context: Context) -> None:
        await context.reply("Hello!")

    @bot.on_message(filters.regex(r"(\d+) apples"))
    async def apples(context: Context) -> None:
        assert context.match
        await context.reply(f"{context.match[1]}, as many?")

    @bot.on_message
    async def anything(context: Context) -> None:
        await context.reply(f"? {context.body}", quote=True)

    return bot


CASES = [
    ("/add 2 3", "5"),
    ("/ADD 2", "3"),
    ("/add two", "a can't be 'two', only a whole number.\nUsage: /add A [B]"),
    ("/add", "a is missing.\nUsage: /add A [B]"),
    ("/add 1 2 3", "'3' is too much.\nUsage: /add A [B]"),
    ('/paint Green "the big fence" door', "green: the big fence, door"),
    ("/colour red it's", "red: it's"),
    ("/paint blue", "colour can't be 'blue', only red, green.\nUsage: /paint COLOUR [THINGS…]"),
    ('/paint red "open', 'A quote is not closed: "open\nUsage: /paint COLOUR [THINGS…]'),
    ("/say  it's  as\nwritten ", "it's  as\nwritten"),
    ("/secret", "for Ada"),
    ("/help", "/add A [B] – Adds two numbers.\n/paint COLOUR [THINGS…]\n/say TEXT… – Says it."),
    (" Hello ", "Hello!"),
    ("I have 3 apples", "3, as many?"),
    ("/unknown", "? /unknown"),
]


async def test_a_message_goes_to_the_command_or_handler_that_it_is_for() -> None:
    async with FakeServer() as server, server.running(calculator(server)):
        ada = await server.person("ada", BOT)
        for written, answered in CASES:
            await ada.send(written)
            assert (await ada.receives()).body == answered
        await ada.send("hello", encrypted=False)
        assert (await ada.receives()).body == "? hello"
        ben = await server.person("ben", BOT)
        await ben.send("/secret")
        assert (await ben.receives()).body == "? /secret"


async def test_an_error_ends_one_message_is_told_and_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    handled, errors = [], []

    def make(server: FakeServer) -> Bot:
        bot = Bot(server.client("bot"), apology="Sorry.")

        @bot.on_message
        async def divide(context: Context) -> None:
            handled.append(context.body)
            context.person["last"] = context.body
            await context.reply(str(12 / int(context.body)))

        return bot

    async with FakeServer() as server:
        bot = make(server)
        async with server.running(bot):
            ada = await server.person("ada", BOT)
            for body, answer in (("3", "4.0"), ("0", "Sorry."), ("4", "3.0")):
                await ada.send(body)
                assert (await ada.receives()).body == answer
            assert "ZeroDivisionError" in caplog.text
            await ada.send("0")
            await ada.receives()
            await asyncio.sleep(0.1)
            assert bot.person(ada.jid)["last"] == "4"  # what a handler changed before it failed is not kept
        again = make(server)

        @again.on_error
        async def note(context: Any, error: Exception) -> None:
            errors.append((context.peer, type(error)))

        async with server.running(again):
            await ada.send("0")
            assert (await ada.receives()).body == "Sorry."
    assert handled == ["3", "0", "4", "0", "0"]
    assert errors == [(ada.jid, ZeroDivisionError)]


async def test_people_are_answered_beside_each_other_and_each_in_order() -> None:
    async with FakeServer() as server:
        bot, free = Bot(server.client("bot")), asyncio.Event()
        running: list[str] = []

        @bot.on_message
        async def slowly(context: Context) -> None:
            running.append(context.peer)
            if context.body == "1":
                await free.wait()
            await context.reply(f"{context.body}!")
            running.remove(context.peer)

        async with server.running(bot):
            ada, ben = await server.person("ada", BOT), await server.person("ben", BOT)
            for body in ("1", "2", "3"):
                await ada.send(body)
            await ben.send("5")
            assert (await ben.receives()).body == "5!"
            assert running == [ada.jid]
            free.set()
            assert [(await ada.receives()).body for _ in "123"] == ["1!", "2!", "3!"]


async def test_a_handler_asks_and_waits_while_others_are_answered() -> None:
    async with FakeServer() as server:
        bot = Bot(server.client("bot"))

        @bot.command()
        async def order(context: Context) -> None:
            size = await context.ask("How large?")
            try:
                await context.send("With what?")
                top = await context.next_message(timeout=0.5)
            except TimedOut:
                await context.send(f"{size.body}, plain")
                return
            await context.send(f"{size.body}, with {top.body}")

        @bot.on_message
        async def other(context: Context) -> None:
            await context.reply("Pardon?")

        async with server.running(bot):
            ada, ben = await server.person("ada", BOT), await server.person("ben", BOT)
            await ada.send("/order")
            assert (await ada.receives()).body == "How large?"
            await ben.send("hello")
            assert (await ben.receives()).body == "Pardon?"
            await ada.send("large")
            assert (await ada.receives()).body == "With what?"
            assert (await ada.receives()).body == "large, plain"
            await ada.send("large")
            assert (await ada.receives()).body == "Pardon?"


async def test_one_who_writes_very_much_holds_up_nobody_and_what_was_deleted_is_not_handled() -> None:
    async with FakeServer() as server:
        bot, free, handled = Bot(server.client("bot")), asyncio.Event(), []

        @bot.on_message
        async def slowly(context: Context) -> None:
            if context.peer == "ada@localhost":
                await free.wait()
            handled.append(context.body)
            await context.reply("yes")

        async with server.running(bot):
            ada, ben = await server.person("ada", BOT), await server.person("ben", BOT)
            flood = [await ada.send(str(number), encrypted=False) for number in range(300)]
            await until(lambda: len(bot.client.history(ada.jid, limit=400)) == 300)
            await flood[150].delete()
            await until(lambda: sum(one.deleted for one in bot.client.history(ada.jid, limit=400)) == 1)
            await ben.send("and I?", encrypted=False)
            assert (await ben.receives()).body == "yes"
            assert handled == ["and I?"]
            free.set()
            await until(lambda: len(handled) == 300)
            assert handled[1:] == [str(number) for number in range(300) if number != 150]
            await until(lambda: bot._queues.size == 0)
            assert bot.client._db.sql.execute("SELECT count(*) FROM bot_messages").fetchone() == (0,)


async def test_a_full_disk_ends_the_bot_with_an_error_instead_of_leaving_somebody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeServer() as server:
        bot = Bot(server.client("bot"))

        @bot.on_message
        async def handle(context: Context) -> None:
            await context.reply("yes")

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        async with bot.client:
            with pytest.raises(NotOpen):
                await bot.start_timer("too early", after=1)
            task = asyncio.create_task(bot.run_until_closed())
            ada = await server.person("ada", BOT)
            monkeypatch.setattr("kith.client.bot.handled.Handled.attempt", full)
            await ada.send("hello")
            with pytest.raises(OSError, match="No space left"):
                await asyncio.wait_for(task, 20)


async def test_steps_and_state_of_each_person_survive_a_restart() -> None:
    class Form(Enum):
        NAME = 1

    def make(server: FakeServer) -> Bot:
        bot = Bot(server.client("bot"))

        @bot.command()
        async def start(context: Context) -> None:
            context.person.step = Form.NAME
            await context.reply("Who are you?")

        @bot.on_message(step=Form.NAME)
        async def named(context: Context) -> None:
            context.person["name"] = context.body
            context.person.step = ""
            await context.reply(f"Hello, {context.body}!")

        @bot.on_message
        async def known(context: Context) -> None:
            await context.reply(str(context.person.get("name")))

        return bot

    async with FakeServer() as server:
        async with server.running(make(server)):
            ada, ben = await server.person("ada", BOT), await server.person("ben", BOT)
            await ada.send("/start")
            await ada.receives()
        async with server.running(make(server)):
            await ada.send("Ada")
            assert (await ada.receives()).body == "Hello, Ada!"
        async with server.running(make(server)):
            for one, answer in ((ada, "Ada"), (ben, "None")):
                await one.send("and who am I?")
                assert (await one.receives()).body == answer


async def test_after_a_stop_a_bot_goes_on_with_what_it_was_handling_and_nothing_else() -> None:
    handled: list[str] = []

    def make(server: FakeServer, blocked: asyncio.Event) -> Bot:
        bot = Bot(server.client("bot"))

        @bot.on_message
        async def handle(context: Context) -> None:
            handled.append(context.body)
            if context.body.startswith("slow"):
                await blocked.wait()
            await context.reply(context.body)

        return bot

    async with FakeServer() as server:
        never, now = asyncio.Event(), asyncio.Event()
        now.set()
        async with server.running(make(server, never)):
            ada, ben = await server.person("ada", BOT), await server.person("ben", BOT)
            await ada.send("slow")
            await until(lambda: handled)
            await ben.send("quick")
            assert (await ben.receives()).body == "quick"
        for count in (2, 3, 4):  # more often than an attempt may fail: stopping is no failure
            async with server.running(make(server, never)):
                await until(lambda count=count: handled.count("slow") == count)  # type: ignore[misc]
        async with server.running(make(server, now)):
            assert (await ada.receives()).body == "slow"
    assert handled.count("quick") == 1
    assert handled.count("slow") == 5


async def test_a_message_that_ends_the_program_each_time_is_left_out_after_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[str] = []
    errors: list[Exception] = []

    class Killed(BaseException):
        """As if the process was gone: nothing after it runs."""

    def make(server: FakeServer) -> Bot:
        bot = Bot(server.client("bot"))

        @bot.on_message
        async def handle(context: Context) -> None:
            begun.append(context.body)
            if context.body == "deadly":
                raise Killed
            await context.reply(context.body)

        @bot.on_error
        async def note(context: Any, error: Exception) -> None:
            errors.append(error)

        return bot

    async with FakeServer() as server:
        ada = await server.person("ada", BOT)

        async def dies() -> None:
            count = len(begun)
            async with server.running(make(server)):
                if not begun:
                    await ada.send("deadly")
                await until(lambda: len(begun) > count)
                await asyncio.sleep(0.1)

        for _ in range(3):
            with pytest.raises(Killed):
                await dies()
        async with server.running(make(server)):
            await ada.send("harmless")
            assert (await ada.receives()).body == "harmless"
    assert begun == ["deadly"] * 3 + ["harmless"]
    assert [type(error) for error in errors] == [GaveUp]


async def test_timers_survive_a_restart_repeat_and_can_be_cancelled() -> None:
    fired: list[tuple[str, Any]] = []
    clock = 1e9

    def make(server: FakeServer) -> Bot:
        bot = Bot(server.client("bot"), now=lambda: clock)

        @bot.timer("remind")
        async def remind(context: TimerContext) -> None:
            fired.append((context.peer, context.data))
            context.person["reminded"] = True
            await context.send(f"Remember: {context.data}")

        @bot.timer("tick")
        async def tick(context: TimerContext) -> None:
            fired.append(("tick", context.data))

        @bot.command("remind")
        async def command(context: Context, seconds: float, *, text: str) -> None:
            await context.start_timer("remind", after=seconds, data=text)
            await context.reply("Yes.")

        return bot

    async with FakeServer() as server:
        bot = make(server)
        async with server.running(bot):
            ada = await server.person("ada", BOT)
            await ada.send("/remind 60 milk")
            assert (await ada.receives()).body == "Yes."
        clock += 60
        bot = make(server)
        async with server.running(bot):
            assert (await ada.receives()).body == "Remember: milk"
            await until(lambda: bot.person(ada.jid).get("reminded"))
            await bot.start_timer("tick", every=60, data="first")
            for count in (2, 3, 4):
                clock += 200  # what was missed is made up for once
                await bot.start_timer("another", after=3600)  # has the clock asked again
                await until(lambda count=count: len(fired) == count)  # type: ignore[misc]
            assert bot.cancel_timer("tick")
            assert not bot.cancel_timer("tick")
            await bot.start_timer("remind", after=3600, peer=ada.jid, data="a")
            await bot.start_timer("remind", after=0, peer=ada.jid, data="b")  # in its place
            assert (await ada.receives()).body == "Remember: b"
            count = len(fired)
            await asyncio.sleep(0.2)
            assert len(fired) == count
        async with server.running(make(server)):
            await ada.receives_nothing(0.2)


async def test_other_events_and_the_start_have_handlers_of_their_own() -> None:
    async with FakeServer() as server:
        bot, seen = Bot(server.client("bot")), []

        @bot.on_start
        async def begin() -> None:
            seen.append("started")

        @bot.on(ReactionsChanged)
        async def reacted(event: ReactionsChanged) -> None:
            seen.append(event.message.reactions.theirs[0])
            raise RuntimeError("ends nothing")

        @bot.on_message
        async def handle(context: Context) -> None:
            async with context.typing():
                message = await context.reply("working on it", wait=State.SENT)
            await message.edit("done")
            await context.react("👍")

        async with server.running(bot):
            ada = await server.person("ada", BOT)
            await ada.send("go")
            answer = await ada.receives()
            await answer.react("❤️")
            await until(lambda: len(seen) == 2)
            await answer.react("🎉")
            await until(lambda: len(seen) == 3)
            await until(lambda: ada.client.history(BOT)[-1].body == "done")
            await until(lambda: ada.client.history(BOT)[0].reactions.theirs == ("👍",))
    assert seen == ["started", "❤️", "🎉"]


async def test_a_bot_ends_with_the_error_of_its_client() -> None:
    async with FakeServer() as server:
        bot = Bot(server.client("bot"))
        async with bot.client:
            task = asyncio.create_task(bot.run_until_closed())
            await asyncio.sleep(0.1)
            await bot.client.close()
            await task
        with pytest.raises(TypeError):
            Bot(server.client("bot"), "password")


def test_commands_can_not_have_the_same_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bot = Bot("bot@localhost", "secret")

    @bot.command("help")
    async def own(context: Context) -> None: ...

    with pytest.raises(ValueError, match="already"):
        bot.command("HELP")(own)
    with pytest.raises(ValueError, match="can't be"):
        bot.command("two words")(own)
