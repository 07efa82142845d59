"""The bot: registers handlers, and runs them for the messages that come."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from kith.client.bot import person
from kith.client.bot.context import Context, Conversation, TimerContext
from kith.client.bot.handled import Handled
from kith.client.bot.handlers import Handlers
from kith.client.bot.queues import Queues, Turn
from kith.client.bot.timers import DueTimer, Timers, seconds
from kith.client.client import Client
from kith.client.errors import ClientError, GaveUp, NotOpen
from kith.client.message import Message

_log = logging.getLogger(__name__)
#: How many messages may wait in memory, by their rows alone, so that no single person can hold up the others.
_READ_AHEAD = 100_000
_MAX_ATTEMPTS = 3


class Bot(Handlers):
    """A bot on a `Client`. Takes a client that is not open, or the arguments of one.

    ``prefix``: what commands begin with. ``apology``: what a person is told whose message could not be
    handled because of an error; by default nothing. ``now``: the clock of timers, in seconds since 1970;
    tests may give another one.

    Handlers are coroutine functions. They get a `Context`, run in the order of each person's messages, and
    beside those of others. What they raise is given to `on_error`, and the message counts as handled.
    """

    def __init__(
        self,
        client: Client | str,
        password: str | None = None,
        *,
        prefix: str = "/",
        apology: str | None = None,
        now: Callable[[], float] = time.time,
        **settings: Any,
    ) -> None:
        if isinstance(client, str):
            settings.setdefault("auto_accept", True)
            client = Client(client, password, **settings)
        elif password is not None or settings:
            raise TypeError("give the settings to the client")
        super().__init__(prefix)
        self.client = client
        self._apology = apology
        self._now = now
        self._open_timers: Timers | None = None
        self._full = False
        """Whether so much waits that nothing more is read."""
        self.command("help", hidden=True)(self._help)

    # timers

    @property
    def _timers(self) -> Timers:
        if self._open_timers is None:
            raise NotOpen("The bot does not run yet: start timers in a handler, or in one of on_start.")
        return self._open_timers

    async def start_timer(
        self,
        name: str,
        *,
        after: float | timedelta | None = None,
        at: datetime | None = None,
        every: float | timedelta | None = None,
        peer: str = "",
        data: Any = None,
    ) -> None:
        """Starts a timer, which also runs out if the bot is restarted meanwhile.

        ``after`` (seconds) or ``at`` say when; ``every`` repeats it. Its handler (`timer`) gets ``peer`` and
        ``data``, which JSON has to be able to hold. There is one timer for each name and peer: another one
        replaces it. What was missed while the bot was not running is made up for once. Raises ValueError.
        """
        if (after is None) == (at is None) and every is None:
            raise ValueError("say after or at")
        if every is not None and seconds(every) <= 0:
            raise ValueError("every has to be more than nothing")
        now = self._now()
        wait = after if after is not None else every or 0
        due = now + seconds(wait) if at is None else at.timestamp()
        self._timers.start(name, peer, data, due, None if every is None else seconds(every))
        await self.client._db.flush()

    def cancel_timer(self, name: str, peer: str = "") -> bool:
        """Ends a timer. Returns whether there was one."""
        return self._timers.cancel(name, peer)

    def person(self, peer: str) -> person.Person:
        """What is remembered about a person, to read. Handlers change it by `Context.person`."""
        return person.load(self.client._db, peer)

    # running

    def run(self) -> None:
        """Runs the bot until SIGINT (Ctrl-C) or SIGTERM. Raises what entering a `Client` raises."""
        with suppress(KeyboardInterrupt):
            asyncio.run(self._run_with_signals())

    async def _run_with_signals(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        with suppress(NotImplementedError):  # on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with suppress(asyncio.CancelledError):
            await self.start()

    async def start(self) -> None:
        """Opens the client and runs the bot until it is cancelled. Raises what entering a `Client` raises."""
        async with self.client:
            await self.run_until_closed()

    async def run_until_closed(self) -> None:
        """Runs the bot on a client that is open, until that is closed. Raises what the client failed with."""
        db = self.client._db
        timers = self._open_timers = Timers(db, self._now)
        self._handled = Handled(db, self.client._history)
        self._queues = Queues(self._turn, self._skip, self._find, self._on_less)
        for begin in self._on_start:
            await begin()
        listener = self.client.events()
        tasks = [
            asyncio.create_task(timers.run(lambda due: self._queues.put(due.peer, due))),
            asyncio.create_task(self._watch(listener)),
        ]
        tasks[0].add_done_callback(self._on_timers_done)
        try:
            await self._read()
        finally:
            listener.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._queues.close()

    async def _read(self) -> None:
        """Gives new messages to their people's queues."""
        arrived = self.client._arrived
        while self.client.is_open:
            arrived.clear()
            room = _READ_AHEAD - self._queues.size
            self._full = room <= 0
            found = [] if self._full else self._handled.next_messages(min(room, 100))
            for message in found:
                self._queues.put(message.author, message.row)
            for error in (self.client._error, self._queues.error):
                if error is not None:
                    raise error
            if not found:
                await arrived.wait()
            else:
                await asyncio.sleep(0)

    def _find(self, row: int) -> Message | None:
        try:
            message = self.client._history.get(row)
        except KeyError:
            return None
        return None if message.deleted else message

    def _skip(self, rows: list[int]) -> None:
        self._handled.done(rows)
        self.client._db.commit()

    def _on_less(self) -> None:
        if self._full or self._queues.error is not None:
            self.client._arrived.set()

    def _on_timers_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._queues.error = task.exception()
            self.client._arrived.set()

    async def _watch(self, listener: Any) -> None:
        async for event in listener:
            for kind, handler in self._events:
                if isinstance(event, kind):
                    try:
                        await handler(event)
                    except Exception:
                        _log.exception("the handler of %s has failed", type(event).__name__)

    # handling

    async def _turn(self, turn: Turn) -> None:
        """Handles one message or timer, whatever comes of it. What it has changed is stored at the end."""
        work = turn.work
        who = person.load(self.client._db, work.author if isinstance(work, Message) else work.peer)
        context: Conversation
        if isinstance(work, Message):
            context = Context(self, work, who, turn)
            attempts = self._handled.attempt(work)
        else:
            context = TimerContext(self, work.peer, who, turn, work.name, work.data, work.due_time)
            attempts = self._timers.attempt(work)
            if attempts == 0:
                self._timers.done(work)  # it was cancelled while it waited
                return
        try:
            if attempts > _MAX_ATTEMPTS:
                raise GaveUp("The program has ended three times while this was handled.")
            await self._handle(context)
            person.save(self.client._db, who)
        except asyncio.CancelledError:
            self._unattempt(work)
            raise
        except Exception as error:
            await self._failed(context, error)
        if isinstance(work, DueTimer):
            self._timers.done(work)
        self._handled.done(turn.rows)
        self.client._db.commit()

    async def _handle(self, context: Conversation) -> None:
        if isinstance(context, Context):
            await self._router.handle(context)
        elif isinstance(context, TimerContext):
            handler = self._timer_handlers.get(context.name)
            if handler is None:
                raise LookupError(f"there is no handler for the timer {context.name!r}")
            await handler(context)

    def _unattempt(self, work: Message | DueTimer) -> None:
        with suppress(ClientError):  # the client was closed before: then the attempt counts
            if isinstance(work, DueTimer):
                self._timers.unattempt(work)
            else:
                self._handled.unattempt(work)

    async def _failed(self, context: Conversation, error: Exception) -> None:
        try:
            if self._on_error is not None:
                await self._on_error(context, error)
            else:
                _log.error("a message in %s could not be handled", context.peer, exc_info=error)
            if self._apology is not None and isinstance(context, Context):
                await context.reply(self._apology)
        except Exception:
            _log.exception("an error could not be handled either: %r", error)

    async def _help(self, context: Context) -> None:
        await context.reply(self._router.help() or "There are no commands.")
