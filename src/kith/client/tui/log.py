"""The list of messages in a conversation: it scrolls, and one of its messages can be picked."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message as Posted


class Log(VerticalScroll):
    """Posts `Earlier` when the user has scrolled to the top, and what they want of the picked message."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "pick(-1)", "Previous", show=False),
        Binding("down,j", "pick(1)", "Next", show=False),
        Binding("r,enter", "want('reply')", "Reply", id="reply"),
        Binding("e", "want('edit')", "Edit", id="edit"),
        Binding("d,delete", "want('delete')", "Delete", id="delete"),
        Binding("x", "want('react')", "React", id="react"),
        Binding("v", "want('vote')", "Vote", id="vote", show=False),
        Binding("c,y", "want('copy')", "Copy", id="copy"),
        Binding("s", "want('save')", "Save", id="save", show=False),
        Binding("o", "want('open')", "Open", id="open", show=False),
    ]

    class Earlier(Posted):
        """Earlier messages are wanted."""

    class Picked(Posted):
        """Another message is to be picked: the one above (-1) or below (1), or the last one (0)."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    class Wanted(Posted):
        """Something is wanted of the picked message: reply, edit, delete, react, vote, copy, save or open."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        if new <= 0 < old:
            self.post_message(self.Earlier())

    def on_focus(self) -> None:
        self.post_message(self.Picked(0))

    def action_pick(self, step: int) -> None:
        self.post_message(self.Picked(step))

    def action_want(self, what: str) -> None:
        self.post_message(self.Wanted(what))
