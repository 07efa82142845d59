"""The conversation with one peer: header, banners, messages by day, typing notification, composer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message as Posted
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from kith.client.message import Chat, Message
from kith.client.tui import words
from kith.client.tui.banner import Banner
from kith.client.tui.bubble import Bubble
from kith.client.tui.composer import Composer
from kith.terminal import one_line

_PAGE = 40


class Log(VerticalScroll):
    """The messages. Posts `Earlier` when the user has scrolled to the top."""

    class Earlier(Posted):
        """Earlier messages are wanted."""

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        if new <= 0 < old:
            self.post_message(self.Earlier())


class Conversation(Vertical):
    """Shows a `Chat` and its messages."""

    typing: reactive[bool] = reactive(False)

    def __init__(self, earlier: Callable[[str, Message | None, int], list[Message]]) -> None:
        """``earlier(peer, message, limit)`` is `Client.history`."""
        super().__init__(id="conversation")
        self._earlier = earlier
        self._bubbles: dict[int, Bubble] = {}
        self._first: Message | None = None
        self._last: Message | None = None
        self.chat: Chat | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="header", markup=False)
        yield Vertical(id="banners")
        yield Static("Pick a chat on the left, or start one with Ctrl+N.", id="welcome", markup=False)
        yield Log(id="log", can_focus=True)
        yield Static(id="typing", markup=False)
        yield Composer()

    def on_mount(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Shows or hides the parts that need a chat."""
        has_chat = self.chat is not None
        for selector in ("#header", "#log", "#composer"):
            self.query_one(selector).display = has_chat
        self.query_one("#welcome").display = not has_chat
        self.query_one("#typing").display = self.typing

    async def open(self, chat: Chat) -> None:
        """Shows another chat, scrolled to its newest message."""
        self.chat = chat
        self.typing = False
        self._bubbles.clear()
        self._first = self._last = None
        log = self.query_one("#log", Log)
        await log.remove_children()
        self._arrange()
        await self.add(self._earlier(chat.peer, None, max(_PAGE, self.size.height)))
        log.anchor()

    def show_header(self, chat: Chat, online: bool) -> None:
        """Draws the line above: the peer's name, and whether messages are encrypted."""
        self.chat = chat
        colours = self.app.theme_variables
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(words.name(chat), style="bold")
        if chat.plain:
            line.append("  ⚠ NOT ENCRYPTED", style=f"bold {colours['warning']}")
        else:
            line.append("  🔒 encrypted", style=colours["success"])
        line.append(f"  {'online' if online else one_line(chat.peer)}", style=colours["muted"])
        self.query_one("#header", Static).update(line)
        composer = self.query_one(Composer)
        composer.placeholder = "Message, NOT encrypted" if chat.plain else "Message"
        composer.set_class(chat.plain, "plain")

    async def show_banners(self, banners: Sequence[Banner]) -> None:
        """Replaces the banners."""
        place = self.query_one("#banners", Vertical)
        await place.remove_children()
        await place.mount(*banners)
        place.display = bool(banners)

    async def add(self, messages: Sequence[Message]) -> None:
        """Appends new messages. Scrolls to the end if it was there, or if a message is ours."""
        log = self.query_one("#log", Log)
        for message in messages:
            if message.row in self._bubbles:
                self.change(message)
                continue
            await log.mount(*self._widgets(self._last, message))
            self._first = self._first or message
            self._last = message
        if any(not message.incoming for message in messages):
            log.anchor()

    async def remove_message(self, row: int) -> None:
        """Removes a message, whose place another one takes."""
        bubble = self._bubbles.pop(row, None)
        if bubble is not None:
            await bubble.remove()

    async def show(self, message: Message) -> None:
        """Loads earlier messages until this one is there, and scrolls to it."""
        while message.row not in self._bubbles and await self._load_earlier():
            pass
        bubble = self._bubbles.get(message.row)
        if bubble is not None:
            log = self.query_one("#log", Log)
            log.release_anchor()
            self.call_after_refresh(
                lambda: log.scroll_to_widget(bubble, animate=False, center=True, force=True)
            )

    def scroll_pages(self, pages: int) -> None:
        """Scrolls down, or up if ``pages`` is negative."""
        log = self.query_one("#log", Log)
        log.release_anchor()  # otherwise it would stay at the end
        if pages < 0:
            log.scroll_page_up(animate=False)
            if log.scroll_y <= 0:
                log.post_message(Log.Earlier())
        else:
            log.scroll_page_down(animate=False)

    def change(self, message: Message) -> None:
        """Draws a message again whose state has changed."""
        bubble = self._bubbles.get(message.row)
        if bubble is not None:
            bubble.show(message, self._width)

    def unreadable(self, id: str) -> list[int]:
        """The rows of shown messages with that id that can't be decrypted."""
        shown = [bubble.message for bubble in self._bubbles.values()]
        return [one.row for one in shown if one.incoming and one.error and id in (one.id, one.origin)]

    @property
    def newest(self) -> Message | None:
        """The last message that is shown."""
        return self._last

    @property
    def failed(self) -> list[Message]:
        """The shown messages that could not be sent."""
        messages = [bubble.message for bubble in self._bubbles.values()]
        return [message for message in messages if message.state.value == "failed"]

    @property
    def _width(self) -> int:
        return self.query_one("#log", Log).size.width or self.size.width or 80

    def _widgets(self, above: Message | None, message: Message) -> list[Widget]:
        widgets: list[Widget] = []
        day = _day(message)
        if above is None or _day(above) != day:
            today = datetime.now().astimezone().date()
            widgets.append(Static(words.day(day, today), classes="day", markup=False))
            above = None
        bubble = Bubble(message, above is not None and above.incoming == message.incoming)
        self._bubbles[message.row] = bubble
        bubble.show(message, self._width)
        return [*widgets, bubble]

    @on(Log.Earlier)
    async def _scrolled_up(self, event: Log.Earlier) -> None:
        event.stop()
        await self._load_earlier()

    async def _load_earlier(self) -> bool:
        """Shows earlier messages. Returns False if there are none."""
        if self.chat is None or self._first is None:
            return False
        page = self._earlier(self.chat.peer, self._first, _PAGE)
        if not page:
            return False
        log = self.query_one("#log", Log)
        height = log.virtual_size.height
        widgets: list[Widget] = []
        above: Message | None = None
        for message in page:
            widgets += self._widgets(above, message)
            above = message
        if _day(page[-1]) == _day(self._first) and log.children:
            await log.children[0].remove()
        self._first = page[0]
        await log.mount(*widgets, before=0)
        self.call_after_refresh(
            lambda: log.scroll_to(y=log.virtual_size.height - height, animate=False, force=True)
        )
        return True

    def watch_typing(self, active: bool) -> None:
        if self.is_mounted and self.chat is not None:
            line = self.query_one("#typing", Static)
            line.update(f"{words.name(self.chat)} is typing…")
            line.display = active

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def redraw(self) -> None:
        """Draws all messages again, after a change of width or theme."""
        for bubble in self._bubbles.values():
            bubble.show(bubble.message, self._width)


def _day(message: Message) -> date:
    return message.time.astimezone().date()
