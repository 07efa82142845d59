"""The list of chats, with last message, time and unread count, and the search field above it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message as Posted
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from kith.client.message import Chat, Message
from kith.client.tui import words
from kith.terminal import one_line

_HIT = "message "  # prefix of the ids of rows for messages; no address has a blank


class ChatList(Vertical):
    """Posts `Chosen` when the user picks a chat, and `QueryChanged` while they search."""

    class Chosen(Posted):
        """The user picked a chat. ``hit``: the message that was found, if they picked one."""

        def __init__(self, peer: str, hit: Message | None = None) -> None:
            super().__init__()
            self.peer = peer
            self.hit = hit

    class QueryChanged(Posted):
        """The text in the search field changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="chats")
        self._hits: dict[str, Message] = {}
        self.can_focus = False

    def compose(self) -> ComposeResult:
        yield Input(placeholder="Search", id="search", compact=True)
        yield OptionList(id="list", markup=False)
        yield Static("No chats yet.\n\nCtrl+N starts one.", id="nobody")

    @property
    def query_text(self) -> str:
        """The text in the search field, in lower case."""
        return self.query_one("#search", Input).value.strip().lower()

    def show(
        self,
        chats: Sequence[Chat],
        found: Sequence[Message],
        current: str | None,
        typing: set[str],
        online: set[str],
    ) -> None:
        """Draws the chats whose name matches the search, then the messages that were ``found``.

        ``current`` is highlighted; ``typing`` and ``online`` are the peers that are so.
        """
        listing = self.query_one("#list", OptionList)
        text = self.query_text
        matching = [
            chat
            for chat in chats
            if text in f"{chat.peer}\n{chat.name}\n{chat.nickname}\n{words.name(chat)}".lower()
        ]
        options = [Option(self._line(chat, typing, online), id=chat.peer) for chat in matching]
        by_peer = {chat.peer: chat for chat in chats}
        self._hits.clear()
        for message in found:
            chat = by_peer.get(message.peer)
            if chat is not None:
                id = f"{_HIT}{message.row}"
                self._hits[id] = message
                options.append(Option(self._line(chat, typing, online, message), id=id))
        listing.set_options(options)
        ids = [option.id for option in options]
        listing.highlighted = ids.index(current) if current in ids else (0 if ids else None)
        nobody = self.query_one("#nobody", Static)
        nobody.display = not options
        listing.display = bool(options)
        nobody.update("Nothing found." if text else "No chats yet.\n\nCtrl+N starts one.")

    def _line(self, chat: Chat, typing: set[str], online: set[str], hit: Message | None = None) -> Table:
        colours = self.app.theme_variables
        muted = colours["muted"]
        last = hit or chat.last
        line = Table.grid(expand=True, padding=(0, 1, 0, 0))
        line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        line.add_column(justify="right", no_wrap=True)
        title = Text("● " if chat.peer in online else "", style=colours["success"])
        if not chat.accepted and (chat.group is None or chat.group.invited):
            title.append("new ", style=f"bold {colours['warning']}")
        title.append(words.name(chat), style=f"bold {colours['foreground']}")
        if chat.keys_changed:
            title.append(" ⚠", style=colours["warning"])
        line.add_row(title, Text(words.when(last.time, datetime.now(UTC)) if last else "", style=muted))
        if chat.peer in typing:
            below = Text("typing…", style=f"italic {colours['success']}")
        elif last is None:
            below = Text(_nothing_said(chat), style=muted)
        else:
            below = Text(style=muted)
            if not last.incoming:
                mark = words.MARKS[last.state]
                below.append(f"{mark} ", style=colours["read"] if last.state.value == "read" else muted)
            below.append(words.listed(last, chat) if hit is None else words.excerpt(hit, self.query_text))
        unread = Text()
        if chat.unread:
            unread.append(f" {chat.unread} ", style=f"bold {colours['background']} on {colours['primary']}")
        line.add_row(below, unread)
        return line

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._choose(event.option_id)

    def _choose(self, id: str | None) -> None:
        hit = self._hits.get(id or "")
        if hit is not None:
            self.post_message(self.Chosen(hit.peer, hit))
        elif id:
            self.post_message(self.Chosen(id))

    @on(Input.Changed, "#search")
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.QueryChanged(event.value))

    @on(Input.Submitted, "#search")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        listing = self.query_one("#list", OptionList)
        if listing.highlighted is not None:
            id = listing.get_option_at_index(listing.highlighted).id
            self._choose(id)
            self.query_one("#search", Input).clear()


def _nothing_said(chat: Chat) -> str:
    """What stands below the name of a chat in which nothing was said."""
    if chat.group is None:
        return one_line(chat.peer) if chat.accepted else "wants to write to you"
    return "you are invited" if chat.group.invited else f"{len(chat.group.members)} members"
