"""The decorators by which a bot gets its handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, TypeVar, overload

from kith.client.bot.context import Conversation, TimerContext
from kith.client.bot.filters import Condition
from kith.client.bot.routing import Handler, Router, at_step, command_of
from kith.client.events import Event

_E = TypeVar("_E", bound=Event)
_C = TypeVar("_C", bound=Callable[..., Awaitable[object]])
TimerHandler = Callable[[TimerContext], Awaitable[object]]
ErrorHandler = Callable[[Conversation, Exception], Awaitable[object]]


class Handlers:
    """What a bot does, and when. `Bot` is built on it. ``prefix``: what commands begin with."""

    def __init__(self, prefix: str) -> None:
        self._router = Router(prefix)
        self._events: list[tuple[type[Event], Callable[[Any], Awaitable[object]]]] = []
        self._timer_handlers: dict[str, TimerHandler] = {}
        self._on_error: ErrorHandler | None = None
        self._on_start: list[Callable[[], Awaitable[object]]] = []

    @overload
    def on_message(self, handler: Handler, /) -> Handler: ...
    @overload
    def on_message(
        self, *conditions: Condition, step: str | Enum | None = None
    ) -> Callable[[Handler], Handler]: ...

    def on_message(self, *conditions: Any, step: str | Enum | None = None) -> Any:
        """A decorator for handlers of messages that are no command, with filters or without.

        ``step``: only if the person is at this step of a dialogue (`Person.step`). The first handler whose
        conditions are all true gets the message.
        """
        if len(conditions) == 1 and step is None and asyncio.iscoroutinefunction(conditions[0]):
            self._router.add_handler(conditions[0], ())
            return conditions[0]
        steps = () if step is None else (at_step(step),)

        def register(handler: Handler) -> Handler:
            self._router.add_handler(handler, (*steps, *conditions))
            return handler

        return register

    def command(
        self, *names: str, help: str | None = None, when: Condition | None = None, hidden: bool = False
    ) -> Callable[[_C], _C]:
        """A decorator for commands. By default the name is the function's, and the help is the first line of
        its docstring.

        Further parameters of the function are the command's arguments (`kith.client.bot.arguments`).
        ``when``: a filter. ``hidden``: it is not in the answer to ``/help``.
        """

        def register(function: _C) -> _C:
            conditions = () if when is None else (when,)
            if self._router.commands.get("help") is not None and "help" in names:
                del self._router.commands["help"]
            self._router.add_command(command_of(function, names, help, conditions, hidden))
            return function

        return register

    def timer(self, name: str) -> Callable[[TimerHandler], TimerHandler]:
        """A decorator for the handler of timers with a name."""

        def register(handler: TimerHandler) -> TimerHandler:
            self._timer_handlers[name] = handler
            return handler

        return register

    def on(self, kind: type[_E]) -> Callable[[Callable[[_E], Awaitable[object]]], Any]:
        """A decorator for handlers of other events (`kith.client.events`), like `ReactionsChanged`.

        They are called one after the other, and only for what happens while the bot runs.
        """

        def register(handler: Callable[[_E], Awaitable[object]]) -> Any:
            self._events.append((kind, handler))
            return handler

        return register

    def on_start(self, handler: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        """A decorator for what is to be done once the bot is online, before it handles messages."""
        self._on_start.append(handler)
        return handler

    def on_error(self, handler: ErrorHandler) -> ErrorHandler:
        """A decorator for what is to be done when a handler has raised; by default, it is logged."""
        self._on_error = handler
        return handler
