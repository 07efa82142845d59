"""What the user does with a picked message: reply, edit, delete, react, copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from kith.client.client import Client
from kith.client.message import Message
from kith.client.references import is_emoji
from kith.client.tui import words
from kith.client.tui.screens import Question

_EMOJIS = ("👍", "❤️", "😂", "😮", "😢", "🙏")


@dataclass(frozen=True, slots=True)
class About:
    """The message that the text in the composer is about: it replies to it, or (``edits``) replaces it."""

    message: Message
    edits: bool

    @property
    def line(self) -> str:
        """What stands above the composer."""
        what = "Editing" if self.edits else "Reply"
        return f"{what} (Esc cancels): {words.preview(self.message)}"


async def send(client: Client, peer: str, body: str, about: About | None) -> None:
    """Sends what was written. Raises what `Client.send` and `Client.edit` raise."""
    if about is None:
        await client.send(peer, body)
    elif about.edits:
        await client.edit(about.message, body)
    else:
        await client.send(peer, body, reply_to=about.message)


async def delete(app: App[Any], client: Client, message: Message) -> None:
    """Deletes a message for everyone, if the user confirms it. Raises NotChangeable."""
    question = Question(
        "Delete this message for everyone?", words.preview(message), "Delete for everyone", "Keep it"
    )
    if await app.push_screen_wait(question):
        await client.delete(message)


async def react(app: App[Any], client: Client, message: Message) -> None:
    """Reacts to a message as the user chooses. Raises NotChangeable, and what `Client.send` raises."""
    chosen = await app.push_screen_wait(Reaction(message.reactions.ours))
    if chosen is not None:
        await client.react(message, *chosen)


class Reaction(ModalScreen[tuple[str, ...] | None]):
    """Asks for an emoji. Dismissed with it, with nothing to take the reaction back, or with None."""

    BINDINGS = [  # noqa: RUF012
        Binding("escape", "dismiss(None)", "Cancel"),
        *(Binding(str(number), f"choose({number})", show=False) for number in range(len(_EMOJIS) + 1)),
    ]

    def __init__(self, ours: tuple[str, ...]) -> None:
        super().__init__()
        self._ours = ours

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("[b]React[/b]", classes="title")
            yield Static("   ".join(f"{number} {emoji}" for number, emoji in enumerate(_EMOJIS, 1)))
            yield Static("0 takes your reaction back" if self._ours else "", classes="muted")
            yield Input(placeholder="or another emoji", id="emoji", compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#cancel", Button).focus()

    def action_choose(self, number: int) -> None:
        self.dismiss((_EMOJIS[number - 1],) if number else ())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if is_emoji(event.value.strip()):
            self.dismiss((event.value.strip(),))
        else:
            self.notify("That is not an emoji.", severity="warning")

    def on_button_pressed(self) -> None:
        self.dismiss(None)
