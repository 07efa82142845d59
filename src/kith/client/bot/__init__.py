"""Bots: handlers, commands, filters and timers on top of `kith.client.Client`. docs/sdk.md is the guide.

    bot = Bot("bot@localhost", "secret")

    @bot.command()
    async def add(context: Context, a: int, b: int) -> None:
        \"\"\"Adds two numbers.\"\"\"
        await context.reply(str(a + b))

    bot.run()

People are answered beside each other, and each person in order. An error ends only the handling of one
message. A program that was stopped goes on with the message that it was handling.
"""

from kith.client.bot import filters
from kith.client.bot.bot import Bot
from kith.client.bot.context import Context, TimerContext
from kith.client.bot.filters import Filter
from kith.client.bot.person import Person

__all__ = ["Bot", "Context", "Filter", "Person", "TimerContext", "filters"]
