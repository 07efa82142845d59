"""The terminal client's app: shows the client's events, and acts on the user's input."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList

from kith.client.client import Client
from kith.client.errors import ClientError
from kith.client.message import Link
from kith.client.tui.banner import Banner
from kith.client.tui.chat_list import ChatList
from kith.client.tui.composer import Composer
from kith.client.tui.conversation import Conversation
from kith.client.tui.dialogs import compare_keys, toggle_encryption
from kith.client.tui.key_line import KeyLine
from kith.client.tui.log import Log
from kith.client.tui.preferences import Preferences, recoloured
from kith.client.tui.screens import Accounts, Help, NewChat
from kith.client.tui.status import StatusLine
from kith.client.tui.themes import DARK, LIGHT
from kith.client.tui.updates import Updates

_NARROW = 64  # columns; in narrower terminals, either the chat list or the conversation is shown
_TYPING_LASTS = 8.0  # seconds after the last typing notification


class ChatApp(Updates):
    """The terminal client.

    ``peer``: the chat to open first. After the run, ``problem`` says why the app had to end, if it had to,
    ``was_online`` whether the account has ever been connected, and ``next_account`` the address of another
    account that the user wants to change to.
    """

    CSS_PATH = "kith.tcss"
    TITLE = "Kith"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help", id="help", priority=True),
        Binding("ctrl+n", "new_chat", "New chat", id="new-chat", priority=True),
        Binding("ctrl+f", "send_file", "File", id="file", priority=True),
        Binding("ctrl+s", "search", "Search", id="search", priority=True),
        Binding("ctrl+g", "fingerprints", "Keys", id="keys", priority=True),
        Binding("ctrl+o", "encryption", "Encryption", show=False, id="encryption", priority=True),
        Binding("ctrl+r", "again", "Retry", show=False, id="retry", priority=True),
        Binding("ctrl+t", "theme", "Theme", id="theme", priority=True),
        Binding("f3", "accounts", "Accounts", show=False, id="accounts", priority=True),
        Binding("ctrl+up", "pick", "Pick a message", show=False, id="pick", priority=True),
        Binding("f2", "editor", "Editor", show=False, id="editor", priority=True),
        Binding("f4", "members", "Members", show=False, id="members", priority=True),
        Binding("f5", "new_group", "New group", show=False, id="new-group", priority=True),
        Binding("alt+up", "move(-1)", "Previous chat", show=False, id="previous-chat", priority=True),
        Binding("alt+down", "move(1)", "Next chat", show=False, id="next-chat", priority=True),
        Binding("pageup", "page(-1)", "Earlier", show=False, id="earlier", priority=True),
        Binding("pagedown", "page(1)", "Later", show=False, id="later", priority=True),
        Binding("escape", "back", "Back", show=False, id="back"),
        Binding("ctrl+q", "quit", "Quit", id="quit", priority=True),
    ]

    def __init__(
        self,
        client: Client,
        peer: str | None = None,
        theme: str = DARK.name,
        preferences: Preferences | None = None,
        accounts: Sequence[str] = (),
    ) -> None:
        """``accounts``: the addresses of all accounts that were used here."""
        super().__init__()
        chosen = preferences or Preferences()
        self.register_theme(recoloured(DARK, chosen.dark))
        self.register_theme(recoloured(LIGHT, chosen.light))
        self.set_keymap(dict(chosen.keys))
        theme = chosen.theme or theme
        self.theme = theme if theme in (DARK.name, LIGHT.name) else DARK.name
        self.client = client
        self._accounts = accounts
        self.next_account: str | None = None
        self.problem = ""
        self.was_online = False
        self._current: str | None = None
        self._first_chat = peer
        self._typing: dict[str, float] = {}
        self._typing_sent = False
        self._drawn_at, self._draws_soon = 0.0, False
        self._has_grown = False

    @classmethod
    def key_names(cls) -> set[str]:
        """What keys can be set for in the preferences."""
        found = [one for one in (*cls.BINDINGS, *Log.BINDINGS) if isinstance(one, Binding)]
        return {one.id for one in found if one.id}

    def compose(self) -> ComposeResult:
        yield StatusLine()
        with Horizontal(id="body"):
            yield ChatList()
            yield Conversation(self.client.history, self.client.find, self.client.jid)
        yield KeyLine(show_command_palette=False)

    # from the client

    async def on_mount(self) -> None:
        self._end_on_signals()
        try:
            await self.client.open()
        except ClientError as error:
            self._give_up(str(error))
            return
        self._listen(self.client.events())
        self._connect()
        self.set_interval(1.0, self._tick)
        self._show_chats()
        if self._first_chat:
            await self._open(self._first_chat)
        else:
            self.query_one("#list", OptionList).focus()
        self._show_status()

    def _end_on_signals(self) -> None:
        """Lets SIGTERM and SIGHUP end the app as Ctrl+Q does, so that the terminal is restored."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(NotImplementedError, ValueError, RuntimeError):  # tests run it in another thread
                loop.add_signal_handler(number, partial(self.exit, return_code=128 + number))

    @work
    async def _connect(self) -> None:
        try:
            await self.client.ready()
        except ClientError as error:
            self._give_up(str(error))

    def _give_up(self, problem: str) -> None:
        self.problem = problem
        self.exit(return_code=1)

    async def on_unmount(self) -> None:
        await self.client.close()

    async def _open(self, peer: str) -> None:
        self._current = peer
        self.screen.set_class(True, "in-chat")
        conversation = self.query_one(Conversation)
        await conversation.open(self.client.chat(peer))
        await self._show_banners()
        self.query_one(Composer).focus()
        await self._mark_read()
        self._show_chats()

    def on_resize(self, event: events.Resize) -> None:
        self.screen.set_class(event.size.width < _NARROW, "narrow")

    # what the user does

    @on(ChatList.Chosen)
    async def _chosen(self, event: ChatList.Chosen) -> None:
        await self._open(event.peer)
        if event.hit is not None:
            await self.query_one(Conversation).show(event.hit)

    @on(ChatList.QueryChanged)
    def _query_changed(self) -> None:
        self._show_chats()

    @on(Composer.Writing)
    async def _writing(self, event: Composer.Writing) -> None:
        if self._current is not None and event.active != self._typing_sent:
            self._typing_sent = event.active
            await self.client.typing(self._current, event.active)

    @on(Banner.Answered)
    async def _answered(self, event: Banner.Answered) -> None:
        kind, _, peer = event.kind.partition(" ")
        try:
            if kind == "request" and event.answer == "accept":
                await self.client.accept(peer)
            elif kind == "request":
                await self.client.decline(peer)
                await self.client.block(peer, report=event.answer == "report")
                self.notify(f"{peer} can't write to you any more.", markup=False)
            elif kind == "invitation" and event.answer == "join":
                await self.client.join_group(peer)
            elif kind == "invitation":
                await self.client.leave_group(peer)
            elif kind == "encrypted" and self._current is not None:
                self.client.encryption_seen(self._current)
            elif self._current is not None:
                self.client.keys_seen(self._current)
                if event.answer == "compare":
                    self.action_fingerprints()
        except ClientError as error:
            self._complain(error, "warning")
        await self._show_banners()
        self._show_chats()

    def action_help(self) -> None:
        self.push_screen(Help())

    @work
    async def action_new_chat(self) -> None:
        answer = await self.push_screen_wait(NewChat(self.client.jid.partition("@")[2]))
        if answer is None:
            return
        peer, name = answer
        if peer == self.client.jid:
            self.notify("That is your own address.", severity="warning")
            return
        self.client.name(peer, name)
        await self._open(peer)

    def action_search(self) -> None:
        self.screen.set_class(False, "in-chat")
        self.query_one("#search", Input).focus()

    @work
    async def action_fingerprints(self) -> None:
        if self._current is None:
            self.notify("Open a chat first.")
            return
        try:
            await compare_keys(self, self.client, self._current)
        except ClientError as error:
            self._complain(error, "warning")

    @work
    async def action_encryption(self) -> None:
        if self._current is not None:
            await toggle_encryption(self, self.client, self._current)
            self._show_chats()

    @work
    async def action_again(self) -> None:
        if self.client.link is not Link.ONLINE:
            self.client.reconnect()
            return
        for message in self.query_one(Conversation).failed:
            try:
                await self.client.resend(message)
            except ClientError as error:
                self._complain(error)

    @work
    async def action_accounts(self) -> None:
        others = [jid for jid in self._accounts if jid != self.client.jid]
        chosen = await self.push_screen_wait(Accounts(self.client.jid, others))
        if chosen is not None:
            self.next_account = chosen
            self.exit()

    def action_theme(self) -> None:
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name
        self.query_one(Conversation).redraw()
        self._show_chats()
        self._show_status()

    async def action_move(self, step: int) -> None:
        peers = [chat.peer for chat in self.client.chats()]
        if peers:
            at = peers.index(self._current) + step if self._current in peers else 0
            await self._open(peers[at % len(peers)])

    def action_page(self, pages: int) -> None:
        """Scrolls the conversation or, if the list of chats has the focus, the list."""
        if isinstance(self.screen, ModalScreen):
            return
        listing = self.query_one("#list", OptionList)
        if self.focused is listing or self._current is None:
            listing.scroll_relative(y=pages * listing.size.height, animate=False)
        else:
            self.query_one(Conversation).scroll_pages(pages)

    async def action_back(self) -> None:
        conversation = self.query_one(Conversation)
        if conversation.about is not None:
            if conversation.about.edits:
                self.query_one(Composer).clear()
            conversation.about = None
            return
        if conversation.picked is not None:
            conversation.unpick()
            self.query_one(Composer).focus()
            return
        self.screen.set_class(False, "in-chat")
        self.query_one("#list", OptionList).focus()
