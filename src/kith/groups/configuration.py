"""The configuration of a group as a form (XEP-0045 §10.1, §10.2 and §16.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import msgspec

from kith.features.forms import Field, Form, build_form, from_boolean, to_boolean
from kith.groups.config import ADMINS, MEMBERS, Config
from kith.groups.names import GROUPS, MUC_OWNER, ROOM_CONFIG
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.ns import tag

QUERY = tag(MUC_OWNER, "query")
#: How long texts may be, in characters.
LONGEST = {"name": 200, "description": 2000, "language": 35, "password": 200}
#: After how many seconds messages may disappear at most.
MAX_EXPIRE = 366 * 24 * 3600
_ROLES = ("moderator", "participant", "visitor")


class _Option(NamedTuple):
    """A field of the form: its variable, the field of `Config`, its type, how it is shown and read."""

    var: str
    name: str
    type: str
    label: str
    show: Callable[[Any], Sequence[str]]
    read: Callable[[Sequence[str]], Any]
    options: Sequence[str] = ()


def _text(name: str) -> Callable[[Sequence[str]], str]:
    def read(values: Sequence[str]) -> str:
        text = "\n".join(values).strip()
        if len(text) > LONGEST[name]:
            raise ValueError(f"{name} has at most {LONGEST[name]} characters")
        return text

    return read


def _flag(values: Sequence[str]) -> bool:
    return to_boolean(values[0]) if values else False


def _one_of(*options: str) -> Callable[[Sequence[str]], str]:
    def read(values: Sequence[str]) -> str:
        if len(values) != 1 or values[0] not in options:
            raise ValueError(f"one of {', '.join(options)}")
        return values[0]

    return read


def _seconds(values: Sequence[str]) -> int:
    seconds = natural(values[0]) if values and values[0] else 0
    if seconds > MAX_EXPIRE:
        raise ValueError("at most a year")
    return seconds


def _occupants(values: Sequence[str]) -> int:
    return natural(values[0]) if values and values[0] not in ("", "none") else 0


def _roles(values: Sequence[str]) -> tuple[str, ...]:
    if not set(values) <= set(_ROLES):
        raise ValueError("no such role")
    return tuple(values)


def _single(value: Any) -> Sequence[str]:
    return (str(value),) if value != "" else ()


def _boolean(value: bool) -> Sequence[str]:
    return (from_boolean(value),)


def _option(var: str, name: str, label: str) -> _Option:
    return _Option(var, name, "boolean", label, _boolean, _flag)


_CONFIG = "muc#roomconfig_"
_OPTIONS = (
    _Option(f"{_CONFIG}roomname", "name", "text-single", "Name", _single, _text("name")),
    _Option(f"{_CONFIG}roomdesc", "description", "text-single", "Description", _single, _text("description")),
    _Option(f"{_CONFIG}lang", "language", "text-single", "Language", _single, _text("language")),
    _option(f"{_CONFIG}persistentroom", "persistent", "Keep it when the last occupant leaves"),
    _option(f"{_CONFIG}publicroom", "public", "List it"),
    _option(f"{_CONFIG}membersonly", "members_only", "Only members may enter"),
    _option(f"{_CONFIG}moderatedroom", "moderated", "Only those with voice may write"),
    _option(f"{_CONFIG}enablearchiving", "archive", "Keep messages"),
    _Option(
        f"{_CONFIG}whois",
        "anonymous",
        "list-single",
        "Who sees addresses",
        lambda value: ("moderators" if value else "anyone",),
        lambda values: _one_of("moderators", "anyone")(values) == "moderators",
        ("moderators", "anyone"),
    ),
    _Option(
        f"{_CONFIG}allowinvites",
        "invite",
        "boolean",
        "Members may add people",
        lambda value: _boolean(value == MEMBERS),
        lambda values: MEMBERS if _flag(values) else ADMINS,
    ),
    _Option(
        f"{_CONFIG}changesubject",
        "change",
        "boolean",
        "Members may change the subject",
        lambda value: _boolean(value == MEMBERS),
        lambda values: MEMBERS if _flag(values) else ADMINS,
    ),
    _Option(
        f"{_CONFIG}allowpm",
        "private_messages",
        "list-single",
        "Who may send private messages",
        _single,
        _one_of("anyone", "participants", "moderators", "none"),
        ("anyone", "participants", "moderators", "none"),
    ),
    _Option(
        f"{_CONFIG}presencebroadcast",
        "announced",
        "list-multi",
        "Whose coming and going is shown",
        lambda value: value,
        _roles,
        _ROLES,
    ),
    _Option(
        f"{_CONFIG}maxusers",
        "max_occupants",
        "text-single",
        "The greatest number of occupants (0: no limit)",
        _single,
        _occupants,
    ),
    _Option(f"{_CONFIG}roomsecret", "password", "text-private", "Password", _single, _text("password")),
    _option(f"{{{GROUPS}}}announce", "announce", "Only admins may write"),
    _option(f"{{{GROUPS}}}requests", "requests", "People may ask to become members"),
    _option(f"{{{GROUPS}}}approve", "approve", "Admins approve who comes with a link"),
    _option(f"{{{GROUPS}}}history", "history", "New members see what was said before"),
    _Option(
        f"{{{GROUPS}}}expire",
        "expire",
        "text-single",
        "After how many seconds messages disappear (0: never)",
        _single,
        _seconds,
    ),
)
_PROTECTED = f"{_CONFIG}passwordprotectedroom"
_KNOWN = {option.var: option for option in _OPTIONS}


def form_of(config: Config) -> Element:
    """The form to be filled in, with the present values."""
    fields = [
        Field(
            option.var,
            tuple(option.show(getattr(config, option.name))),
            option.type,
            option.label,
            option.options,
        )
        for option in _OPTIONS
    ]
    fields.append(Field(_PROTECTED, (from_boolean(bool(config.password)),), "boolean", "It needs a password"))
    return build_form("form", ROOM_CONFIG, fields, "Configuration of the group")


def changed(config: Config, form: Form) -> Config:
    """The configuration as a submitted form changes it; what the form leaves out stays.

    Raises StanzaError.
    """
    new: dict[str, Any] = {}
    for var, values in form.values.items():
        option = _KNOWN.get(var)
        if option is None:
            continue  # such as fields of other servers, which clients may send
        try:
            new[option.name] = option.read(values)
        except ValueError as error:
            raise StanzaError("not-acceptable", f"{var}: {error}") from None
    if _PROTECTED in form.values:
        try:
            protected = _flag(form.values[_PROTECTED])
        except ValueError:
            raise StanzaError("not-acceptable", _PROTECTED) from None
        if not protected:
            new["password"] = ""
        elif not new.get("password", config.password):
            raise StanzaError("not-acceptable", "a password is missing")
    return msgspec.structs.replace(config, **new)
