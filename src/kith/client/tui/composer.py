"""The field where messages are written. It has several lines; Enter sends."""

from __future__ import annotations

from textual import events
from textual.message import Message as Posted
from textual.timer import Timer
from textual.widgets import TextArea

from kith.terminal import safe

#: Seconds after Enter within which another key means that the text is pasted; more once that is known.
_TYPED, _PASTE_LASTS = 0.03, 0.1


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

    def __init__(self) -> None:
        self._sending: Timer | None = None
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
            self.post_message(self.Sent(body))

    def give_back(self, body: str) -> None:
        """Puts a text back that could not be sent."""
        self.text = body if not self.text.strip() else f"{body}\n{self.text}"

    async def _on_paste(self, event: events.Paste) -> None:
        """Removes escape sequences from pasted text, which may be somebody else's."""
        await super()._on_paste(events.Paste(safe(event.text)))
        event.stop()
        event.prevent_default()

    def on_text_area_changed(self) -> None:
        self.post_message(self.Writing(bool(self.text.strip())))
