"""The part of the terminal client's app that writes messages, and acts on picked ones."""

from __future__ import annotations

import os
from typing import Literal

from textual import on, work
from textual.app import SuspendNotSupported
from textual.screen import ModalScreen

from kith.client.client import Client
from kith.client.errors import BadCharacters, ClientError, PeerHasNoDevices, TooLarge
from kith.client.media.texts import wire_text
from kith.client.message import Message
from kith.client.tui import actions, voting, words
from kith.client.tui.actions import About
from kith.client.tui.composer import Composer
from kith.client.tui.conversation import Conversation
from kith.client.tui.dialogs import offer_unencrypted
from kith.client.tui.editor import edit
from kith.client.tui.log import Log
from kith.client.tui.notifications import notification
from kith.client.tui.sharing import Sharing
from kith.terminal import safe


class Messaging(Sharing):
    """`ChatApp` is built on it. ``_current``: the peer whose chat is open."""

    client: Client
    _current: str | None
    _typing_sent: bool

    def _show_chats(self) -> None:
        """Draws the list of chats and the header again."""
        raise NotImplementedError

    @on(Composer.Sent)
    def _sent(self, event: Composer.Sent) -> None:
        if self._current is not None:
            self._typing_sent = False
            conversation = self.query_one(Conversation)
            about, conversation.about = conversation.about, None
            self._send(self._current, event.body, about)

    @work
    async def _send(self, peer: str, body: str, about: About | None) -> None:
        try:
            await actions.send(self.client, peer, body, about)
        except PeerHasNoDevices:
            await self._offer_unencrypted(peer)
        except (TooLarge, BadCharacters) as error:
            self._complain(error)
            self.query_one(Composer).give_back(body)
        except ClientError as error:
            self._complain(error)

    def _complain(self, error: Exception, severity: Literal["warning", "error"] = "error") -> None:
        self.notify(safe(str(error)), severity=severity, timeout=10, markup=False)

    async def _offer_unencrypted(self, peer: str) -> None:
        """Offers to send the message that has just failed without encryption, that one alone."""
        failed = self.client.history(peer, limit=1)
        if failed and await offer_unencrypted(self, self.client, peer):
            await self.client.resend(failed[0], encrypted=False)
            self._show_chats()

    @on(Log.Wanted)
    def _wanted(self, event: Log.Wanted) -> None:
        conversation = self.query_one(Conversation)
        message = conversation.picked
        if message is None:
            return
        if event.what == "copy":
            media = message.media
            said = "" if media is None or media.kind.is_file else wire_text(media)
            self.copy_to_clipboard(safe(message.body or said))
            self.notify("Copied.")
        elif event.what == "save":
            self._save(message)
        elif event.what == "open":
            self._open_file(message)
        elif event.what in ("reply", "edit"):
            self._write_about(About(message, event.what == "edit"))
        else:
            self._change(message, event.what)

    def _write_about(self, about: About) -> None:
        conversation, composer = self.query_one(Conversation), self.query_one(Composer)
        if about.edits and (about.message.incoming or about.message.deleted):
            self.notify("Only your own messages can be edited.", severity="warning")
            return
        conversation.unpick()
        conversation.about = about
        if about.edits:
            composer.text = safe(about.message.body)
            composer.move_cursor(composer.document.end)
        composer.focus()

    @work
    async def _change(self, message: Message, what: str) -> None:
        act = {"delete": actions.delete, "react": actions.react, "vote": voting.vote}[what]
        try:
            await act(self, self.client, message)
        except ClientError as error:
            self._complain(error, "warning")

    def _notify_desktop(self, message: Message) -> None:
        """Asks the terminal for a notification, unless the user looks at it."""
        if self._driver is not None and not self.app_focus:
            title = words.name(self.client.chat(message.peer))
            self._driver.write(notification(title, words.preview(message), os.environ))

    def action_pick(self) -> None:
        if self._current is not None and not isinstance(self.screen, ModalScreen):
            self.query_one(Log).focus()

    def action_editor(self) -> None:
        """Opens the text that is being written in the user's editor."""
        composer = self.query_one(Composer)
        if self._current is None:
            return
        try:
            with self.suspend():
                composer.text = safe(edit(composer.text))
        except (OSError, SuspendNotSupported) as error:
            self._complain(error, "warning")
        composer.move_cursor(composer.document.end)
