"""What a handler works with: the message, the person, and ways to answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kith.client.bot.person import Person
from kith.client.client import Client
from kith.client.media.values import Media
from kith.client.message import Message, State

if TYPE_CHECKING:
    from kith.client.bot.bot import Bot
    from kith.client.bot.queues import Turn


class Conversation:
    """What handlers of messages and of timers have in common.

    ``peer``: the person's address, or the group's in which they write. ``person``: what the bot remembers
    about them.
    """

    def __init__(self, bot: Bot, peer: str, person: Person, turn: Turn) -> None:
        self.bot = bot
        self.peer = peer
        self.person = person
        self._turn = turn

    @property
    def client(self) -> Client:
        """The bot's client."""
        return self.bot.client

    async def send(self, body: str, *, wait: State | None = None, timeout: float | None = 30.0) -> Message:
        """Writes to the person, or to the group. See `Client.send`."""
        return await self.client.send(self.peer, body, wait=wait, timeout=timeout)

    async def send_file(self, path: Path | str, *, caption: str = "", as_document: bool = False) -> Message:
        """Sends a file to the person, or to the group. See `Client.send_file`."""
        return await self.client.send_file(self.peer, path, caption=caption, as_document=as_document)

    async def next_message(self, timeout: float | None = 300.0) -> Message:
        """Waits for the person's next message, which no other handler gets then.

        Others are answered meanwhile. Raises TimedOut after so many seconds (None: never).
        """
        return await self._turn.next_message(timeout)

    async def start_timer(
        self,
        name: str,
        *,
        after: float | timedelta | None = None,
        at: datetime | None = None,
        every: float | timedelta | None = None,
        data: Any = None,
    ) -> None:
        """Starts a timer for this person. See `Bot.start_timer`."""
        await self.bot.start_timer(name, after=after, at=at, every=every, peer=self.peer, data=data)

    @asynccontextmanager
    async def typing(self) -> AsyncIterator[None]:
        """Shows the person that the bot is typing, for the time of an ``async with`` block."""
        await self.client.typing(self.peer)
        try:
            yield
        finally:
            await self.client.typing(self.peer, active=False)


class Context(Conversation):
    """A message that is being handled.

    ``match``: what `filters.regex` has found. ``arguments``: the text after a command's name.
    """

    def __init__(self, bot: Bot, message: Message, person: Person, turn: Turn) -> None:
        super().__init__(bot, message.peer, person, turn)
        self.message: Message = message
        self.match: re.Match[str] | None = None
        self.arguments = ""

    @property
    def author(self) -> str:
        """The address of who wrote the message."""
        return self.message.author

    @property
    def media(self) -> Media | None:
        """The file, card or location of the message. With a file, ``body`` is its caption."""
        return self.message.media

    @property
    def body(self) -> str:
        """The text of the message."""
        return self.message.body

    async def reply(
        self, body: str, *, quote: bool = False, wait: State | None = None, timeout: float | None = 30.0
    ) -> Message:
        """Answers, encrypted if the message was, and marks it as read.

        ``quote``: apps show the message above the answer. ``wait`` and ``timeout``, and what is raised: see
        `Client.send`.
        """
        await self.message.read()
        return await self.client.send(
            self.peer,
            body,
            encrypted=None if self.message.encrypted else False,
            reply_to=self.message if quote else None,
            wait=wait,
            timeout=timeout,
        )

    async def ask(self, question: str, timeout: float | None = 300.0) -> Message:
        """Answers with a question, and waits for the person's next message. Raises TimedOut."""
        await self.reply(question)
        return await self.next_message(timeout)

    async def react(self, *emojis: str) -> Message:
        """Reacts to the message with emoji. See `Client.react`."""
        return await self.client.react(self.message, *emojis)


class TimerContext(Conversation):
    """A timer that has run out. ``name`` and ``data`` are those of `Bot.start_timer`; ``due``: its time."""

    def __init__(
        self, bot: Bot, peer: str, person: Person, turn: Turn, name: str, data: Any, due: datetime
    ) -> None:
        super().__init__(bot, peer, person, turn)
        self.name = name
        self.data = data
        self.due = due
