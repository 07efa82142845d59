"""XEP-0363: HTTP File Upload at ``upload.DOMAIN``, with claims and quotas (docs/media.md).

The service gives accounts of this server slots: signed permissions with which they upload to the media
server, which may be another process or machine.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.ids import parse_stamp
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.base.secret import Secret
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.account import Account
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.hosts import Hosts
from kith.edge.media_origin import canonical_origin
from kith.features.disco import Identity, item
from kith.features.forms import Field, build_form
from kith.media.connection import make_media, shared_secret
from kith.media.departures import Departures
from kith.media.requests import (
    Claim,
    GetUsage,
    MakeClaims,
    MediaUnreachable,
    Refusal,
    Release,
    Rename,
    Reply,
    Request,
    Reserve,
    Usage,
)
from kith.media.slots import USE, VALID, Slot, sign
from kith.ports.blobs import is_blob_id
from kith.ports.store import Store
from kith.wire import ns
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_REQUEST = ns.tag(ns.UPLOAD, "request")
_RESUMABLE = ns.tag(ns.MEDIA, "resumable")
_CLAIM = ns.tag(ns.MEDIA, "claim")
_RELEASE = ns.tag(ns.MEDIA, "release")
_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_OCTETS = "application/octet-stream"
#: How many slots, and how many other requests, one account gets at once, and then in each minute.
SLOTS_PER_MINUTE = 240
REQUESTS_PER_MINUTE = 600
#: How many claims one request may make or release.
MAX_CLAIMS = 100
_NAME_BYTES = 100
#: What files may be for (XEP-0363 §6): profile pictures and permanent files stay until they are released.
_PURPOSES = ("message", "profile", "ephemeral", "permanent")
#: How often accounts are looked for that do not exist any more, in seconds.
_LOOK_EVERY = 3600.0


def safe_name(name: str) -> str:
    """The part of an address that is made of a file's name. The end of it stays, for its extension."""
    return _UNSAFE.sub("_", name)[-_NAME_BYTES:].lstrip(".") or "file"


