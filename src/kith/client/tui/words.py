"""Texts for the screen: times, names, previews, and the marks of messages."""

from __future__ import annotations

from datetime import date, datetime

from rich.cells import cell_len

from kith.client.media.texts import title
from kith.client.media.values import Media, MediaKind
from kith.client.message import Chat, Message, State, Trust
from kith.client.tui.notices import member_name
from kith.terminal import NICKNAME, one_line, safe

_PREVIEW = 300  # characters: the list is drawn often
_BEFORE_HIT = 12  # characters before what was searched that fit into the list beside it
MARKS = {
    State.QUEUED: "◷",
    State.SENT: "✓",
    State.DELIVERED: "✓✓",
    State.READ: "✓✓ read",
    State.FAILED: "✗",
    State.RECEIVED: "",
}


def clock(moment: datetime) -> str:
    """The local time of day."""
    return moment.astimezone().strftime("%H:%M")


def day(moment: date, today: date) -> str:
    """A day for a separator: Today, Yesterday, Monday, or the date."""
    ago = (today - moment).days
    if ago == 0:
        return "Today"
    if ago == 1:
        return "Yesterday"
    if 1 < ago < 7:
        return moment.strftime("%A")
    return f"{moment.day} {moment:%B %Y}"


def when(moment: datetime, now: datetime) -> str:
    """A time for the chat list: the time if it is today, the weekday within a week, else the date."""
    local, here = moment.astimezone(), now.astimezone()
    ago = (here.date() - local.date()).days
    if ago == 0:
        return clock(moment)
    if ago == 1:
        return "yesterday"
    return local.strftime("%a") if 1 < ago < 7 else local.strftime("%d.%m.%y")


def name(chat: Chat) -> str:
    """The name to show for a peer: the user's own, else the peer's nickname, else the start of the address.

    A nickname has a ~ before it and the address beside it, so that it can't pass for somebody else's. A group
    has its own name.
    """
    if chat.group is not None:
        return one_line(chat.group.title[:_PREVIEW])
    if chat.name and (given := one_line(chat.name[:_PREVIEW])):
        return given
    local = one_line(chat.peer.partition("@")[0])
    chosen = one_line(chat.nickname, NICKNAME)
    return f"~{chosen} · {local}" if chosen else local


def body(message: Message) -> str:
    """The text of a message, safe for a terminal."""
    if message.deleted:
        return "deleted message"
    if message.media is None:
        return safe(message.body)
    return "\n".join(part for part in (file_line(message.media), safe(message.body)) if part)


def listed(message: Message, chat: Chat) -> str:
    """A message in one line for the chat list: in a group, with who has written it."""
    if not message.group or not message.incoming:
        return preview(message)
    return f"{member_name(chat.group, message.author)}: {preview(message)}"


def preview(message: Message) -> str:
    """The text of a message in one line."""
    if message.deleted:
        return "deleted message"
    if message.error and not message.body:
        never = "this app can't read" in message.error
        return "⚠ encrypted in a way this app can't read" if never else "⚠ can't be read yet"
    text = one_line(message.body[:_PREVIEW])
    if message.media is None:
        return text
    return f"{file_line(message.media)}: {text}" if text else file_line(message.media)


def file_line(media: Media) -> str:
    """What stands for a file, in one line: a sign, its kind, name, size and length."""
    return f"{_SIGNS[media.kind]} {title(media)}"


_SIGNS = {
    MediaKind.PICTURE: "▣",
    MediaKind.STICKER: "▣",
    MediaKind.VIDEO: "▶",
    MediaKind.VOICE: "♪",
    MediaKind.AUDIO: "♪",
    MediaKind.FILE: "▤",
    MediaKind.CONTACT: "☻",
    MediaKind.LOCATION: "◎",
}


def excerpt(message: Message, text: str) -> str:
    """The part of a message that has a text (in lower case), in one line, for a narrow list."""
    body = one_line(message.body)
    at = body.lower().find(text)
    if at < _BEFORE_HIT:
        return body
    start = body.find(" ", at - _BEFORE_HIT, at) + 1 or at
    return f"…{body[start:][:_PREVIEW]}"


def meta(message: Message) -> str:
    """The line below a message: warnings, the time, and the mark of its state."""
    parts = [" ".join([*message.reactions.theirs, *message.reactions.ours])]
    if message.given_by:
        parts.append(f"sent on by {one_line(message.given_by.partition('@')[0])}")
    if message.edited and not message.deleted:
        parts.append("edited")
    if not message.encrypted:
        parts.append("not encrypted")
    elif message.incoming and message.trust is Trust.UNDECIDED and not message.error:
        parts.append("⚠ unverified device")
    elif message.incoming and message.trust is Trust.DISTRUSTED:
        parts.append("⚠ distrusted device")
    receipts = message.receipts
    some = receipts is not None and receipts.delivered and message.state is State.SENT
    parts += [clock(message.time), MARKS[message.state]]
    if receipts is not None and some:
        parts.append(f"{receipts.read or receipts.delivered}/{receipts.of}{' read' if receipts.read else ''}")
    return " ".join(part for part in parts if part)


def shorten(text: str, width: int) -> str:
    """The text, cut to at most ``width`` terminal cells."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > width - 1:
        text = text[:-1]
    return text + "…"
