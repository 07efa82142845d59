"""Where messages are written: several lines; Enter sends."""

from __future__ import annotations

from textual import events
from textual.message import Message as Posted
from textual.timer import Timer
from textual.widgets import TextArea

from kith.terminal import safe

_TYPED, _PASTE_LASTS = 0.03, 0.1  # seconds after Enter in which another key means that it is a paste


class Composer(TextArea):
    """Posts `Sent` on Enter, `Writing` while there is text. Ctrl+J, Alt+Enter, Shift+Enter break the line."""

    class Sent(Posted):
        def __init__(self, body: str) -> None:
            super().__init__()
            self.body = body

    class Writing(Posted):
        def __init__(self, active: bool) -> None:
            super().__init__()
            self.active = active

    def __init__(self) -> None:
        self._sending: Timer | None = None
        super().__init__(id="composer", show_line_numbers=False, highlight_cursor_line=False, compact=True)

    async def _on_key(self, event: events.Key) -> None:
        pasting = self._sending is not None
        if self._sending is not None:
            # No person is that quick: a terminal without bracketed paste types what is pasted.
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
        """It could not be sent: what was written is not lost."""
        self.text = body if not self.text.strip() else f"{body}\n{self.text}"

    async def _on_paste(self, event: events.Paste) -> None:
        """What is pasted may be others' text: no escape sequence of it reaches the screen."""
        await super()._on_paste(events.Paste(safe(event.text)))
        event.stop()
        event.prevent_default()

    def on_text_area_changed(self) -> None:
        self.post_message(self.Writing(bool(self.text.strip())))
