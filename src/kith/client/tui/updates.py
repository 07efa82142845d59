"""The part of the terminal client's app that shows what the client tells: new messages, presence, banners."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from textual import work

from kith.client.events import (
    ChangeRefused,
    ConnectionChanged,
    ContactChanged,
    ContactRequest,
    EncryptedAgain,
    Event,
    GroupChanged,
    HistoryGiven,
    KeysChanged,
    MediaProgress,
    MessageChanged,
    MessageDeleted,
    MessageEdited,
    MessageExpired,
    MessageHealed,
    MessageReceived,
    ReactionsChanged,
    Typing,
)
from kith.client.message import Link, Message
from kith.client.tui.banner import Banner, banners_for
from kith.client.tui.chat_list import ChatList
from kith.client.tui.conversation import Conversation
from kith.client.tui.grouping import Grouping
from kith.client.tui.status import StatusLine
from kith.terminal import safe

_TYPING_LASTS = 8.0  # seconds after the last typing notification
_DRAWN_EVERY = 0.1  # seconds between two drawings of the list while many events come


class Updates(Grouping):
    """`ChatApp` is built on it. ``was_online``: whether the account has ever been connected."""

    was_online: bool
    _typing: dict[str, float]
    """When each peer has last said that they are typing; 0 if they have stopped."""
    _drawn_at: float
    """When events were last followed by a drawing of the list."""
    _draws_soon: bool
    _has_grown: bool
    """Whether the shown chat has got messages of before."""

    def _give_up(self, problem: str) -> None:
        """Ends the app, for a reason that is told then."""
        raise NotImplementedError

    @work
    async def _listen(self, happened: AsyncIterator[Event]) -> None:
        async for event in happened:
            if not self._closes:
                await self._on_event(event)

    async def _on_event(self, event: Event) -> None:
        conversation = self.query_one(Conversation)
        match event:
            case MessageHealed(message) if message.peer == self._current:
                for row in conversation.unreadable(message.id):
                    await conversation.remove_message(row)
            case MediaProgress(message, done, total) if message.peer == self._current:
                conversation.show_progress(message.row, done, total)
                return
            case MediaProgress():
                return
            case MessageReceived(message) if message.peer == self._current:
                self._typing.pop(message.peer, None)
                conversation.typing = False
                await conversation.add([message])
                self._show_picture(message)
                await self._mark_read()
                if message.incoming and not self.app_focus:
                    self._notify_desktop(message)
            case MessageReceived(message):
                self._typing.pop(message.peer, None)
                if message.incoming and not message.error:
                    self.bell()
                    self._notify_desktop(message)
            case MessageChanged(message) | MessageEdited(message) | MessageDeleted(message) if (
                message.peer == self._current
            ):
                conversation.change(message)
            case ReactionsChanged(message) if message.peer == self._current:
                conversation.change(message)
            case Typing(peer, active, author):
                self._typing[peer] = time.monotonic() if active else 0.0
                if peer == self._current:
                    conversation.writer = author
                    conversation.typing = active
            case GroupChanged(group, notice) if group == self._current:
                if notice is not None:
                    await conversation.add([notice])
                await self._show_banners()
            case MessageExpired(message) if message.peer == self._current:
                await conversation.remove_message(message.row)
            case HistoryGiven(message) if message.peer == self._current:
                self._has_grown = True
            case ChangeRefused(_, reason):
                self.notify(safe(f"What you changed was not sent. {reason}"), severity="error", markup=False)
            case KeysChanged(peer, _, _) | EncryptedAgain(peer) if peer == self._current:
                await self._show_banners()
            case ContactRequest():
                self.bell()
                await self._show_banners()
            case ConnectionChanged(link, _, reason):
                self.query_one(StatusLine).connection_changed(event)
                if link is Link.ONLINE:
                    self.was_online = True
                elif link is Link.OFFLINE and reason:
                    self._give_up(reason)
            case ContactChanged(peer) if peer == self._current:
                await self._show_banners()
            case _:
                pass
        self._draw_soon()

    def _tick(self) -> None:
        if self._closes:
            return
        stopped = [peer for peer, at in self._typing.items() if time.monotonic() - at > _TYPING_LASTS]
        for peer in stopped:
            del self._typing[peer]
            if peer == self._current:
                self.query_one(Conversation).typing = False
        if stopped:
            self._show_chats()
        if self._has_grown:
            self._has_grown = False
            self.call_later(self._show_again)
        self._show_status()

    # what is shown

    async def _show_again(self) -> None:
        """Reads the shown chat anew."""
        if self._current is not None:
            await self.query_one(Conversation).open(self.client.chat(self._current))

    @property
    def _closes(self) -> bool:
        """Whether the app closes: its widgets are removed before its tasks have ended."""
        return not self.is_running or not self.query("#list")

    def _draw_soon(self) -> None:
        """Draws list and status: now, or in a moment if they were just drawn, as when many messages come."""
        if self._draws_soon:
            return
        wait = self._drawn_at + _DRAWN_EVERY - time.monotonic()
        if wait <= 0:
            self._draw()
        else:
            self._draws_soon = True
            self.set_timer(wait, self._draw)

    def _draw(self) -> None:
        self._draws_soon, self._drawn_at = False, time.monotonic()
        self._show_chats()
        self._show_status()

    def _show_status(self) -> None:
        if self._closes:
            return
        queued = self.client.queued() if self.client.is_open else 0
        self.query_one(StatusLine).show(self.client.jid, queued)

    def _show_chats(self) -> None:
        if self._closes:
            return
        listing = self.query_one(ChatList)
        chats = self.client.chats()
        online = {chat.peer for chat in chats if self.client.online(chat.peer)}
        found: Sequence[Message] = (
            self.client.search(listing.query_text) if len(listing.query_text) > 1 else ()
        )
        typing = {peer for peer, at in self._typing.items() if at}
        listing.show(chats, found, self._current, typing, online)
        if self._current is not None:
            self.query_one(Conversation).show_header(self.client.chat(self._current), self._current in online)

    async def _show_banners(self) -> None:
        banners: list[Banner] = []
        if self._current is not None:
            asks = self._current in self.client.requests()
            banners += banners_for(self.client.chat(self._current), asks)
        await self.query_one(Conversation).show_banners(banners)

    async def _mark_read(self) -> None:
        """Marks the open chat as read, if it is visible."""
        if self._current is not None and self._chat_visible:
            await self.client.mark_read(self._current)

    @property
    def _chat_visible(self) -> bool:
        return not self.screen.has_class("narrow") or self.screen.has_class("in-chat")
