"""Filters: which messages a handler is for. They are combined with ``&``, ``|`` and ``~``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from kith.client.addresses import bare
from kith.client.media.values import MediaKind

if TYPE_CHECKING:
    from kith.client.bot.context import Context

#: Whatever tells of a message whether a handler is for it.
Condition = Callable[["Context"], bool]


class Filter:
    """A condition that can be combined with others. Wrap a function of your own in it, or use it as it is."""

    __slots__ = ("_condition",)

    def __init__(self, condition: Condition) -> None:
        self._condition = condition

    def __call__(self, context: Context) -> bool:
        return self._condition(context)

    def __and__(self, other: Condition) -> Filter:
        return Filter(lambda context: self(context) and other(context))

    def __or__(self, other: Condition) -> Filter:
        return Filter(lambda context: self(context) or other(context))

    def __invert__(self) -> Filter:
        return Filter(lambda context: not self(context))


def text(*texts: str) -> Filter:
    """The message is one of these texts, whatever the case."""
    wanted = {one.strip().casefold() for one in texts}
    return Filter(lambda context: context.body.strip().casefold() in wanted)


def contains(*words: str) -> Filter:
    """The message contains one of these texts, whatever the case."""
    wanted = [word.casefold() for word in words]
    return Filter(lambda context: any(word in context.body.casefold() for word in wanted))


def regex(pattern: str | re.Pattern[str]) -> Filter:
    """The pattern is found in the message; ``context.match`` is the match."""
    compiled = re.compile(pattern)

    def found(context: Context) -> bool:
        context.match = compiled.search(context.body)
        return context.match is not None

    return Filter(found)


def peers(*addresses: str) -> Filter:
    """The message is from one of these accounts, or in one of these groups. Raises InvalidAddress."""
    wanted = {bare(address) for address in addresses}
    return Filter(lambda context: context.peer in wanted or context.message.author in wanted)


def media(*kinds: MediaKind) -> Filter:
    """The message brings a file, a card or a location; of one of these kinds, if any are given."""

    def found(context: Context) -> bool:
        media = context.message.media
        return media is not None and (not kinds or media.kind in kinds)

    return Filter(found)


#: The message was encrypted.
encrypted = Filter(lambda context: context.message.encrypted)
#: The message was encrypted by a device that is trusted, so nobody else can have written it.
trusted = Filter(lambda context: context.message.trust.sound)
#: The message was written in a group.
group = Filter(lambda context: context.message.group)
#: The message mentions the bot, or everybody.
mentioned = Filter(lambda context: context.message.mentions_me())
#: The message answers another one.
reply = Filter(lambda context: context.message.reply_to is not None)
