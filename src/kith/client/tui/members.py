"""The dialogs about groups: a new one, and the members of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from kith.client.addresses import bare
from kith.client.groups.values import Affiliation, Group, Member
from kith.terminal import NICKNAME, one_line, safe

_ROLES = {Affiliation.OWNER: "owner", Affiliation.ADMIN: "admin"}


def addresses(text: str, domain: str) -> list[str]:
    """The addresses that a person has typed, with commas or spaces between. Raises ValueError."""
    words = text.replace(",", " ").split()
    return list(dict.fromkeys(bare(word if "@" in word else f"{word}@{domain}") for word in words))


class NewGroup(ModalScreen[tuple[str, list[str]] | None]):
    """Asks for the name of a group, and for its members. Dismissed with both, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, domain: str) -> None:
        super().__init__()
        self._domain = domain

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("[b]New group[/b]", classes="title")
            yield Input(placeholder="Name of the group", id="name", compact=True)
            yield Input(placeholder=f"Members, like ben, cyd@{self._domain}", id="people", compact=True)
            yield Static("", id="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Make it", id="make", variant="primary", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    @on(Input.Submitted, "#name")
    def _next(self) -> None:
        self.query_one("#people", Input).focus()

    @on(Input.Submitted, "#people")
    @on(Button.Pressed, "#make")
    def _make(self) -> None:
        name = self.query_one("#name", Input).value.strip()
        try:
            people = addresses(self.query_one("#people", Input).value, self._domain)
        except ValueError as error:
            self.query_one("#problem", Static).update(safe(str(error)))
            return
        if name:
            self.dismiss((name, people))
        else:
            self.query_one("#problem", Static).update("A group needs a name.")

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants of a group: add, remove, admin, member, rename or leave; whom, or what name."""

    what: str
    people: tuple[str, ...] = ()
    name: str = ""


class Members(ModalScreen[Wish | None]):
    """Lists the members of a group with their roles. Dismissed with what the user wants, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("a", "ask('add')", "Add"),
        Binding("n", "ask('rename')", "Name"),
        Binding("m", "role", "Admin or not"),
        Binding("x,delete", "want('remove')", "Remove"),
        Binding("l", "leave", "Leave"),
    ]

    def __init__(self, group: Group, own: str) -> None:
        super().__init__()
        self._group = group
        self._own = own
        self._asking = ""

    def compose(self) -> ComposeResult:
        group, settings = self._group, self._group.settings
        facts = [f"{len(group.members)} members"]
        facts += ["only admins write"] if settings.announce else []
        facts += [f"messages go after {settings.expire // 3600 or 1} h"] if settings.expire else []
        facts += [f"made by {one_line(group.creator)}"] if group.creator else []
        with Vertical(classes="dialog wide"):
            yield Static(one_line(group.title), classes="title", markup=False)
            if group.description:
                yield Static(safe(group.description), markup=False)
            yield Static(", ".join(facts), classes="muted", markup=False)
            yield OptionList(*(self._option(member) for member in group.members), id="members")
            yield Input(id="answer", compact=True)
            yield Static("", id="problem", markup=False)
            yield Static(self._keys(), classes="muted", markup=False)

    def _keys(self) -> str:
        manages = self._group.affiliation.manages
        keys = ["A add"] if self._may(self._group.settings.invite) else []
        keys += ["N name"] if self._may(self._group.settings.change) else []
        keys += ["M admin or not", "X remove"] if manages else []
        return "   ".join([*keys, *(["L leave"] if self._group.belongs else []), "Esc closes"])

    def _may(self, who: str) -> bool:
        return self._group.belongs and (who == "members" or self._group.affiliation.manages)

    def _option(self, member: Member) -> Option:
        line = Table.grid(expand=True, padding=(0, 1, 0, 0))
        line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        line.add_column(justify="right", no_wrap=True)
        muted = self.app.theme_variables["muted"]
        who = Text(one_line(member.nick or member.jid.partition("@")[0], NICKNAME), style="bold")
        who.append(f"  {one_line(member.jid)}" if member.jid != self._own else "  you", style=muted)
        role = "invited" if member.invited else _ROLES.get(member.affiliation, "")
        line.add_row(who, Text(role, style=self.app.theme_variables["secondary"]))
        return Option(line, id=member.jid)

    def on_mount(self) -> None:
        self.query_one("#answer").display = False
        self.query_one(OptionList).focus()

    @property
    def _picked(self) -> Member | None:
        listing = self.query_one(OptionList)
        return None if listing.highlighted is None else self._group.members[listing.highlighted]

    def action_want(self, what: str) -> None:
        member = self._picked
        if member is None or member.jid == self._own or not self._group.affiliation.manages:
            return
        self.dismiss(Wish(what, (member.jid,)))

    def action_role(self) -> None:
        if self._picked is not None:
            self.action_want("member" if self._picked.affiliation.manages else "admin")

    def action_leave(self) -> None:
        if self._group.belongs:
            self.dismiss(Wish("leave"))

    def action_ask(self, what: str) -> None:
        settings = self._group.settings
        if not self._may(settings.invite if what == "add" else settings.change):
            return
        self._asking = what
        answer = self.query_one("#answer", Input)
        answer.placeholder = "Whom to add" if what == "add" else "The new name"
        answer.value = "" if what == "add" else self._group.name
        answer.display = True
        answer.focus()

    def action_close(self) -> None:
        if not self._asking:
            self.dismiss(None)
            return
        self._asking = ""
        self.query_one("#answer").display = False
        self.query_one(OptionList).focus()

    @on(Input.Submitted, "#answer")
    def _answered(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if self._asking == "rename":
            self.dismiss(Wish("rename", name=text))
            return
        try:
            people = addresses(text, self._own.partition("@")[2])
        except ValueError as error:
            self.query_one("#problem", Static).update(safe(str(error)))
            return
        if people:
            self.dismiss(Wish("add", tuple(people)))


def not_added(refused: Sequence[tuple[str, str]]) -> str:
    """Who could not be added, in words."""
    reasons = {"item-not-found": "no such account", "forbidden": "you may not add them"}
    return "Not added: " + ", ".join(
        f"{one_line(jid)} ({reasons.get(why, one_line(why.replace('-', ' ')))})" for jid, why in refused
    )
