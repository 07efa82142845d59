"""XEP-0050: Ad-Hoc Commands. A client shows a form, and the server runs the command with its values.

This file runs commands; other features define them, see `Command`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.features.disco import Identity, feature, identity, item
from kith.features.forms import FORM_TYPE, Field, build_form, find_form
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

COMMAND = ns.tag(ns.COMMANDS, "command")
_NOTE, _ACTIONS, _COMPLETE = (ns.tag(ns.COMMANDS, name) for name in ("note", "actions", "complete"))
#: Limits of forms being filled in: by all accounts, by one account, and for how many seconds.
MAX_OPEN = 1000
MAX_OWN = 20
PATIENCE = 900.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a command: a line for people, fields of a result form, and further elements."""

    note: str = ""
    fields: Sequence[Field] = ()
    inside: Sequence[Element] = ()


Values = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command. ``fields``: the form that is shown first, if there are any.

    ``allowed``: tells for a bare address whether it may use the command. ``run``: called with the values by
    field and the bare address of the user; may raise StanzaError.
    """

    node: str
    name: str
    allowed: Callable[[str], bool]
    run: Callable[[Values, str], Awaitable[Outcome]]
    form_type: str = ""
    fields: Sequence[Field] = field(default_factory=tuple)


class _Open(NamedTuple):
    node: str
    asker: JID
    until: float


class Commands(Feature):
    """The commands of the server. Other features add theirs when they start."""

    server_disco = (ns.COMMANDS,)

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness
        self._commands: dict[str, Command] = {}
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def add(self, command: Command) -> None:
        self._commands[command.node] = command

    @handles_iq("set", ns.COMMANDS, "command", to="server")
    async def execute(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        element = iq.child(COMMAND)
        assert element is not None
        node, action = element.get("node", ""), element.get("action", "execute")
        command = self._commands.get(node)
        if command is None:
            raise StanzaError("item-not-found")
        if not command.allowed(sender.bare):
            raise StanzaError("forbidden")
        if action not in ("execute", "complete", "next", "prev", "cancel"):
            raise _bad("malformed-action")
        if action in ("next", "prev"):
            raise _bad("bad-action")  # there is only one form, so no previous or next one
        session = element.get("sessionid", "")
        if not session:
            if action == "cancel":
                raise _bad("bad-sessionid")
            return (await self._begin(command, sender),)
        self._end(session, node, sender.jid)
        if action == "cancel":
            return (_answer(node, session, "canceled"),)
        form = find_form(element)
        if form is None or form.type not in ("submit", "cancel"):  # §3.6.1: both are an answer
            raise _bad("bad-payload")
        return (await self._finish(command, session, form.values, sender),)

    async def _begin(self, command: Command, sender: Sender) -> Element:
        session = self._randomness.token(12)
        if not command.fields:
            return await self._finish(command, session, {}, sender)
        self._open[session] = _Open(command.node, sender.jid, self._clock.steady() + PATIENCE)
        own = [id for id, other in self._open.items() if other.asker.bare == sender.bare]
        for id in own[: max(0, len(own) - MAX_OWN)]:
            del self._open[id]
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        answer = _answer(command.node, session, "executing")
        SubElement(SubElement(answer, _ACTIONS, {"execute": "complete"}), _COMPLETE)
        answer.append(build_form("form", command.form_type, command.fields, command.name))
        return answer

    def _end(self, session: str, node: str, asker: JID) -> None:
        found = self._open.get(session)
        if found is None or (found.node, found.asker) != (node, asker):
            raise _bad("bad-sessionid")
        del self._open[session]
        if found.until < self._clock.steady():
            raise _bad("session-expired", "not-allowed")

    async def _finish(self, command: Command, session: str, values: Values, sender: Sender) -> Element:
        missing = [
            field.var for field in command.fields if field.required and not any(values.get(field.var, ()))
        ]
        if missing:
            raise _bad("bad-payload", text=f"{missing[0]} is missing")
        known = {item.var for item in command.fields}
        given = {name: list(value) for name, value in values.items() if name in known and name != FORM_TYPE}
        outcome = await command.run(given, sender.bare)
        answer = _answer(command.node, session, "completed")
        if outcome.note:
            SubElement(answer, _NOTE, {"type": "info"}).text = outcome.note
        if outcome.fields:
            form = build_form("result", command.form_type, outcome.fields)
            form.extend(outcome.inside)
            answer.append(form)
        return answer

    # -- discovery -------------------------------------------------------------------------------

    def _allowed(self, asker: str) -> list[Command]:
        return [command for command in self._commands.values() if command.allowed(asker)]

    async def node_info(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        """Answers disco#info about a command (XEP-0050 §3.1)."""
        if to.local:
            return None
        if node == ns.COMMANDS:
            return (identity(Identity("automation", "command-list", "Commands")), feature(ns.COMMANDS))
        command = self._commands.get(node)
        if command is None or not command.allowed(sender.bare):
            return None
        kind = identity(Identity("automation", "command-node", command.name))
        return (kind, feature(ns.COMMANDS), feature(ns.DATA_FORM))

    async def node_items(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        if to.local or node != ns.COMMANDS:
            return None
        return [item(to.bare, command.node, command.name) for command in self._allowed(sender.bare)]


def _answer(node: str, session: str, status: str) -> Element:
    return Element(COMMAND, {"node": node, "sessionid": session, "status": status})


def _bad(condition: str, kind: str = "bad-request", text: str = "") -> StanzaError:
    """Makes an error of XEP-0050 §4.4."""
    return StanzaError(kind, text, application=Element(ns.tag(ns.COMMANDS, condition)))
