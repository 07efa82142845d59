"""A media server in a process of its own, with a folder and a database of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.media.control import PATH
from kith.media.remote import RemoteMedia
from kith.media.requests import GetOwners, Owners
from kith.media.signing import NONCE, SIGNATURE, TIME, Gatekeeper, Unsigned, sign_answer, sign_request
from tests.conftest import RunningServer, free_ports
from tests.media.uploading import Uploader, claim

SECRET = "0123456789abcdef" * 3


class MediaRole(RunningServer):
    """`kith serve --role media`."""

    arguments = ("serve", "--role", "media")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, MediaRole]]:
    """A message server and its media server."""
    folder = tmp_path_factory.mktemp("alone")
    (control,) = free_ports(1)
    files = MediaRole(folder / "files", media_secret=SECRET, media_control_port=str(control))
    files.port = control
    url = f"http://127.0.0.1:{files.media_http_port}"
    messages = RunningServer(
        folder / "data",
        media_secret=SECRET,
        media_control_url=f"http://127.0.0.1:{control}",
        media_url=url,
        media_account_bytes="5000",
    )
    files.environ["KITH_MEDIA_ACCOUNT_BYTES"] = "5000"
    files.environ["KITH_DNS_SERVER"] = "127.0.0.1:9"  # which does not answer
    files.http_port = files.media_http_port
    files.start()
    messages.start()
    try:
        for name in ("ada", "ben"):
            messages.add_user(name)
        yield messages, files
    finally:
        messages.kill()
        files.kill()


async def test_people_upload_to_it_and_it_believes_their_slots(pair: tuple[RunningServer, MediaRole]) -> None:
    messages, files = pair
    content = os.urandom(1000)
    slot = await Uploader(messages, "ada").put(content)
    async with aiohttp.ClientSession() as http, http.get(slot.get) as answer:
        assert await answer.read() == content
    assert not (messages.data_dir / "media").exists()
    assert list((files.data_dir / "media" / "blobs").glob(f"*/{slot.blob}"))
    assert not (files.data_dir / "kith.sqlite").exists()
    assert not (files.data_dir / "secret").exists()


async def test_quotas_and_claims_hold_between_the_two(pair: tuple[RunningServer, MediaRole]) -> None:
    messages, _ = pair
    ben, ada = Uploader(messages, "ben"), Uploader(messages, "ada")
    secret, hashed = claim()
    slot = await ben.put(b"x" * 4000, resumable=f"claim='{hashed}'")
    usage = (await ben.ask("get", "<usage xmlns='urn:kith:media:0'/>"))[0]
    assert (usage.get("bytes"), usage.get("of")) == ("4000", "5000")
    refused = await ben.ask("get", "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='1001'/>")
    assert "policy-violation" in refused[-1][0].tag
    one = f"<claim xmlns='urn:kith:media:0' blob='{slot.blob}' secret='{secret}'/>"
    assert (await ada.ask("set", one)).get("type") == "result"
    several = f"<claims xmlns='urn:kith:media:0'>{one}{one.replace(secret, hashed)}</claims>"
    assert "item-not-found" in (await ada.ask("set", several))[-1][0].tag
    own = f"<releases xmlns='urn:kith:media:0'><release blob='{slot.blob}'/></releases>"
    assert (await ben.ask("set", own)).get("type") == "result"
    assert (await ada.ask("set", own)).get("type") == "result"
    assert "item-not-found" in (await ada.ask("set", own))[-1][0].tag


async def test_while_it_is_away_people_are_told_to_try_again(pair: tuple[RunningServer, MediaRole]) -> None:
    messages, files = pair
    files.kill()
    try:
        ada = Uploader(messages, "ada")
        refused = await ada.ask("get", "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/>")
        assert "resource-constraint" in refused[-1][0].tag
        assert any("retry" in one.tag for one in refused[-1])
    finally:
        files.start()
    await Uploader(messages, "ada").put(b"x")


async def test_the_control_port_answers_only_who_has_the_secret(
    pair: tuple[RunningServer, MediaRole],
) -> None:
    import time

    _, files = pair
    url = f"http://127.0.0.1:{files.port}/control"
    body = b'{"kind":"GetUsage","owner":"1"}'
    now, nonce, key = str(int(time.time())), "n" * 22, b"another key"
    async with aiohttp.ClientSession() as http:
        for headers in ({}, {TIME: now, NONCE: nonce, SIGNATURE: sign_request(key, now, nonce, body)}):
            async with http.post(url, data=body, headers=headers) as answer:
                assert answer.status == 403
                assert b"bytes" not in await answer.read()


def test_a_signed_request_is_accepted_once_and_while_it_is_new() -> None:
    key, gate = b"k" * 32, Gatekeeper(b"k" * 32)
    signature = sign_request(key, "1000", "n", b"body")
    gate.check("1000", "n", signature, b"body", 1030)
    for time, nonce, body, now in (
        ("1000", "n", b"body", 1030),  # again
        ("1000", "m", b"body", 1030),  # another nonce
        ("1001", "n", b"body", 1030),  # another time
        ("1000", "n", b"other", 1030),
        ("1000", "n", b"body", 1061),  # too late
        ("1000", "n", b"body", 939),  # from the future
    ):
        with pytest.raises(Unsigned):
            gate.check(time, nonce, signature, body, now)
    for time, nonce, text in (
        ("1000", "\udcff", signature),
        ("1000", "n2", "\udcff"),
        ("\udcff", "n2", signature),
    ):
        with pytest.raises(Unsigned):  # as aiohttp decodes bytes that are not UTF-8
            gate.check(time, nonce, text, b"body", 1030)
    for number in range(100):  # what it remembers does not grow for ever
        time = str(2000 + 10 * number)
        gate.check(time, "x", sign_request(key, time, "x", b""), b"", int(time)) if number % 20 == 0 else None
    assert len(gate._seen) < 5


async def test_an_answer_that_comes_in_pieces_is_read_to_its_end() -> None:
    key, owners = b"k" * 32, Owners([("1", "ada@localhost"), ("2", "ben@localhost")])
    content = msgspec.json.encode(owners)

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={SIGNATURE: sign_answer(key, request.headers[NONCE], content)})
        await answer.prepare(request)
        for piece in (content[:20], content[20:]):
            await answer.write(piece)
            await asyncio.sleep(0.05)
        return answer

    app = web.Application()
    app.router.add_post(PATH, slow)
    async with TestServer(app) as server:
        media = RemoteMedia(str(server.make_url("")), key, Clock(), Randomness())
        await media.start()
        try:
            assert await media.ask(GetOwners()) == owners
        finally:
            await media.stop()


def test_it_does_not_start_without_the_secret(tmp_path: Path) -> None:
    done = MediaRole(tmp_path / "data").kith("serve", "--role", "media", check=False, timeout=20)
    assert done.returncode == 2
    assert "media_secret" in done.stderr


async def test_it_believes_the_permissions_to_get_files_from_other_servers(
    pair: tuple[RunningServer, MediaRole],
) -> None:
    messages, files = pair
    file = "https://files.example.org/a.jpg"
    answer = await Uploader(messages, "ada").ask("get", f"<fetch xmlns='urn:kith:media:0' url='{file}'/>")
    url = answer[0].get("url") or ""
    assert url.startswith(f"http://127.0.0.1:{files.media_http_port}/p/")
    async with aiohttp.ClientSession() as http:
        async with http.get(url) as got:
            assert got.status == 502  # the permission is good; nobody is there
        async with http.get(url[:-3] + "AAA") as got:
            assert got.status == 403
