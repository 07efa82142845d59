"""Converts single values of settings: from text, to text, and msgspec's errors to words for the operator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

_SWITCH = {"on": True, "true": True, "yes": True, "1": True} | dict.fromkeys(
    ("off", "false", "no", "0"), False
)
#: msgspec's names of types, and what a person calls them.
_TYPES = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`bool`": "true or false",
    "`str`": "text in quotes",
    "`array`": "a list",
    "`object`": "a table",
    "`path | null`": "a path in quotes",
    "`path`": "a path in quotes",
}


def from_text(text: str, default: object, kind: object = None) -> Any:
    """Converts the text of an environment variable to the type of the setting's ``default``.

    Lists are separated by commas, dicts are ``name=value`` separated by commas; lists and dicts of anything
    but text can also be JSON. ``kind`` is the setting's type hint, which says what a dict holds. Text that
    can't be converted is returned as it is, for the check of types to refuse it.
    """
    if isinstance(default, (dict, list)) and text.lstrip().startswith(("[{", "{", "[]")):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    if isinstance(default, bool):
        return _SWITCH.get(text.lower(), text)
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            return text
    if isinstance(default, dict):
        parts = [part.partition("=") for part in text.split(",") if part.strip()]
        number = _number_of(kind)
        return {name.strip(): _as_number(value.strip(), number) for name, _, value in parts}
    if isinstance(default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _number_of(kind: object) -> type[int] | type[float] | None:
    """The type of the numbers in a dict; None if it holds no numbers."""
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    _, value = get_args(inner) or (None, None)
    plain = get_args(value)[0] if get_origin(value) is Annotated else value
    return plain if plain in (int, float) else None


def _as_number(text: str, number: type[int] | type[float] | None) -> object:
    """Text as a number of a type, or as it is if it is none."""
    try:
        return number(text) if number is not None else text
    except ValueError:
        return text


def to_text(value: object) -> str:
    """A default as documents and help texts show it. Of dicts only the names, since values may be secret."""
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:g}"
        case list() | dict():
            return ",".join(value)
    return str(value)


def as_path(kind: type, value: object) -> object:
    """msgspec's hook for types it does not know: makes a Path of a string, with ``~`` expanded."""
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise msgspec.ValidationError(f"Expected `{kind.__name__.lower()}`")


def reason(struct: type, name: str, error: str) -> str:
    """What msgspec says of the field ``name`` of a struct, in words for the operator."""
    place = error.partition(" - at `$.")[2].rstrip("`").replace("[...]", "")
    if error.startswith("Invalid enum value") and place == name:
        hint = get_type_hints(struct, include_extras=True)[name]
        return "expected one of " + ", ".join(get_args(get_args(hint)[0]))
    text = error.partition(" - at")[0].partition(", got")[0].lower()
    for word, plain in _TYPES.items():
        text = text.replace(word, plain)
    text = text.replace(" >= ", " of at least ").replace(" <= ", " of at most ").replace(" > ", " above ")
    return text if place in ("", name) else f"{text}, in {place}"
