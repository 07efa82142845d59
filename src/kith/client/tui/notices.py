"""What changed in a group, in words."""

from __future__ import annotations

from kith.client.groups.values import Affiliation, Change, Group, MemberChange
from kith.terminal import NICKNAME, one_line

_ROLES = {Affiliation.OWNER: "an owner", Affiliation.ADMIN: "an admin", Affiliation.MEMBER: "a member"}


def member_name(group: Group | None, jid: str, own: str = "", you: str = "You") -> str:
    """How to call somebody in a group. ``you``: how to call the user, whose address is ``own``."""
    if jid == own:
        return you
    member = None if group is None else group.member(jid)
    local = jid.partition("/")[2] or jid.partition("@")[0]  # of anonymous groups, only nicknames are known
    return one_line(member.nick if member is not None and member.nick else local, NICKNAME)


def notice(change: Change, group: Group | None, own: str) -> str:
    """The sentences of a notice."""
    by = member_name(group, change.by, own)
    found = []
    if change.destroyed:
        found.append(f"{by} ended the group")
    if change.name is not None:
        name = one_line(change.name)
        found.append(f"{by} named the group “{name}”" if name else f"{by} removed the name of the group")
    if change.description is not None:
        found.append(f"{by} changed the description")
    if change.settings:
        found.append(f"{by} changed the settings of the group")
    if change.avatar:
        found.append(f"{by} changed the picture")
    found += _members(change, group, own, by)
    return "\n".join(found)


def _members(change: Change, group: Group | None, own: str, by: str) -> list[str]:
    """One sentence for each way in which members have changed."""
    kinds: dict[str, list[str]] = {}
    for one in change.members:
        sentence = _sentence(one, change.by, by)
        kinds.setdefault(sentence, []).append(member_name(group, one.jid, own, "you"))
    found = []
    for sentence, names in kinds.items():
        who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        text = sentence.format(who, "have" if len(names) > 1 or who == "you" else "has")
        found.append(f"Y{text[1:]}" if text.startswith("you ") else text)
    return found


def _sentence(one: MemberChange, by: str, name: str) -> str:
    """A sentence with places for the names, and for the verb that fits them."""
    name = name.replace("{", "").replace("}", "")
    themselves = one.jid == by
    if one.moved:
        return "{0} {1} a new address; it was " + one_line(one.moved).replace("{", "").replace("}", "")
    if one.now is Affiliation.OUTCAST:
        return name + " banned {0}"
    if one.was.belongs and not one.now.belongs:
        return "{0} {1} left" if themselves else name + " removed {0}"
    if one.now.belongs and not one.was.belongs:
        if one.invited:
            return name + " invited {0}"
        return "{0} {1} joined" if themselves else name + " added {0}"
    if one.now is one.was:
        nick = one_line(one.nick, NICKNAME).replace("{", "").replace("}", "")
        return "{0} {1} a new nickname: " + nick
    return name + " made {0} " + _ROLES.get(one.now, "something else")
