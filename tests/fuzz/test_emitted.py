"""All that a running server emits is read alike by expat, ElementTree and libxml2, as it was meant."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from kith.wire.errors import StreamError
from kith.wire.parser import ParserPool, StreamParser
from kith.wire.stanza import Stanza
from tests.conftest import RunningServer
from tests.fuzz.run import CORPUS
from tests.fuzz.stanza import by_elementtree, by_expat, by_libxml2
from tests.fuzz.world import HEADER
from tests.raw import RawClient, online
from tests.wire.wire_streams import feed_all, tree

_MAM = "urn:xmpp:mam:2"
_END = b"</stream:stream>"


def _well_formed(data: bytes) -> list[Stanza]:
    events = feed_all(StreamParser(ParserPool()), [HEADER + data])
    if any(isinstance(event, StreamError) for event in events):
        return []
    return [event for event in events if isinstance(event, Stanza) and event.kind]


def _recording(client: RawClient) -> bytearray:
    """What a client receives from here on, as bytes."""
    seen = bytearray()
    feed = client._parser.feed

    def record(data: Any) -> None:
        seen.extend(data)
        feed(data)

    client._parser.feed = record  # type: ignore[method-assign]
    return seen


async def test_what_arrives_live_as_a_copy_and_from_the_archive_is_read_alike(server: RunningServer) -> None:
    for name in ("alice", "bob"):
        server.add_user(name)
    sender, receiver = await online(server.port, "alice"), await online(server.port, "bob", "r")
    other = await online(server.port, "bob", "o")
    await other.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    seen, copied = _recording(receiver), _recording(other)
    sent = []
    for file in sorted((CORPUS / "stanza").iterdir()):
        raw = file.read_bytes().replace(b"a@b", b"bob@localhost/r")
        stanzas = [stanza for stanza in _well_formed(raw) if stanza.attrs.get("to") == "bob@localhost/r"]
        if not stanzas or b" from='bob" in raw or by_libxml2(HEADER + raw + _END) is None:
            continue  # libxml2 wants namespaces to be URIs
        sender._writer.write(raw)
        sent += [stanza for stanza in stanzas if stanza.kind == "message"]
    await sender.ping()
    for client in (receiver, other):
        await client.ping()
        await client.result("set", f"<query xmlns='{_MAM}'/>")
    await asyncio.sleep(0)
    documents = [
        b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>%b</stream:stream>"
        % bytes(received)
        for received in (seen, copied)
    ]
    for document in documents:
        assert b"<![CDATA[" not in document
        meant = by_expat(document)
        assert by_elementtree(document) == meant
        assert by_libxml2(document) == meant
    # the server's own reading of what it was sent is what each of them shows
    shown = [
        tree(element)[3]
        for element in ElementTree.fromstring(documents[0]).iter()
        if element.tag == "{jabber:client}message"
    ]
    texts = [[child for child, _ in children] for children in shown]
    assert len(sent) > 20
    for stanza in sent:
        meant_children = [tree(child) for child in stanza.element]
        kept = [child for child in meant_children if child[0] not in _TAKEN_OUT]
        if kept:
            assert any(all(child in children for child in kept) for children in texts), stanza.inner
    for client in (sender, receiver, other):
        client.abort()


#: By `kith.core.routing.asserted`.
_TAKEN_OUT = {"{urn:xmpp:carbons:2}received", "{urn:xmpp:carbons:2}sent"}


@pytest.mark.parametrize("file", sorted((CORPUS / "stanza").iterdir()), ids=lambda file: file.name)
def test_the_corpus_is_in_bounds(file: Path) -> None:
    """Both the server's tests and the web app's read it."""
    assert 0 < file.stat().st_size < 8192
