"""Which handler a message gets: commands go by their name, others by their filters, in their order."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

from kith.client.bot.arguments import Misuse, Signature
from kith.client.bot.context import Context
from kith.client.bot.filters import Condition
from kith.client.bot.person import step_name

Handler = Callable[[Context], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its names, the first of which is shown in the help, and what it does."""

    names: tuple[str, ...]
    function: Callable[..., Awaitable[object]]
    signature: Signature
    help: str
    conditions: tuple[Condition, ...] = ()
    hidden: bool = False

    def usage(self, prefix: str) -> str:
        """How to write it: ``/add A B``."""
        return f"{prefix}{self.names[0]} {self.signature.usage}".rstrip()


@dataclass(slots=True)
class Router:
    """The handlers of a bot. ``prefix``: what commands begin with."""

    prefix: str
    commands: dict[str, Command] = field(default_factory=dict)
    _handlers: list[tuple[tuple[Condition, ...], Handler]] = field(default_factory=list)

    def add_command(self, command: Command) -> None:
        """Adds a command. Raises ValueError if one of its names is taken, or can't be one."""
        for name in command.names:
            if not name or name.split() != [name]:
                raise ValueError(f"{name!r} can't be the name of a command")
            if name.casefold() in self.commands:
                raise ValueError(f"there is a command {name!r} already")
        for name in command.names:
            self.commands[name.casefold()] = command

    def add_handler(self, handler: Handler, conditions: tuple[Condition, ...]) -> None:
        """Adds a handler for messages of which all conditions are true."""
        self._handlers.append((conditions, handler))

    async def handle(self, context: Context) -> bool:
        """Calls the handler that is for the message. Returns whether there is one."""
        command = self._command(context)
        if command is not None:
            try:
                positional, keywords = command.signature.parse(context.arguments)
            except Misuse as error:
                await context.reply(f"{error}\nUsage: {command.usage(self.prefix)}")
                return True
            await command.function(context, *positional, **keywords)
            return True
        for conditions, handler in self._handlers:
            if all(condition(context) for condition in conditions):
                await handler(context)
                return True
        return False

    def _command(self, context: Context) -> Command | None:
        body = context.body.strip()
        if not body.startswith(self.prefix):
            return None
        name, _, rest = body[len(self.prefix) :].partition(" ")
        head, line, more = name.partition("\n")
        command = self.commands.get(head.casefold())
        if command is None or not all(condition(context) for condition in command.conditions):
            return None
        context.arguments = (more + " " + rest if line else rest).strip()
        return command

    def help(self) -> str:
        """A list of all commands, with what they do."""
        shown = dict.fromkeys(command for command in self.commands.values() if not command.hidden)
        return "\n".join(
            f"{command.usage(self.prefix)} – {command.help}" if command.help else command.usage(self.prefix)
            for command in shown
        )


def command_of(
    function: Callable[..., Awaitable[object]],
    names: tuple[str, ...],
    help: str | None,
    conditions: tuple[Condition, ...],
    hidden: bool,
) -> Command:
    """A command that a function is; by default with its name, and the first line of its docstring as help."""
    text = help if help is not None else (inspect.getdoc(function) or "").partition("\n")[0]
    return Command(
        names or (function.__name__.rstrip("_").replace("_", "-"),),
        function,
        Signature(function),
        text,
        conditions,
        hidden,
    )


def at_step(step: str | Enum) -> Condition:
    """Whether the person is at a step of a dialogue."""
    name = step_name(step)
    return lambda context: context.person.step == name


__all__ = ["Command", "Handler", "Router", "at_step", "command_of"]
