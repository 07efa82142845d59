"""The list of chats: name, last message, time, how many are unread; and the field that filters it."""

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


class ChatList(Vertical):
    """Posts `Chosen` when the user picks a chat."""

    class Chosen(Posted):
        def __init__(self, peer: str) -> None:
            super().__init__()
            self.peer = peer

    class Sought(Posted):
        """The filter's text changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="chats")
        self.can_focus = False

    def compose(self) -> ComposeResult:
        yield Input(placeholder="Search", id="search", compact=True)
        yield OptionList(id="list", markup=False)
        yield Static("No chats yet.\n\nCtrl+N starts one.", id="nobody")

    @property
    def sought(self) -> str:
        return self.query_one("#search", Input).value.strip().lower()

    def show(
        self,
        chats: Sequence[Chat],
        found: Sequence[Message],
        current: str | None,
        typing: set[str],
        online: set[str],
    ) -> None:
        """Chats whose name fits the filter, then messages that contain it."""
        listing = self.query_one("#list", OptionList)
        text = self.sought
        fitting = [chat for chat in chats if text in chat.peer.lower() or text in chat.name.lower()]
        options = [Option(self._line(chat, typing, online), id=chat.peer) for chat in fitting]
        shown = {chat.peer for chat in fitting}
        for message in found:
            if message.peer not in shown:
                shown.add(message.peer)
                chat = next((chat for chat in chats if chat.peer == message.peer), None)
                if chat is not None:
                    options.append(Option(self._line(chat, typing, online, message), id=chat.peer))
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
        title.append(words.name(chat), style=f"bold {colours['foreground']}")
        if chat.keys_changed:
            title.append(" ⚠", style=colours["warning"])
        line.add_row(title, Text(words.when(last.time, datetime.now(UTC)) if last else "", style=muted))
        if chat.peer in typing:
            below = Text("typing…", style=f"italic {colours['success']}")
        elif last is None:
            below = Text(chat.peer, style=muted)
        else:
            below = Text(style=muted)
            if not last.incoming:
                mark = words.MARKS[last.state]
                below.append(f"{mark} ", style=colours["read"] if last.state.value == "read" else muted)
            below.append(words.preview(last))
        unread = Text()
        if chat.unread:
            unread.append(f" {chat.unread} ", style=f"bold {colours['background']} on {colours['primary']}")
        line.add_row(below, unread)
        return line

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id:
            self.post_message(self.Chosen(event.option_id))

    @on(Input.Changed, "#search")
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Sought(event.value))

    @on(Input.Submitted, "#search")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        listing = self.query_one("#list", OptionList)
        if listing.highlighted is not None and (peer := listing.get_option_at_index(listing.highlighted).id):
            self.query_one("#search", Input).clear()
            self.post_message(self.Chosen(peer))
