"""What is asked of the upload service: slots (XEP-0363), and claims to blobs (``urn:kith:media:0``)."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement

from kith.client.errors import MediaGone, MediaRefused, MediaUnreachable
from kith.client.media.names import size_text
from kith.client.stanzas import parse_time

if TYPE_CHECKING:  # it takes long to import
    from kith.client.stream import Stream

UPLOAD: Final = "urn:xmpp:http:upload:0"
MEDIA: Final = "urn:kith:media:0"
_DISCO_ITEMS, _DISCO_INFO = (f"http://jabber.org/protocol/disco#{name}" for name in ("items", "info"))
_FORM = "jabber:x:data"
#: What of a slot's headers is sent (XEP-0363 §4).
_HEADERS = {"authorization": "Authorization", "cookie": "Cookie", "expires": "Expires"}
_BLOB = re.compile(r"/m/([A-Za-z0-9_-]{22})(/|\Z)")
_MOST_SERVICES = 20


@dataclass(frozen=True, slots=True)
class Slot:
    """Where to upload one file. ``resumable``: for tus; empty if the server can't."""

    put: str
    get: str
    headers: dict[str, str]
    resumable: str = ""
    blob: str = ""

    def stored(self) -> str:
        """As text, for the database."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Slot:
        """What `stored` has returned."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Usage:
    """What the account has stored on the media server, and may store. Bytes."""

    bytes: int
    of: int
    today: int
    daily: int
    file: int


def blob_of(url: str) -> str:
    """The name of the blob at an address of a Kith server; empty if it is none."""
    found = _BLOB.match(urlsplit(url).path)
    return found[1] if found else ""


