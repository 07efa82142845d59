"""The media server: requests over HTTP, and requests for slots, claims and files of others over XMPP.

A file of the corpus that begins with ``<`` is what ada's client sends to upload.localhost; any other is what
somebody sends to the port for media, byte for byte. ``@BLOB@`` and ``@TOKEN@`` become the id and the token of
a slot for `SIZE` bytes, since no fuzzer can guess a signature.
"""

from __future__ import annotations

import asyncio
from functools import cache
from xml.etree import ElementTree

from kith.base.secret import Secret
from kith.core.actors.account import Session
from kith.features import ALL
from kith.media import foreign, records
from kith.media import http as media_http
from kith.media.fetching import Fetching
from kith.media.front import House, MediaConnection
from kith.media.http import MediaWeb
from kith.media.local import LocalMedia
from kith.media.proxy import Proxy
from kith.media.requests import Reserve
from kith.media.service import UploadService
from kith.media.slots import USE, Slot, sign
from kith.media.uploads import Uploads
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza
from tests.fuzz.world import Transport, World, cut
from tests.parts import ListSink

SIZE = 20
_SECRET = Secret(b"secret" * 8)
_LARGEST = 1 << 20
_STEP = 0.0005
#: How many steps nothing has to change for a request to be one that waits for more.
_STILL = 8


class MediaWorld(World):
    """A server with a folder for media."""

    def __init__(self) -> None:
        super().__init__((*ALL, UploadService, Fetching), media_free_bytes=0)
        media = self.domain.get(UploadService).media
        assert isinstance(media, LocalMedia)
        self.media, self.depot = media, media.depot
        self.do(self._open())

    async def _open(self) -> None:
        depot = self.depot
        proxy = Proxy(depot.config, depot.clock, _SECRET.key(foreign.USE))
        media_http.LINGER = 0.0
        web = MediaWeb(depot, Uploads(depot, _SECRET.key(USE)), proxy)
        await web.start()
        self.house = House(self.edge, depot, web)
        account = await self.domain.accounts.load("ada@localhost")
        assert account is not None
        jid = parse_jid("ada@localhost/fuzz")
        self.session = Session(self.domain.sessions, account, jid, ListSink())
        self.domain.sessions.open(self.session)
        await self.settle()
        self.before = len(asyncio.all_tasks())

    async def slot(self) -> tuple[str, str]:
        """A blob's id and the token to upload it."""
        slot = Slot(self.depot_id(), "1", SIZE, "image/png", self.depot.now() + 300)
        await self.media.ask(Reserve(slot.owner, "ada@localhost", slot.blob, SIZE, slot.type))
        return slot.blob, sign(slot, _SECRET.key(USE))

    def depot_id(self) -> str:
        self.number = getattr(self, "number", 0) + 1
        return f"{self.number:022d}"

    async def still(self, gone: bool) -> None:
        """Until nothing is done any more. ``gone``: nothing may even wait then."""
        quiet = 0
        for _ in range(20_000):
            tasks = len(asyncio.all_tasks())
            if tasks <= self.before:
                return
            await asyncio.sleep(_STEP)
            quiet = quiet + 1 if len(asyncio.all_tasks()) == tasks else 0
            if quiet >= _STILL and not gone:
                return
        raise AssertionError(f"something goes on: {asyncio.all_tasks()}")


@cache
def world() -> MediaWorld:
    return MediaWorld()


def run(data: bytes) -> None:
    there = world()
    there.do(_ask(there, data) if data.startswith(b"<") else _request(there, data))


async def _ask(world: MediaWorld, data: bytes) -> None:
    """An iq of a client: each has one answer, which is well-formed."""
    try:
        root = ElementTree.fromstring(data)
        stanza = Stanza.from_bytes(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        return
    if root.tag != "{jabber:client}iq" or root.get("to") != "upload.localhost" or not root.get("id"):
        return  # what streams and stanzas do otherwise is for other targets
    sink = world.session.sink
    assert isinstance(sink, ListSink)
    sink.sent.clear()
    world.session.receive(stanza)
    for _ in range(2000):
        await world.settle()
        world.session.flush()
        if sink.sent:
            break
        await asyncio.sleep(_STEP)
    for element in sink.sent:
        ElementTree.fromstring(element)


async def _request(world: MediaWorld, data: bytes) -> None:
    """What stands under the name of a blob is all of it, whatever was sent, in whatever pieces."""
    for one in (True, False):
        blob, token = await world.slot()
        sent = data.replace(b"@BLOB@", blob.encode()).replace(b"@TOKEN@", token.encode())
        transport = world.connect(lambda: MediaConnection(world.house))
        await world.feed(transport, [sent] if one else cut(sent))
        await world.still(gone=False)
        await world.hang_up(transport)
        await world.still(gone=True)
        _check(transport)
        found = await world.depot.find(blob)
        path = world.depot.blobs.path(blob)
        assert path is not None
        assert path.exists() == (found is not None and found.completed is not None)
        if path.exists():
            assert path.stat().st_size == SIZE
        elif found is not None and found.offset:
            assert found.offset <= world.depot.spool(blob).stat().st_size <= SIZE
        assert blob not in world.depot.uploading
        if found is not None:
            await world.depot.remove(blob)
            assert await world.depot.database.read(lambda db, blob=blob: records.find(db, blob)) is None


def _check(transport: Transport) -> None:
    """One or more HTTP responses, none of which says that the server has failed."""
    sent = transport.sent
    assert len(sent) < _LARGEST
    if sent:
        assert sent.startswith(b"HTTP/"), sent[:100]
    for line in sent.split(b"\r\n"):
        if line.startswith((b"HTTP/1.0 ", b"HTTP/1.1 ")):
            assert line.split(b" ")[1] not in (b"500", b"501", b"502"), sent[:300]
