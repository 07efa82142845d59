"""What a message has besides its text, as JSON: in the database, and sealed on the wire.

Everything but notices, and files that are not encrypted, is inside of the encryption (docs/protocol.md,
Groups; docs/media.md). Peers may send anything, so what has not the right form is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kith.client.groups.values import Affiliation, Change, MemberChange, Mention, Option, Poll
from kith.client.media.descriptor import describe, parse, parse_stored, parse_url
from kith.client.media.values import Media
from kith.client.status.content import quote_json, quote_of
from kith.client.status.values import StatusQuote

#: How many options a poll has at most.
MOST_OPTIONS = 32
_MOST_MENTIONS, _LONGEST_OPTION, _LONGEST_ID = 256, 500, 256


@dataclass(frozen=True, slots=True)
class Vote:
    """The options that somebody has chosen of a poll. ``of``: the origin id of the poll."""

    of: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pin:
    """A message that is pinned in the group. ``of``: its origin id, of this ``author``.

    ``until``: a time in milliseconds since 1970; 0 takes the pin back.
    """

    of: str
    author: str
    until: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is gone from the server: the request to upload it again, or the answer.

    ``id``: the origin id of its message. ``url``: where it was. ``at``: where it is now; empty in a request.
    """

    id: str
    url: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a message has besides text.

    ``close``: the origin id of the poll that it closes. ``given``: who has given us the message, if it was
    said before we came. ``caption``: the origin id of the message whose caption the text is, which is there
    for other apps. ``heard``: that of a voice message that was listened to. ``status``: the
    status that it answers.
    """

    mentions: tuple[Mention, ...] = ()
    poll: Poll | None = None
    vote: Vote | None = None
    close: str | None = None
    pin: Pin | None = None
    change: Change | None = None
    given: str = ""
    media: Media | None = None
    caption: str | None = None
    heard: str | None = None
    upload: Upload | None = None
    status: StatusQuote | None = None

    def __bool__(self) -> bool:
        return self != Extra()

    def sealed(self) -> dict[str, Any]:
        """The members of the JSON object that is encrypted."""
        found: dict[str, Any] = {}
        if self.mentions:
            found["mentions"] = [_mention_json(one) for one in self.mentions]
        if self.poll is not None:
            options = [{"id": option.id, "text": option.text} for option in self.poll.options]
            found["poll"] = {
                "question": self.poll.question,
                "options": options,
                "several": self.poll.several,
            }
        if self.vote is not None:
            found["vote"] = {"of": self.vote.of, "options": list(self.vote.options)}
        if self.close is not None:
            found["close"] = {"of": self.close}
        if self.pin is not None:
            found["pin"] = {"id": self.pin.of, "from": self.pin.author, "until": self.pin.until}
        if self.media is not None and self.media.encrypted:
            found["media"] = [describe(self.media)]
        if self.caption is not None:
            found["caption"] = self.caption
        if self.heard is not None:
            found["heard"] = self.heard
        if self.upload is not None:
            members = {"id": self.upload.id, "url": self.upload.url}
            name = "reuploaded" if self.upload.at else "reupload"
            found[name] = members | ({"at": self.upload.at} if self.upload.at else {})
        if self.status is not None:
            found |= quote_json(self.status)
        return found

    def stored(self) -> str | None:
        """As it is stored; None if there is nothing."""
        found = self.sealed()
        if self.change is not None:
            found["change"] = _change_json(self.change)
        if self.given:
            found["given"] = self.given
        if self.media is not None:
            found["media"] = [describe(self.media)]
            if self.media.heard:
                found["opened"] = True
        return json.dumps(found) if found else None

    @classmethod
    def parse(cls, text: str) -> Extra:
        """What `stored` has returned."""
        found = json.loads(text)
        change, media = found.get("change"), found.get("media")
        return replace(
            cls.unsealed(found),
            change=None if change is None else _change(change),
            given=found.get("given", ""),
            media=_stored_media(media, found.get("opened") is True),
        )

    @classmethod
    def unsealed(cls, found: object) -> Extra:
        """What somebody has sent. What has not the right form is left out."""
        if not isinstance(found, dict):
            return cls()
        vote, close = found.get("vote"), found.get("close")
        return cls(
            mentions=_mentions(found.get("mentions")),
            poll=_poll(found.get("poll")),
            vote=_vote(vote) if isinstance(vote, dict) else None,
            close=_id(close.get("of")) if isinstance(close, dict) else None,
            pin=_pin(found.get("pin")),
            media=parse(found.get("media")),
            caption=_id(found.get("caption")),
            heard=_id(found.get("heard")),
            upload=_upload(found),
            status=quote_of(found),
        )


def _stored_media(value: object, heard: bool) -> Media | None:
    media = parse_stored(value)
    return media if media is None else replace(media, heard=heard)


def _upload(found: Mapping[str, Any]) -> Upload | None:
    request, answer = found.get("reupload"), found.get("reuploaded")
    if isinstance(answer, dict):
        id, url, at = _id(answer.get("id")), parse_url(answer.get("url")), parse_url(answer.get("at"))
    elif isinstance(request, dict):
        id, url, at = _id(request.get("id")), parse_url(request.get("url")), ""
    else:
        return None
    return None if id is None or url is None or at is None else Upload(id, url, at)


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID else None


def _mention_json(mention: Mention) -> dict[str, Any]:
    whom: dict[str, Any] = {"jid": mention.jid} if mention.jid else {"all": True}
    return whom | {"start": mention.start, "end": mention.end}


def _mentions(value: object) -> tuple[Mention, ...]:
    found = []
    for one in value[:_MOST_MENTIONS] if isinstance(value, list) else ():
        if not isinstance(one, dict):
            continue
        start, end, jid = one.get("start"), one.get("end"), one.get("jid")
        if one.get("all") is True:
            jid = ""
        elif not isinstance(jid, str) or not 0 < len(jid) < 3072:
            continue
        if type(start) is int and type(end) is int and 0 <= start < end < 1_000_000:
            found.append(Mention(start, end, jid))
    return tuple(found)


def _poll(value: object) -> Poll | None:
    if not isinstance(value, dict):
        return None
    question, options = value.get("question"), value.get("options")
    if not isinstance(question, str) or not isinstance(options, list):
        return None
    found: dict[str, Option] = {}
    for one in options[:MOST_OPTIONS]:
        if isinstance(one, dict) and isinstance(one.get("text"), str) and (id := _id(one.get("id"))):
            found.setdefault(id, Option(id, one["text"][:_LONGEST_OPTION]))
    return Poll(question, tuple(found.values()), value.get("several") is True) if found else None


def _vote(value: Mapping[str, Any]) -> Vote | None:
    of, options = _id(value.get("of")), value.get("options")
    if of is None or not isinstance(options, list):
        return None
    chosen = dict.fromkeys(one for one in options[:MOST_OPTIONS] if _id(one))
    return Vote(of, tuple(chosen))


def _pin(value: object) -> Pin | None:
    if not isinstance(value, dict):
        return None
    of, author, until = _id(value.get("id")), value.get("from"), value.get("until")
    if of is None or not isinstance(author, str):
        return None
    if not isinstance(until, int | float) or isinstance(until, bool) or not 0 <= until < 1e15:
        return None
    return Pin(of, author, int(until))


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "by": change.by,
        "members": [
            [one.jid, one.was.value, one.now.value, one.invited, one.nick, one.moved]
            for one in change.members
        ],
        "name": change.name,
        "description": change.description,
        "settings": change.settings,
        "avatar": change.avatar,
        "destroyed": change.destroyed,
    }


def _change(found: dict[str, Any]) -> Change:
    members = [
        MemberChange(jid, Affiliation(was), Affiliation(now), invited, nick, *moved)
        for jid, was, now, invited, nick, *moved in found["members"]
    ]
    return Change(**found | {"members": tuple(members)})