class MediaService:
    """Asks the upload service of our own server.

    Methods raise MediaRefused, and MediaUnreachable if there is no connection, or no answer.
    """

    __slots__ = ("_jid", "_most", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._jid: str | None = None
        self._most = 0

    def forget(self) -> None:
        """A new session has begun: the server may have another service."""
        self._jid = None

    async def slot(self, name: str, size: int, type: str, claim: str, lasts: float = 0) -> Slot:
        """A slot for so many bytes.

        ``claim``: that of `claim_of`, or empty. ``lasts``: after so many seconds the file is not needed any
        more; 0: nobody knows.
        """
        jid = await self._service()
        if self._most and size > self._most:
            raise MediaRefused(f"The server takes files of up to {size_text(self._most)}.")
        request = Element(f"{{{UPLOAD}}}request", {"filename": name, "size": str(size), "content-type": type})
        SubElement(request, f"{{{MEDIA}}}resumable", ({"claim": claim} if claim else {}) | _until(lasts))
        answer = await self._ask("get", jid, request)
        slot = answer.find(f"{{{UPLOAD}}}slot")
        put = None if slot is None else slot.find(f"{{{UPLOAD}}}put")
        get = None if slot is None else slot.find(f"{{{UPLOAD}}}get")
        if slot is None or put is None or get is None:
            raise MediaUnreachable("The server's upload service answers something else.")
        resumable = slot.find(f"{{{MEDIA}}}resumable")
        return Slot(
            put.get("url", ""),
            get.get("url", ""),
            _headers(put.iterfind(f"{{{UPLOAD}}}header")),
            "" if resumable is None else resumable.get("url", ""),
            "" if resumable is None else resumable.get("blob", ""),
        )

    async def claim(self, blob: str, secret: bytes, lasts: float = 0) -> None:
        """Makes a claim to a blob, for so many seconds. Raises MediaGone if that is not possible."""
        shown = base64.urlsafe_b64encode(secret).decode().rstrip("=")
        claim = Element(f"{{{MEDIA}}}claim", {"blob": blob, "secret": shown} | _until(lasts))
        await self._ask("set", await self._service(), claim)

    async def release(self, blob: str) -> None:
        """Gives up our claim to a blob. Raises MediaGone if there is none."""
        await self._ask("set", await self._service(), Element(f"{{{MEDIA}}}release", blob=blob))

    async def usage(self) -> Usage:
        """What the account uses."""
        answer = await self._ask("get", await self._service(), Element(f"{{{MEDIA}}}usage"))
        found = answer.find(f"{{{MEDIA}}}usage")
        numbers = [0 if found is None else _number(found.get(name)) for name in Usage.__slots__]
        return Usage(*numbers)

    async def proxied(self, url: str) -> str | None:
        """The address at which our own server fetches a file of another one; None if it does not."""
        try:
            answer = await self._ask("get", await self._service(), Element(f"{{{MEDIA}}}fetch", url=url))
        except (MediaRefused, MediaGone):
            return None
        found = answer.find(f"{{{MEDIA}}}fetch")
        return None if found is None else found.get("url")

    async def _service(self) -> str:
        if self._jid is None:
            self._jid = await self._find()
        if not self._jid:
            raise MediaRefused("The server does not store files (it has no XEP-0363).")
        return self._jid

    async def _find(self) -> str:
        domain = str(self._stream.requested_jid.domain)
        answer = await self._ask("get", domain, Element(f"{{{_DISCO_ITEMS}}}query"))
        items = [str(item.get("jid", "")) for item in answer.iter(f"{{{_DISCO_ITEMS}}}item")]
        for jid in [domain, *items[:_MOST_SERVICES]]:
            try:
                info = await self._ask("get", jid, Element(f"{{{_DISCO_INFO}}}query"))
            except (MediaRefused, MediaGone):
                continue
            if any(one.get("var") == UPLOAD for one in info.iter(f"{{{_DISCO_INFO}}}feature")):
                fields = info.iter(f"{{{_FORM}}}field")
                sizes = [one.findtext(f"{{{_FORM}}}value") for one in fields if one.get("var") == _MAX_SIZE]
                self._most = _number(sizes[0]) if sizes else 0
                return jid
        return ""

    async def _ask(self, kind: Literal["get", "set"], to: str, request: Element) -> Element:
        from slixmpp.exceptions import IqError, IqTimeout

        if not self._stream.is_connected():
            raise MediaUnreachable("There is no connection to the server now.")
        iq: Any = self._stream.make_iq(ito=to, itype=kind)
        iq["id"] = uuid.uuid4().hex
        iq.append(request)
        try:
            answer: Element = (await iq.send(timeout=self._stream.timeout)).xml
        except IqTimeout:
            raise MediaUnreachable("The server does not answer.") from None
        except IqError as error:
            raise _refusal(error.condition, error.text, error.iq.xml) from None
        return answer


_MAX_SIZE = "max-file-size"


def _until(lasts: float) -> dict[str, str]:
    """The attribute that says when a claim ends."""
    if not lasts:
        return {}
    return {"until": (datetime.now(UTC) + timedelta(seconds=lasts)).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _refusal(condition: str, text: str, answer: Element) -> Exception:
    said = text or condition.replace("-", " ")
    if condition == "item-not-found":
        return MediaGone(f"The server does not have the file: {said}")
    most = answer.find(f".//{{{UPLOAD}}}max-file-size")
    if condition == "not-acceptable" and most is not None:
        return MediaRefused(f"The server takes files of up to {size_text(_number(most.text))}.")
    retry = answer.find(f".//{{{UPLOAD}}}retry")
    at = None if retry is None else parse_time(retry.get("stamp"))
    if condition in ("resource-constraint", "remote-server-timeout", "internal-server-error"):
        wait = 0.0 if at is None else max(0.0, (at - datetime.now(UTC)).total_seconds())
        return MediaUnreachable(f"The server does not take the file now: {said}", wait)
    return MediaRefused(f"The server does not take the file: {said}")


def _number(text: str | None) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _headers(found: Iterable[Element]) -> dict[str, str]:
    headers = {}
    for one in found:
        name, value = _HEADERS.get((one.get("name") or "").lower()), one.text or ""
        if name and not any(character < " " for character in value):
            headers[name] = value
    return headers
