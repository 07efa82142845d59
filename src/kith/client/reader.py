"""Turns a message stanza into an entry of the history: decrypts it, or says why that failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from kith.client import stanzas
from kith.client.decrypted import Decrypted, Undecryptable
from kith.client.extra import Extra, Upload
from kith.client.foreign_encryption import unreadable_encryption
from kith.client.history import History
from kith.client.key_work import Interrupted, KeyWork
from kith.client.media.addresses import parse_aesgcm
from kith.client.media.plain import shared
from kith.client.message import Draft, Kind, State, Trust
from kith.client.references import References, emojis, reference, without_quotation
from kith.client.stream import Stream

if TYPE_CHECKING:  # the libraries behind these take long to import
    from kith.client.encryption import Encryption
    from kith.client.healing import Healing

#: The longest id that is stored, in characters. Receipts repeat ids, and senders choose them.
MAX_ID = 1024
#: What is said beside the texts of a group, and is sealed in a message.
BESIDE = (Kind.VOTE, Kind.CLOSE, Kind.PIN)


class Reader:
    """Reads messages of peers, and of our own other devices."""

    __slots__ = (
        *("_encryption", "_healing", "_history", "_key_work", "_own", "_stream"),
        *("on_heard", "on_upload", "references"),
    )

    def __init__(
        self,
        stream: Stream,
        history: History,
        encryption: Encryption,
        key_work: KeyWork,
        healing: Healing,
    ) -> None:
        self._stream = stream
        self._history = history
        self._encryption = encryption
        self._key_work = key_work
        self._healing = healing
        self._own = str(stream.requested_jid.bare)
        self.references = References(history)
        """What messages say about others."""
        self.on_upload: Callable[[Upload, str, Decrypted], None] = lambda upload, sender, decrypted: None
        """Called when somebody asks for a file again, or has uploaded one again."""
        self.on_heard: Callable[[str, str, bool], None] = lambda id, chat, incoming: None
        """Called when a voice message was listened to: its id, the chat, and whether a peer says so."""

    async def read(
        self, message: Element, peer: str, incoming: bool, time: datetime, author: str | None = None
    ) -> Draft | None:
        """What the message says; None if it says nothing. Raises Interrupted.

        ``author``: who has written it, if ``peer`` is a group.

        A text that can't be decrypted becomes an entry with an error, and its sender is asked to send it
        again if that can help. Ids and the digest are the caller's to add.
        """
        draft = await self._text(message, peer, incoming, time, author)
        said = reference(message)
        if draft is not None and draft.error is None and draft.kind is not Kind.TEXT:
            return draft
        if said is None or (draft is not None and draft.error is not None):
            return draft if draft is None else without_quotation(message, draft)
        about = bounded(said.about)
        if said.kind is Kind.EDIT:
            if draft is None or not about:
                return draft
            draft = without_quotation(message, draft)
            if not self.references.may_edit(draft, about):
                return draft
            return replace(draft, kind=Kind.EDIT, about=about)
        if said.emojis is not None or said.kind is Kind.DELETION:
            state = State.RECEIVED if incoming else State.SENT
            text = said.emojis or ""
            draft = Draft(peer, "", text, incoming, False, Trust.PLAIN, time, state, author=author)
        if draft is None or not about:
            return None
        body = " ".join(emojis(draft.body))
        if said.kind is Kind.REACTION and draft.body and not body:
            return None
        return replace(draft, body=body, kind=said.kind, about=about)

    async def _text(
        self, message: Element, peer: str, incoming: bool, time: datetime, author: str | None
    ) -> Draft | None:
        """The text of a message, decrypted if need be; None if there is none."""
        state = State.RECEIVED if incoming else State.SENT
        plain = Draft(peer, "", "", incoming, False, Trust.PLAIN, time, state, author=author)
        element = message.find(f"{{{stanzas.OMEMO}}}encrypted")
        if element is None:
            foreign = unreadable_encryption(message)
            if foreign is not None:
                error = f"It is encrypted in a way that this app can't read ({foreign})."
                return replace(plain, encrypted=True, trust=Trust.UNDECIDED, error=error)
            body = message.findtext(f"{{{stanzas.CLIENT}}}body")
            media = shared(message, body or "")
            if media is not None:
                return _bringing(plain, Extra(media=media))
            return None if body is None else replace(plain, body=body)
        id = stanzas.origin_id(message) or message.get("id") or ""
        secret = replace(plain, encrypted=True)
        sender = author or (peer if incoming else self._own)
        try:
            decrypted = await self._decrypt(element, sender)
        except Undecryptable as error:
            meant_for_us = self._ask_again(error, sender, id, time, peer if author else "")
            if not meant_for_us and error.device is not None and not error.renew:
                return None  # it was sent before this device existed
            if error.silent:
                return None
            return replace(secret, trust=Trust.UNDECIDED, error=str(error))
        resend = stanzas.named(message, stanzas.RESEND, ("resend",))
        if resend is not None and incoming and decrypted.body is None:
            chat = stanzas.resent_group(message) or ""
            await self._healing.on_request(peer, decrypted.device, resend[1], decrypted.trust, chat)
        from kith.client.sealed import unseal  # of a library that takes long to import

        extra = unseal(message, decrypted.key)
        if decrypted.body is None and extra.upload is not None:
            self.on_upload(extra.upload, sender, decrypted)
        if decrypted.body is None and extra.heard is not None and decrypted.trust.sound:
            self.on_heard(extra.heard, peer, incoming)
        if decrypted.body is None and author is None:
            return None
        draft = replace(secret, body=decrypted.body or "", trust=decrypted.trust, device=decrypted.device)
        draft = self._with_extra(draft, extra)
        return None if decrypted.body is None and draft.kind not in BESIDE else draft

    def _with_extra(self, draft: Draft, extra: Extra) -> Draft:
        """The draft with what the message has sealed besides its text."""
        if draft.author is None:  # polls and mentions are of groups
            extra = Extra(media=extra.media, caption=extra.caption, status=extra.status)
        if extra.media is None and (media := parse_aesgcm(draft.body)) is not None:
            extra = replace(extra, media=media)
        if extra.media is not None:
            return _bringing(draft, extra)
        if not extra:
            return draft
        if extra.caption is not None and self.references.is_caption(draft, extra.caption):
            return replace(draft, kind=Kind.CAPTION, about=extra.caption)
        draft = replace(draft, extra=extra.stored())
        if extra.vote is not None:
            return replace(draft, kind=Kind.VOTE, about=extra.vote.of)
        if extra.pin is not None:
            return replace(draft, kind=Kind.PIN, about=extra.pin.of)
        return draft if extra.close is None else replace(draft, kind=Kind.CLOSE, about=extra.close)

    async def read_keys(self, message: Element, sender: str) -> None:
        """Handles a message that has only keys, by which our own devices complete a session.

        Raises Interrupted.
        """
        element = message.find(f"{{{stanzas.OMEMO}}}encrypted")
        if element is not None:
            try:
                await self._decrypt(element, sender)
            except Undecryptable as error:
                self._ask_again(error, sender, "", datetime.now(UTC))

    def note_received(self, peer: str, id: str) -> None:
        """A peer has sent a message again."""
        self._healing.on_received(peer, id)

    def healed(self, draft: Draft, id: str) -> Draft | None:
        """A message that was sent again: the draft with the id and time of the undecryptable one, which goes.

        ``id`` is the original message's. If that one is not here, or was readable, the message is like
        others, under that id. None if there is no id.
        """
        self._healing.on_received(draft.peer, id)
        original = self._history.unreadable(draft.peer, id)
        if original is None:
            return replace(draft, id=bounded(id), origin=bounded(id)) if id else None
        self._history.remove(original)
        return replace(draft, id=original.id, origin=id, time=original.time)

    def _ask_again(self, error: Undecryptable, sender: str, id: str, time: datetime, chat: str = "") -> bool:
        """Asks the sender's device to send a message again. False if it was not meant for this device.

        ``chat``: the group in which it was sent, if it was in one.
        """
        if error.device is None:
            return False
        if not error.renew and time.timestamp() < self._encryption.created:
            return False
        if sender == self._own or error.silent:
            id = ""  # only a session that works is needed
        asked = self._healing.on_unreadable(sender, error.device, bounded(id), error.renew, chat)
        return asked or error.renew

    async def decrypt(self, element: Element, sender: str) -> Decrypted:
        """Decrypts ``<encrypted/>`` of something that is no message. Raises Undecryptable, Interrupted."""
        return await self._decrypt(element, sender)

    async def _decrypt(self, element: Element, sender: str) -> Decrypted:
        decrypted = await self._key_work.run(self._open(element, sender))
        if decrypted.new_session:
            self._healing.on_new_session(sender, decrypted.device)
        return decrypted

    async def _open(self, element: Element, sender: str) -> Decrypted:
        try:
            return await self._encryption.decrypt(element, sender)
        except Exception as error:
            # Fetching keys fails when the connection is lost; that says nothing about the message.
            if not self._stream.is_connected():
                raise Interrupted from None
            if isinstance(error, Undecryptable):
                raise
            raise Undecryptable("The sender's keys could not be fetched.") from None


def _bringing(draft: Draft, extra: Extra) -> Draft:
    """The draft of a message with a file: its text is the caption."""
    assert extra.media is not None
    return replace(draft, body=extra.media.caption, extra=extra.stored())


def bounded(id: str) -> str:
    """The id, or nothing if it is longer than any honest one."""
    return id if len(id) <= MAX_ID else ""
