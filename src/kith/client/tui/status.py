"""The status line at the top: the account, and the connection."""

from __future__ import annotations

import time

from rich.text import Text
from textual.widgets import Static

from kith.client.events import ConnectionChanged
from kith.client.message import Link
from kith.terminal import one_line


class StatusLine(Static):
    """Shows the last `ConnectionChanged` event. While reconnecting, it counts down to the next attempt."""

    def __init__(self) -> None:
        super().__init__(id="status", markup=False)
        self._state = ConnectionChanged(Link.CONNECTING)
        self._retry_at = 0.0

    def connection_changed(self, event: ConnectionChanged) -> None:
        """Takes the new state; `show` draws it."""
        self._state = event
        self._retry_at = time.monotonic() + event.retry_in

    def show(self, jid: str, queued: int) -> None:
        """Draws the line. ``queued``: how many messages wait to be sent."""
        colours = self.app.theme_variables
        line = Text(" Kith", style=f"bold {colours['primary']}", no_wrap=True, overflow="ellipsis")
        line.append(f"  {one_line(jid)}  ", style=colours["foreground"])
        waiting = f", {queued} to send" if queued else ""
        match self._state.link:
            case Link.ONLINE:
                line.append("● online", style=colours["success"])
            case Link.CONNECTING:
                line.append("○ connecting…", style=colours["muted"])
            case Link.RECONNECTING:
                left = max(0, round(self._retry_at - time.monotonic()))
                soon = f"again in {left} s" if left else "reconnecting…"
                line.append(f"◌ {soon}{waiting}", style=colours["warning"])
                line.append(f"  {one_line(self._state.reason, 60)}", style=colours["muted"])
            case Link.OFFLINE:
                line.append(f"○ offline{waiting}", style=colours["error"])
        self.update(line)
