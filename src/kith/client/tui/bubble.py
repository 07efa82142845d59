"""One message: a bubble with its time and state in the corner."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from kith.client.message import Message, State
from kith.client.tui import words
from kith.client.tui.links import link_pages
from kith.console import SafeConsole
from kith.terminal import safe

_CONSOLE = SafeConsole(width=200, file=None, color_system=None)


def lay_out(
    message: Message,
    width: int,
    muted: str,
    mark: str,
    alarm: str,
    quoted: Message | None = None,
    author: Text | None = None,
) -> Text:
    """The text of a bubble, at most ``width`` cells wide: the body, and time and state in the lower right.

    ``muted``, ``mark`` and ``alarm`` are the colours of the time, of the state, and of errors. ``quoted``:
    the message that this one replies to. ``author``: a line with who has written it.
    """
    body = Text(words.body(message), style=muted if message.deleted else "")
    if not message.deleted:
        for mention in message.mentions:
            body.stylize("bold", mention.start, mention.end)
    link_pages(body)
    if message.reply_to is not None:
        quote = "a message that is not here" if quoted is None else words.preview(quoted)
        body = Text(f"┃ {words.shorten(quote, max(width - 2, 6))}\n", style=muted).append_text(body)
    if author is not None:
        body = author.append("\n").append_text(body)
    if message.error:
        reason = safe(message.error)
        if message.state is State.FAILED:
            reason = f"Not sent: {reason}"
        body.append("\n" if message.body else "")
        body.append(reason, style=alarm)
        if message.state is State.FAILED:
            body.append(" Ctrl+R tries again.", style=alarm)
    lines = list(body.wrap(_CONSOLE, max(width, 8), overflow="fold"))
    for line in lines:
        line.rstrip()
    meta = Text(words.meta(message), style=alarm if "⚠" in words.meta(message) else muted)
    tail = words.MARKS[message.state]
    if tail:
        meta.stylize(mark, len(meta) - len(tail))
    widest = max((cell_len(line.plain) for line in lines), default=0)
    last = cell_len(lines[-1].plain) if lines else 0
    size = cell_len(meta.plain)
    if lines and last + 2 + size <= max(widest, width if len(lines) == 1 else widest):
        lines[-1].append(" " * max(2, widest - last - size))
        lines[-1].append_text(meta)
    else:
        lines.append(Text(" " * max(0, widest - size)).append_text(meta))
    return Text("\n").join(lines)


class Bubble(Horizontal):
    """A message of the conversation. `show` draws it, and again when the message or the width has changed."""

    def __init__(self, message: Message, follows: bool, author: str = "") -> None:
        """``follows``: the message above it is by the same person. ``author``: the name to show above."""
        super().__init__(classes="mine" if not message.incoming else "theirs")
        self._author = author
        self.message = message
        self._text = Static(classes="bubble", markup=False)
        self.picture: Widget | None = None
        self.progress = ""
        """How far its file is on its way."""
        self.set_class(follows, "follows")

    def compose(self) -> ComposeResult:
        with Vertical(classes="content"):
            yield self._text

    async def show_picture(self, picture: Widget) -> None:
        """Shows a picture above the text, once."""
        if self.picture is None:
            self.picture = picture
            await self.query_one(".content").mount(picture, before=0)

    def show(self, message: Message, width: int, quoted: Message | None = None) -> None:
        """Draws a message. ``width``: of the whole conversation, in cells. ``quoted``: what it replies to."""
        self.message = message
        colours = self.app.theme_variables
        alarm = colours["error"] if message.error else colours["warning"]
        mark = {State.READ: colours["read"], State.FAILED: colours["error"]}.get(
            message.state, colours["muted"]
        )
        room = min(72, max(16, int(width * 0.8) - 4))
        author = Text(self._author, style=f"bold {colours['secondary']}") if self._author else None
        text = lay_out(message, room, colours["muted"], mark, alarm, quoted, author)
        if self.progress and not message.deleted:
            text.append(f"\n{self.progress}", style=colours["muted"])
        self._text.update(text)
        self._text.set_class(bool(message.error), "failed")
