"""How messages are written to a pipe: a line for people, or a line of JSON for programs."""

from __future__ import annotations

import json
from typing import Any

from kith.client.media.texts import title
from kith.client.media.values import Media
from kith.client.message import Message
from kith.client.tui.notices import notice
from kith.terminal import one_line, safe, say


def as_json(message: Message) -> dict[str, Any]:
    """A message as programs get it. Fields may be added; those that are here stay."""
    return {
        "row": message.row,
        "id": message.id,
        "peer": message.peer,
        "incoming": message.incoming,
        "time": message.time.isoformat(),
        "body": message.body,
        "state": message.state.value,
        "encrypted": message.encrypted,
        "trust": message.trust.value,
        "error": message.error,
        "reply_to": message.reply_to,
        "edited": message.edited,
        "deleted": message.deleted,
        "reactions": {"ours": message.reactions.ours, "theirs": message.reactions.theirs},
        "author": message.author,
        "group": message.group,
        "media": None if message.media is None else _media_json(message.media),
        "notice": None if message.change is None else notice(message.change, None, ""),
    }


def _media_json(media: Media) -> dict[str, Any]:
    """What programs are told of a file. Keys stay on the device."""
    return {
        "kind": media.kind.value,
        "name": media.name,
        "type": media.type,
        "size": media.size,
        "width": media.width,
        "height": media.height,
        "duration": media.duration,
        "encrypted": media.encrypted,
    }


def as_line(message: Message) -> str:
    """A message as people read it: time, direction, address, text. Further lines of the text are indented."""
    arrow = "<" if message.incoming else ">"
    text = "(deleted)" if message.deleted else message.body
    if message.media is not None:
        text = f"({title(message.media)}) {text}".strip()
    who = message.peer
    if message.change is not None:
        text = f"({notice(message.change, None, '')})"
    elif message.group and message.incoming:
        who = f"{message.peer} {message.author}"
    if message.error:
        text = f"{text} ({message.error})".strip()
    marks = "".join(
        mark
        for mark, on in ((" (edited)", message.edited), (" (not encrypted)", not message.encrypted))
        if on and message.change is None
    )
    when = message.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    lines = safe(text).replace("\n", "\n    ")
    return f"{when} {arrow} {one_line(who)}: {lines}{marks}"


def write(message: Message, json_lines: bool) -> None:
    """Writes a message to standard output. Raises BrokenPipeError if nobody reads any more."""
    if json_lines:
        say(json.dumps(as_json(message)))  # in ASCII: exact, and harmless on a terminal
    else:
        say(as_line(message))
