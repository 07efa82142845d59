"""Warnings and questions above a conversation: message requests, and new keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message as Posted
from textual.widgets import Button, Static

from kith.client.message import Chat
from kith.client.tui import words
from kith.terminal import safe


class Banner(Vertical):
    """A text with buttons below it. Posts `Answered`."""

    class Answered(Posted):
        """The user pressed a button. ``answer`` is its id."""

        def __init__(self, kind: str, answer: str) -> None:
            super().__init__()
            self.kind = kind
            self.answer = answer

    def __init__(self, kind: str, text: str, answers: Sequence[tuple[str, str]]) -> None:
        """``kind`` comes back in `Answered`. ``answers``: (id, label) of the buttons."""
        super().__init__(classes="banner")
        self._kind = kind
        self._text = text
        self._answers = answers

    def compose(self) -> ComposeResult:
        yield Static(safe(self._text), markup=False)
        with Horizontal(classes="answers"):
            for id, label in self._answers:
                yield Button(label, id=id, compact=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.Answered(self._kind, event.button.id or ""))


def banners_for(chat: Chat, asks: bool) -> Iterator[Banner]:
    """The banners of a chat. ``asks``: the peer asks to be a contact."""
    if chat.group is not None and chat.group.invited:
        yield Banner(
            f"invitation {chat.peer}",
            f"You are invited to the group {words.name(chat)}.",
            (("join", "Join"), ("decline", "Decline")),
        )
    elif chat.group is not None and not chat.group.belongs:
        yield Banner(f"left {chat.peer}", "You are not in this group any more, and can't write to it.", ())
    elif not chat.accepted or asks:
        yield Banner(
            f"request {chat.peer}",
            f"{words.name(chat)} is not a contact of yours. If you accept, they see when you "
            "are online, what you have read, and your profile.",
            (("accept", "Accept"), ("block", "Block"), ("report", "Block and report")),
        )
    if chat.encrypted_again:
        yield Banner(
            "encrypted",
            f"🔒 {words.name(chat)} can read encrypted messages now. This chat is encrypted again.",
            (("seen", "Understood"),),
        )
    if chat.keys_changed:
        yield Banner(
            "keys",
            f"⚠ {words.name(chat)} has new keys: a new device, or somebody else. Compare them.",
            (("compare", "Compare"), ("seen", "Understood")),
        )
