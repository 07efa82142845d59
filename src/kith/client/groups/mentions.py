"""Finds the members that a text mentions: ``@name`` for one, ``@all`` for everybody."""

from __future__ import annotations

import re

from kith.client.groups.values import Group, Member, Mention

#: What mentions everybody.
ALL = ("all", "everyone")


def find_mentions(text: str, group: Group) -> tuple[Mention, ...]:
    """The mentions in a text. Of names that begin alike, the longest that fits is meant."""
    names = sorted(names_of(group), key=lambda one: len(one[0]), reverse=True)
    found = []
    for at in re.finditer(r"(?<!\w)@", text):
        start = at.end()
        for name, jid in names:
            end = start + len(name)
            if text[start:end].casefold() == name.casefold() and not text[end : end + 1].isalnum():
                found.append(Mention(start - 1, end, jid))
                break
    return tuple(found)


def names_of(group: Group) -> list[tuple[str, str]]:
    """What can be mentioned, as (name, address); the address is empty for everybody."""
    found = [(member.nick or member.jid.partition("@")[0], member.jid) for member in _present(group)]
    return [*found, *((name, "") for name in ALL)]


def _present(group: Group) -> list[Member]:
    return [member for member in group.members if member.belongs]


def completions(prefix: str, group: Group, own: str) -> list[str]:
    """The names that begin with what was written after the ``@``."""
    names = [name for name, jid in names_of(group) if jid != own]
    return [name for name in names if name.casefold().startswith(prefix.casefold())]
