"""The dialogs: help, a new chat, and questions."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from kith.client.addresses import bare
from kith.terminal import one_line, safe

KEYS = (
    ("Enter", "send the message, or open the chat"),
    ("Ctrl+J", "new line (Alt+Enter and Shift+Enter too)"),
    ("↑ ↓", "earlier texts of yours, in an empty field"),
    ("F2", "write in $EDITOR"),
    ("Ctrl+↑", "pick a message with ↑ and ↓, and then"),
    ("", "R reply, E edit, D delete, X react, C copy"),
    ("", "S save its file, O open it"),
    ("", "V vote in a poll, or close it"),
    ("Ctrl+F", "send a file"),
    ("Ctrl+N", "new chat"),
    ("F5", "new group"),
    ("F4", "the group: members, admins, name, leave"),
    ("@ Tab", "mention a member of the group"),
    ("Ctrl+S", "search chats and messages"),
    ("Ctrl+G", "fingerprints: compare and verify keys"),
    ("Ctrl+O", "encryption of this chat on or off"),
    ("Ctrl+R", "send again what failed, or reconnect"),
    ("Ctrl+T", "light or dark"),
    ("F3", "another account"),
    ("Alt+↑ Alt+↓", "previous and next chat"),
    ("Tab", "from field to field"),
    ("PgUp PgDn", "scroll the conversation"),
    ("Esc", "back to the chat list"),
    ("F1", "this help"),
    ("Ctrl+Q", "leave"),
)

MARKS = "◷ waits   ✓ sent   ✓✓ delivered   ✓✓ read   ✗ not sent"


class Help(ModalScreen[None]):
    """Lists the keys, and explains the marks of messages."""

    BINDINGS = [Binding("escape,f1,q,enter", "dismiss", "Close")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        keys = "\n".join(f"[b]{key:<13}[/b] {what}" for key, what in KEYS)
        with VerticalScroll(classes="dialog"):
            yield Static("[b]Keys[/b]", classes="title")
            yield Static(keys)
            yield Static(f"\n{MARKS}")
            yield Static(
                "\nMessages are end-to-end encrypted (OMEMO): no server can read them. "
                "Compare fingerprints once with those who matter, best face to face.",
                classes="muted",
            )
            yield Static("\nEsc closes", classes="muted")


class NewChat(ModalScreen[tuple[str, str] | None]):
    """Asks for an address and a name. Dismissed with (address, name), or None."""

    BINDINGS = [Binding("escape", "dismiss(None)", "Cancel")]  # noqa: RUF012

    def __init__(self, domain: str) -> None:
        super().__init__()
        self._domain = domain

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("[b]New chat[/b]", classes="title")
            yield Input(placeholder=f"Address, like ben@{self._domain}", id="address", compact=True)
            yield Input(placeholder="Name (optional)", id="name", compact=True)
            yield Static("", id="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Start", id="start", variant="primary", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def _start(self) -> None:
        address = self.query_one("#address", Input).value.strip()
        if address and "@" not in address:
            address = f"{address}@{self._domain}"
        try:
            self.dismiss((bare(address), self.query_one("#name", Input).value.strip()))
        except ValueError as error:
            self.query_one("#problem", Static).update(safe(str(error)))

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)


class Accounts(ModalScreen[str | None]):
    """Asks which account to change to. Dismissed with its address, or None."""

    BINDINGS = [Binding("escape", "dismiss(None)", "Cancel")]  # noqa: RUF012

    def __init__(self, own: str, others: Sequence[str]) -> None:
        super().__init__()
        self._own = own
        self._others = list(others)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("[b]Change the account[/b]", classes="title")
            yield Static(f"You are {one_line(self._own)}.", classes="muted", markup=False)
            if self._others:
                options = [Option(Text(one_line(jid)), id=jid) for jid in self._others]
                yield OptionList(*options, id="accounts", compact=True)
            else:
                yield Static("There is no other account here yet.")
            yield Static("\nkith chat --jid ADDRESS adds another one.\nEsc closes", classes="muted")

    def on_mount(self) -> None:
        for options in self.query(OptionList):
            options.focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)


class Question(ModalScreen[bool]):
    """A question with two buttons. Dismissed with True for the first one; the other is the default."""

    BINDINGS = [Binding("escape", "dismiss(False)", "No")]  # noqa: RUF012

    def __init__(self, title: str, text: str, yes: str, no: str = "Cancel") -> None:
        super().__init__()
        self._words = (title, text, yes, no)

    def compose(self) -> ComposeResult:
        title, text, yes, no = self._words
        with Vertical(classes="dialog"):
            yield Static(one_line(title), classes="title", markup=False)
            yield Static(safe(text), markup=False)
            with Horizontal(classes="buttons"):
                yield Button(no, id="no", variant="primary", compact=True)
                yield Button(yes, id="yes", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no", Button).focus()

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")
