"""Parses the arguments of a command by the signature of its function."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

#: Opening quotes, and what closes them: phones write curly ones.
_QUOTES = {'"': '"', "\u201c": "\u201d", "\u201e": "\u201c", "\u00ab": "\u00bb"}
_TRUE, _FALSE = {"yes", "true", "on", "1"}, {"no", "false", "off", "0"}


class Misuse(Exception):
    """A command was given wrong arguments. The text says for people what is wrong."""


class Signature:
    """The parameters of a command's function after the context.

    Positional parameters take one word each (or a text in quotes), ``*rest`` all that follow. A keyword-only
    parameter takes the rest of the message as it was written. Annotations convert: str, int, float, bool, an
    Enum by its values, and any other callable that takes a text and raises ValueError.
    """

    __slots__ = ("_parameters", "_types")

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises TypeError if there is more than one keyword-only parameter, or no context."""
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters:
            raise TypeError(f"{function.__name__} needs a parameter for the context")
        self._parameters = parameters[1:]
        whole = [one for one in self._parameters if one.kind is one.KEYWORD_ONLY]
        if len(whole) > 1:
            raise TypeError(f"{function.__name__} has more than one keyword-only parameter")
        self._types = typing.get_type_hints(function)

    @property
    def usage(self) -> str:
        """The parameters as people read them: ``A [B] C…``."""
        return " ".join(map(_shown, self._parameters))

    def parse(self, text: str) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments in a text. Raises Misuse."""
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for parameter in self._parameters:
            convert = self._types.get(parameter.name, str)
            if parameter.kind is parameter.VAR_POSITIONAL:
                while text:
                    word, text = _word(text)
                    positional.append(_converted(word, convert, parameter.name))
            elif parameter.kind is parameter.KEYWORD_ONLY:
                if text:
                    keywords[parameter.name] = _converted(text, convert, parameter.name)
                    text = ""
                elif parameter.default is parameter.empty:
                    raise Misuse(f"{parameter.name} is missing.")
            elif text:
                word, text = _word(text)
                positional.append(_converted(word, convert, parameter.name))
            elif parameter.default is parameter.empty:
                raise Misuse(f"{parameter.name} is missing.")
            else:
                positional.append(parameter.default)
        if text:
            raise Misuse(f"{text!r} is too much.")
        return positional, keywords


def _shown(parameter: inspect.Parameter) -> str:
    name = parameter.name.upper()
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.KEYWORD_ONLY):
        name += "…"
    optional = parameter.default is not parameter.empty or parameter.kind is parameter.VAR_POSITIONAL
    return f"[{name}]" if optional else name


def _word(text: str) -> tuple[str, str]:
    """The first word, or text in quotes, and what follows. Raises Misuse."""
    quote = _QUOTES.get(text[0])
    if quote is None:
        word = text.split(None, 1)[0]
        return word, text[len(word) :].lstrip()
    end = text.find(quote, 1)
    if end < 0:
        raise Misuse(f"A quote is not closed: {text}")
    return text[1:end], text[end + 1 :].lstrip()


def _converted(word: str, convert: Any, name: str) -> Any:
    for one in _alternatives(convert):
        try:
            return _as(word, one)
        except ValueError:
            continue
    raise Misuse(f"{name} can't be {word!r}{_expected(convert)}.")


def _alternatives(convert: Any) -> list[Any]:
    if typing.get_origin(convert) in (typing.Union, types.UnionType):
        return [one for one in typing.get_args(convert) if one is not type(None)]
    return [convert]


def _as(word: str, convert: Any) -> Any:
    if convert is bool:
        if word.casefold() in _TRUE | _FALSE:
            return word.casefold() in _TRUE
        raise ValueError(word)
    if convert in (Any, inspect.Parameter.empty):
        return word
    if isinstance(convert, type) and issubclass(convert, Enum):
        for member in convert:
            if word.casefold() in (str(member.value).casefold(), member.name.casefold()):
                return member
        raise ValueError(word)
    return convert(word)


def _expected(convert: Any) -> str:
    if isinstance(convert, type) and issubclass(convert, Enum):
        return ", only " + ", ".join(str(member.value) for member in convert)
    return {int: ", only a whole number", float: ", only a number", bool: ", only yes or no"}.get(convert, "")
