"""The conversation with one peer: header, banners, messages by day, typing notification, composer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message as Posted
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from kith.client.groups.mentions import completions
from kith.client.message import Chat, Message, State
from kith.client.tui import words
from kith.client.tui.actions import About
from kith.client.tui.banner import Banner
from kith.client.tui.bubble import Bubble
from kith.client.tui.composer import Composer
from kith.client.tui.log import Log
from kith.client.tui.notices import member_name, notice
from kith.client.tui.pictures import picture_widget
from kith.terminal import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

_PAGE = 40
#: How many pictures are loaded when a chat is opened, from the end.
_MOST_PICTURES = 12


class Conversation(Vertical):
    """Shows a `Chat` and its messages."""

    typing: reactive[bool] = reactive(False)

    class PictureWanted(Posted):
        """The picture of a message is in sight."""

        def __init__(self, message: Message) -> None:
            super().__init__()
            self.message = message

    def __init__(
        self,
        earlier: Callable[[str, Message | None, int], list[Message]],
        find: Callable[[str, str], Message | None],
        own: str,
    ) -> None:
        """``earlier(peer, message, limit)`` is `Client.history`, ``find(peer, id)`` is `Client.find`.

        ``own``: the user's address.
        """
        super().__init__(id="conversation")
        self._own = own
        self.writer = ""
        """Who is typing, in a group."""
        self._notices: set[int] = set()
        self._earlier = earlier
        self._find = find
        self._picked: int | None = None
        self._about: About | None = None
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
        yield Static(id="about", markup=False)
        yield Static(id="mentions", markup=False)
        yield Composer(self._completions)

    def on_mount(self) -> None:
        self._arrange()

    def _completions(self, prefix: str) -> list[str]:
        """The members of the group who can be mentioned."""
        group = None if self.chat is None else self.chat.group
        return [] if group is None else completions(prefix, group, self._own)

    @on(Composer.Offered)
    def _offered(self, event: Composer.Offered) -> None:
        event.stop()
        line = self.query_one("#mentions", Static)
        line.display = bool(event.names)
        line.update(f"Tab: {'  '.join(one_line(name) for name in event.names[:8])}")

    def _arrange(self) -> None:
        """Shows or hides the parts that need a chat."""
        has_chat = self.chat is not None
        for selector in ("#header", "#log", "#composer"):
            self.query_one(selector).display = has_chat
        self.query_one("#welcome").display = not has_chat
        self.query_one("#typing").display = self.typing
        self.query_one("#about").display = self._about is not None
        self.query_one("#mentions").display = False

    async def open(self, chat: Chat) -> None:
        """Shows another chat, scrolled to its newest message."""
        self.chat = chat
        self.typing = False
        self._bubbles.clear()
        self._notices.clear()
        self._first = self._last = self._picked = None
        self.about = None
        log = self.query_one("#log", Log)
        await log.remove_children()
        self._arrange()
        await self.add(self._earlier(chat.peer, None, max(_PAGE, self.size.height)))
        log.anchor()
        for message in self._messages[-_MOST_PICTURES:]:
            if message.media is not None:
                self.post_message(self.PictureWanted(message))

    def show_progress(self, row: int, done: int, total: int) -> None:
        """Shows how far the file of a message is on its way."""
        bubble = self._bubbles.get(row)
        if bubble is not None:
            bubble.progress = f"{done * 100 // total} %" if done < total else ""
            bubble.show(bubble.message, self._width, self._quoted(bubble.message))

    def show_picture(self, row: int, picture: Image) -> None:
        """Shows the picture of a message."""
        bubble = self._bubbles.get(row)
        widget = None if bubble is None else picture_widget(picture, int(self._width * 0.8) - 4)
        if bubble is not None and widget is not None:
            self.call_later(bubble.show_picture, widget)

    def show_header(self, chat: Chat, online: bool) -> None:
        """Draws the line above: the peer's name, and whether messages are encrypted."""
        self.chat = chat
        colours = self.app.theme_variables
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(words.name(chat), style="bold")
        if chat.plain or self._last_was_plain or (chat.group is not None and chat.group.is_public):
            line.append("  ⚠ NOT ENCRYPTED", style=f"bold {colours['warning']}")
        else:
            line.append("  🔒 encrypted", style=colours["success"])
        about = "online" if online else one_line(chat.peer)
        if chat.group is not None:
            about = f"{len(chat.group.members)} members  F4" if chat.group.belongs else "you have left"
        line.append(f"  {about}", style=colours["muted"])
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
            if message.row in self._notices:
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
        """Draws a message again that has changed, and those that quote it."""
        for bubble in self._bubbles.values():
            if bubble.message.row == message.row:
                bubble.show(message, self._width, self._quoted(message))
            elif bubble.message.reply_to in (message.id, message.origin) and bubble.message.reply_to:
                bubble.show(bubble.message, self._width, self._quoted(bubble.message))

    def _quoted(self, message: Message) -> Message | None:
        """The message that a message replies to, if it is here."""
        return None if message.reply_to is None else self._find(message.peer, message.reply_to)

    # a picked message, and what is written about it

    @property
    def picked(self) -> Message | None:
        """The message that the user has picked with the arrow keys."""
        bubble = None if self._picked is None else self._bubbles.get(self._picked)
        return None if bubble is None else bubble.message

    @on(Log.Picked)
    def _pick(self, event: Log.Picked) -> None:
        event.stop()
        rows = [one.row for one in sorted(self._messages, key=lambda one: (one.time, one.row))]
        if not rows:
            return
        at = rows.index(self._picked) if self._picked in rows else len(rows)
        if event.step < 0 and at == 0:
            self.post_message(Log.Earlier())
        if event.step or self._picked not in rows:
            at = max(0, min(len(rows) - 1, at + (event.step or -1)))
        self._mark(rows[at])

    def _mark(self, row: int | None) -> None:
        for each in self._bubbles.values():
            each.set_class(each.message.row == row, "picked")
        self._picked = row
        bubble = None if row is None else self._bubbles.get(row)
        if bubble is not None:
            log = self.query_one("#log", Log)
            log.release_anchor()
            log.scroll_to_widget(bubble, animate=False)

    def unpick(self) -> None:
        """Picks no message any more, and shows the newest ones."""
        self._mark(None)
        self.query_one("#log", Log).anchor()

    @property
    def about(self) -> About | None:
        """What the text in the composer is about."""
        return self._about

    @about.setter
    def about(self, about: About | None) -> None:
        self._about = about
        line = self.query_one("#about", Static)
        line.display = about is not None
        if about is not None:
            line.update(about.line)

    @property
    def _messages(self) -> list[Message]:
        return [bubble.message for bubble in self._bubbles.values()]

    @property
    def _last_was_plain(self) -> bool:
        """Whether the last message that we have sent went out unencrypted, because the user wanted that."""
        own = [one for one in self._messages if not one.incoming and one.state is not State.FAILED]
        return bool(own) and not max(own, key=lambda one: one.row).encrypted

    def unreadable(self, id: str) -> list[int]:
        """The rows of shown messages with that id that can't be decrypted."""
        return [
            one.row for one in self._messages if one.incoming and one.error and id in (one.id, one.origin)
        ]

    @property
    def newest(self) -> Message | None:
        """The last message that is shown."""
        return self._last

    @property
    def failed(self) -> list[Message]:
        """The shown messages that could not be sent."""
        return [message for message in self._messages if message.state is State.FAILED]

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
        group = None if self.chat is None else self.chat.group
        if message.change is not None:
            self._notices.add(message.row)
            text = notice(message.change, group, self._own)
            return [*widgets, Static(text, classes="notice", markup=False)]
        follows = above is not None and above.author == message.author and above.change is None
        named = message.group and message.incoming and not follows
        bubble = Bubble(message, follows, member_name(group, message.author) if named else "")
        self._bubbles[message.row] = bubble
        bubble.show(message, self._width, self._quoted(message))
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
            who = member_name(self.chat.group, self.writer) if self.writer else words.name(self.chat)
            line.update(f"{who} is typing…")
            line.display = active

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def redraw(self) -> None:
        """Draws all messages again, after a change of width or theme."""
        for bubble in self._bubbles.values():
            bubble.show(bubble.message, self._width, self._quoted(bubble.message))


def _day(message: Message) -> date:
    return message.time.astimezone().date()
