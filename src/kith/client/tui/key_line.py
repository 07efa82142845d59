"""The line with the keys, at the bottom."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer

from kith.client.tui.log import Log

#: Of the keys that always work, those that are named while a message is picked: more do not fit.
_ALWAYS = frozenset({"app.help", "help"})


class KeyLine(Footer):
    """Names the keys that work now. While a message is picked, these are its own."""

    def compose(self) -> ComposeResult:
        picking = isinstance(self.screen.focused, Log)
        for key in super().compose():
            action = str(getattr(key, "action", ""))
            if not picking or "want(" in action or action in _ALWAYS:
                yield key