class UploadService(Feature):
    """The service at ``upload.DOMAIN``."""

    service = "upload"

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        randomness: Randomness,
        secret: Secret,
        store: Store,
        hosts: Hosts,
        tasks: Tasks,
    ) -> None:
        self._config = config
        self._domain = domain
        self._clock = clock
        self._randomness = randomness
        self._hosts = hosts
        self._tasks = tasks
        self._key = shared_secret(config, secret).key(USE)
        self._address = f"{self.service}.{domain.name}"
        self._slots = RateLimit(SLOTS_PER_MINUTE, 60.0)
        self._requests = RateLimit(REQUESTS_PER_MINUTE, 60.0)
        #: The media server that this service speaks for.
        self.media = make_media(config, clock, randomness, secret)
        self._departures = Departures(self.media, store)

    async def start(self) -> None:
        await self.media.start()
        self._tasks.repeat(self._departures.look, _LOOK_EVERY)

    async def stop(self) -> None:
        await self.media.stop()

    # -- slots ------------------------------------------------------------------------------------------

    @handles_iq("get", ns.UPLOAD, "request", to="service")
    async def slot(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Gives a slot for one file (XEP-0363 §4)."""
        account = _account(sender)
        request = iq.child(_REQUEST)
        assert request is not None
        name, size = request.get("filename", ""), _size(request)
        if not name:
            raise StanzaError("bad-request", "the file needs a name")
        type = request.get("content-type", "").partition(";")[0].strip().lower()
        claim, until, lasting = self._wishes(request)
        self._limit(self._slots, account)
        slot = Slot(
            blob=self._randomness.token(16),
            owner=str(account.id),
            size=size,
            type=type if _MIME.fullmatch(type) else _OCTETS,
            expires=int(self._clock.now()) + VALID,
            claim=claim,
            until=until,
        )
        wanted = Reserve(slot.owner, account.jid, slot.blob, size, slot.type, claim, until, lasting)
        await self._ask(wanted)
        return (self._answer(slot, safe_name(name), resumable=request.find(_RESUMABLE) is not None),)

    def _wishes(self, request: Element) -> tuple[bytes, int | None, bool]:
        """What a request says of the owner's claim: its hash, its end, and whether it never ends."""
        resumable = request.find(_RESUMABLE)
        text, until, lasting = "", None, False
        if resumable is not None:
            text = resumable.get("claim", "")
            until = self._until(resumable.get("until"))
        for purpose in request:
            if purpose.tag == ns.tag(ns.UPLOAD_PURPOSE, "ephemeral"):
                until = self._until(purpose.get("expire-before"))
            elif purpose.tag in (
                ns.tag(ns.UPLOAD_PURPOSE, "profile"),
                ns.tag(ns.UPLOAD_PURPOSE, "permanent"),
            ):
                lasting = True
        return _bytes(text, hashlib.sha256().digest_size) if text else b"", until, lasting

    def _until(self, text: str | None) -> int | None:
        """The time when a claim ends, in seconds since 1970. Raises StanzaError."""
        if not text:
            return None
        try:
            until = int(parse_stamp(text).timestamp())
        except (ValueError, OverflowError):
            raise StanzaError("bad-request", "not a time") from None
        if until <= self._clock.now():
            raise StanzaError("bad-request", "this time is over")
        return until

    def _answer(self, slot: Slot, name: str, resumable: bool) -> Element:
        origin = canonical_origin(self._config)
        answer = Element(ns.tag(ns.UPLOAD, "slot"))
        put = SubElement(answer, ns.tag(ns.UPLOAD, "put"), {"url": f"{origin}/u/{slot.blob}/{name}"})
        header = SubElement(put, ns.tag(ns.UPLOAD, "header"), {"name": "Authorization"})
        header.text = f"Bearer {sign(slot, self._key)}"
        SubElement(answer, ns.tag(ns.UPLOAD, "get"), {"url": f"{origin}/m/{slot.blob}/{name}"})
        if resumable:
            SubElement(answer, _RESUMABLE, {"url": f"{origin}/u/{slot.blob}", "blob": slot.blob})
        return answer

    # -- claims -----------------------------------------------------------------------------------------

    @handles_iq("set", ns.MEDIA, "claim", to="service")
    @handles_iq("set", ns.MEDIA, "claims", to="service")
    async def claim(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Makes claims to blobs that the account forwards: all of them, or none."""
        account = _account(sender)
        self._limit(self._requests, account)
        claims = [
            Claim(_blob(one), _bytes(one.get("secret", "")), self._until(one.get("until")))
            for one in _some(iq, _CLAIM)
        ]
        await self._ask(MakeClaims(str(account.id), account.jid, claims))
        return ()

    @handles_iq("set", ns.MEDIA, "release", to="service")
    @handles_iq("set", ns.MEDIA, "releases", to="service")
    async def release(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Gives up claims: all of them, or none if one does not exist."""
        account = _account(sender)
        self._limit(self._requests, account)
        await self._ask(Release(str(account.id), [_blob(one) for one in _some(iq, _RELEASE)]))
        return ()

    @handles_iq("get", ns.MEDIA, "usage", to="service")
    async def usage(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Says how much the account uses of its quotas, in bytes."""
        account = _account(sender)
        self._limit(self._requests, account)
        used = await self._ask(GetUsage(str(account.id)))
        assert isinstance(used, Usage)
        values = {"bytes": used.bytes, "of": used.most, "today": used.today, "daily": used.daily}
        values["file"] = used.file
        return (Element(ns.tag(ns.MEDIA, "usage"), {name: str(value) for name, value in values.items()}),)

    # -- the media server -------------------------------------------------------------------------------

    def _limit(self, rate: RateLimit, account: Account) -> None:
        now = self._clock.steady()
        if not rate.take(account.id, now):
            raise self._wait("too many requests", int(rate.wait(account.id, now)) + 1)

    async def _ask(self, request: Request) -> Reply:
        """Asks the media server. Raises StanzaError if it refuses, or does not answer."""
        try:
            reply = await self.media.ask(request)
        except MediaUnreachable as error:
            self._tasks.failed("the media server does not answer", error)
            raise self._wait("the media server does not answer", 60) from None
        if isinstance(reply, Refusal):
            raise self._refused(reply)
        return reply

    def _refused(self, refusal: Refusal) -> StanzaError:
        """The error for a refusal (XEP-0363 §5)."""
        match refusal.reason:
            case "file":
                large = Element(ns.tag(ns.UPLOAD, "file-too-large"))
                SubElement(large, ns.tag(ns.UPLOAD, "max-file-size")).text = str(refusal.most)
                text = f"the file is too large; files may have up to {refusal.most} bytes"
                return StanzaError("not-acceptable", text, application=large)
            case "account":
                text = f"your files here would have more than {refusal.most} bytes; delete some"
                return StanzaError("policy-violation", text)
            case "day":
                return self._wait(f"you may upload {refusal.most} bytes per day", refusal.wait)
            case "missing":
                return StanzaError("item-not-found", "there is no such file, or it is not yours to claim")
            case "rate":
                return self._wait("too many uploads have been begun and not finished", refusal.wait)
        return self._wait("the server has no room for files at the moment", max(refusal.wait, 1))

    def _wait(self, text: str, seconds: int) -> StanzaError:
        """An error with the time from which on the client may try again."""
        at = datetime.fromtimestamp(int(self._clock.now()) + seconds, UTC)
        stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        retry = Element(ns.tag(ns.UPLOAD, "retry"), {"stamp": stamp})
        return StanzaError("resource-constraint", text, application=retry)

    # -- accounts ---------------------------------------------------------------------------------------

    async def account_deleted(self, account: JID) -> None:
        self._tasks.spawn(self._departures.look_at(account.bare))

    async def accounts_changed(self) -> None:
        self._tasks.spawn(self._departures.look())

    async def account_moved(self, account: Account, left: Account) -> None:
        self._tasks.spawn(self._rename(account))

    async def _rename(self, account: Account) -> None:
        try:
            await self.media.ask(Rename(str(account.id), account.jid))
        except MediaUnreachable as error:  # the next slot or claim says it again
            self._tasks.failed("the media server does not know an account's new address", error)

    # -- discovery --------------------------------------------------------------------------------------

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Refuses messages; ignores presence (`kith.core.routing.hosts.Host`)."""
        if stanza.kind == "message" and stanza.type != "error":
            raise StanzaError("service-unavailable")

    def disco_items(self, to: JID) -> Sequence[Element]:
        here = to == self._domain.jid and self._hosts.here(self._address) is self
        return (item(self._address, name="Files"),) if here else ()

    def service_disco(self) -> tuple[Sequence[Identity], Sequence[str]]:
        purposes = (f"{ns.UPLOAD_PURPOSE}#{purpose}" for purpose in _PURPOSES)
        return (Identity("store", "file", "Files"),), (ns.UPLOAD, *purposes, ns.MEDIA)

    def service_forms(self) -> Sequence[Element]:
        """The size of the largest file (XEP-0363 §3)."""
        most = Field("max-file-size", (str(self._config.media_file_bytes),))
        return (build_form("result", ns.UPLOAD, (most,)),)


def _account(sender: Sender) -> Account:
    """The account of a sender. Raises StanzaError if it is not one of this server."""
    if sender.account is None:
        raise StanzaError("not-allowed", "only accounts of this server may upload files")
    return sender.account


def _some(iq: Stanza, tag: str) -> Sequence[Element]:
    """The element of a request, or those within its element, all of one name. Raises StanzaError."""
    request = iq.element[0]
    found = [request] if request.tag == tag else list(request)
    if not 0 < len(found) <= MAX_CLAIMS or any(one.tag != tag for one in found):
        raise StanzaError("bad-request", f"1 to {MAX_CLAIMS} of one kind")
    return found


def _size(request: Element) -> int:
    try:
        return natural(request.get("size", ""))
    except ValueError:
        raise StanzaError("bad-request", "the size is not a number") from None


def _blob(element: Element) -> str:
    blob = element.get("blob", "")
    if not is_blob_id(blob):
        raise StanzaError("bad-request", "not the id of a file")
    return blob


def _bytes(text: str, length: int | None = None) -> bytes:
    """The bytes of a text in base64url, with or without padding. Raises StanzaError."""
    try:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}=*", text):
            raise ValueError
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise StanzaError("bad-request", "not base64url") from None
    if length is not None and len(data) != length:
        raise StanzaError("bad-request", f"not {length} bytes")
    return data
