"""Ad-hoc commands as a client runs them (XEP-0050)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from tests.raw import RawClient, condition

ADMIN = "http://jabber.org/protocol/admin"
COMMANDS = "http://jabber.org/protocol/commands"
C, X = f"{{{COMMANDS}}}", "{jabber:x:data}"


def command(node: str, inside: str = "", **attrs: str) -> str:
    """``node`` is one of XEP-0133, or any with its namespace."""
    node = node if ":" in node else f"{ADMIN}#{node}"
    more = "".join(f" {name}='{value}'" for name, value in attrs.items())
    return f"<command xmlns='{COMMANDS}' node='{node}'{more}>{inside}</command>"


def submit(type: str = "submit", **fields: str | list[str]) -> str:
    """A form filled in; ``_`` stands for ``-`` where a name of XEP-0133 has that."""
    inner = ""
    for name, given in fields.items():
        texts = [given] if isinstance(given, str) else given
        name = name if name == "max_items" else name.replace("_", "-")
        inner += f"<field var='{name}'>" + "".join(f"<value>{t}</value>" for t in texts) + "</field>"
    return f"<x xmlns='jabber:x:data' type='{type}'>{inner}</x>"


async def begin(client: RawClient, node: str, to: str = "localhost") -> Element:
    """The answer with the form."""
    first = await client.iq("set", command(node), to)
    assert first.get("type") == "result", condition(first)
    assert first[0].get("status") == "executing"
    return first


async def do(client: RawClient, node: str, type: str = "submit", **fields: str | list[str]) -> Element:
    """Gets the form and sends it back filled in."""
    session = (await begin(client, node))[0].get("sessionid", "")
    return await client.iq("set", command(node, submit(type, **fields), sessionid=session), "localhost")


def note(answer: Element) -> str:
    assert answer.get("type") == "result", condition(answer)
    assert answer[0].get("status") == "completed"
    return answer[0].findtext(f"{C}note") or ""


def values(answer: Element, var: str) -> list[str | None]:
    """The values of a field of the result."""
    assert answer.get("type") == "result", condition(answer)
    fields = [f for f in answer.iter(f"{X}field") if f.get("var") == var]
    return [value.text for value in fields[0]]
