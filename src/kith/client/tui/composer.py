"""Where messages are written: several lines; Enter sends."""

from __future__ import annotations

from textual import events
from textual.message import Message as Posted
from textual.widgets import TextArea


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
        super().__init__(id="composer", show_line_numbers=False, highlight_cursor_line=False, compact=True)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            body = self.text.strip()
            if body:
                self.clear()
                self.post_message(self.Sent(body))
        elif event.key in ("ctrl+j", "alt+enter", "shift+enter"):
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)

    def on_text_area_changed(self) -> None:
        self.post_message(self.Writing(bool(self.text.strip())))
