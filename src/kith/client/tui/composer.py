"""The field where messages are written. It has several lines; Enter sends."""

from __future__ import annotations

import re
from collections.abc import Callable

from textual import events
from textual.message import Message as Posted
from textual.timer import Timer
from textual.widgets import TextArea

from kith.terminal import safe

#: Seconds after Enter within which another key means that the text is pasted; more once that is known.
_TYPED, _PASTE_LASTS = 0.03, 0.1
_MAX_INPUT_HISTORY = 100
#: A mention that is being written, up to the cursor.
_MENTION = re.compile(r"(?<!\w)@([^\s@]*)\Z")


class Composer(TextArea):
    """Posts `Sent` on Enter, and `Writing` when text appears or is gone.

    Ctrl+J, Alt+Enter and Shift+Enter start a new line.
    """

    class Sent(Posted):
        """The user wants to send a text."""

        def __init__(self, body: str) -> None:
            super().__init__()
            self.body = body

    class Writing(Posted):
        """There is text in the field (``active``), or there is none any more."""

        def __init__(self, active: bool) -> None:
            super().__init__()
            self.active = active

    class Offered(Posted):
        """What may be meant by the mention that is being written: the names of members, or none."""

        def __init__(self, names: list[str]) -> None:
            super().__init__()
            self.names = names

    def __init__(self, completions: Callable[[str], list[str]] = lambda prefix: []) -> None:
        """``completions(prefix)``: the names that can be mentioned and begin like that."""
        self._completions = completions
        self._sending: Timer | None = None
        self._written: list[str] = []
        self._at: int | None = None
        """The place in what was written before, while the user looks through it."""
        super().__init__(id="composer", show_line_numbers=False, highlight_cursor_line=False, compact=True)

    async def _on_key(self, event: events.Key) -> None:
        pasting = self._sending is not None
        if self._sending is not None:
            # Nobody types that quickly: the terminal has no bracketed paste, and sends keys instead.
            self._sending.stop()
            self._sending = None
            self.insert("\n")
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self._sending = self.set_timer(_PASTE_LASTS if pasting else _TYPED, self._send)
        elif (event.key == "tab" and self._complete()) or (
            event.key in ("up", "down") and self._browse(-1 if event.key == "up" else 1)
        ):
            event.stop()
            event.prevent_default()
        elif event.key in ("ctrl+j", "alt+enter", "shift+enter"):
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)

    def _send(self) -> None:
        self._sending = None
        body = self.text.strip()
        if body:
            self.clear()
            self._written = [*self._written[-_MAX_INPUT_HISTORY:], body]
            self._at = None
            self.post_message(self.Sent(body))

    def _browse(self, step: int) -> bool:
        """Puts an earlier or later text into the field. Returns False if the key is for moving the cursor."""
        browsing = self._at is not None and self.text == self._written[self._at]
        if not self._written or not (browsing or (step < 0 and not self.text)):
            return False
        at = (self._at if browsing and self._at is not None else len(self._written)) + step
        self._at = max(0, at) if at < len(self._written) else None
        self.text = "" if self._at is None else self._written[self._at]
        self.move_cursor(self.document.end)
        return True

    def give_back(self, body: str) -> None:
        """Puts a text back that could not be sent."""
        self.text = body if not self.text.strip() else f"{body}\n{self.text}"

    async def _on_paste(self, event: events.Paste) -> None:
        """Removes escape sequences from pasted text, which may be somebody else's."""
        await super()._on_paste(events.Paste(safe(event.text)))
        event.stop()
        event.prevent_default()

    @property
    def _mention(self) -> str | None:
        """What is written after the ``@`` before the cursor; None if there is none."""
        row, column = self.cursor_location
        found = _MENTION.search(self.document.get_line(row)[:column])
        return None if found is None else found[1]

    def _complete(self) -> bool:
        """Completes the mention before the cursor. Returns False if there is nothing to complete."""
        prefix = self._mention
        names = [] if prefix is None else self._completions(prefix)
        if prefix is None or not names:
            return False
        row, column = self.cursor_location
        self.replace(f"{names[0]} ", (row, column - len(prefix)), (row, column))
        return True

    def on_text_area_changed(self) -> None:
        prefix = self._mention
        self.post_message(self.Offered([] if prefix is None else self._completions(prefix)))
        self.post_message(self.Writing(bool(self.text.strip())))
