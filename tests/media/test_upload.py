"""XEP-0363: clients that Kith did not write upload files, and everybody who knows the address gets them."""

from __future__ import annotations

import gzip
import io
import os

import aiohttp
import pytest

from tests.conftest import RunningServer
from tests.features.slix import connected
from tests.media.uploading import SERVICE, UPLOAD, Uploader

CLIENT = "{jabber:client}"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


@pytest.mark.parametrize("purpose", [None, "profile"])
async def test_a_foreign_client_finds_the_service_and_uploads(
    media: RunningServer, purpose: str | None
) -> None:
    content = os.urandom(300_000)
    async with connected(media.port, "ada@localhost/a", available=False) as client:
        client.register_plugin("xep_0363")
        url = await client.plugin["xep_0363"].upload_file(
            "a photo.jpg", input_file=io.BytesIO(content), purpose=purpose
        )
        assert client.plugin["xep_0363"].max_file_size == 2**31
    assert url.startswith(f"http://127.0.0.1:{media.media_http_port}/m/")
    assert url.endswith("/a_photo.jpg")
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert (answer.status, answer.content_type) == (200, "image/jpeg")
        assert await answer.read() == content


async def test_what_was_not_uploaded_is_not_there(ada: Uploader) -> None:
    slot = await ada.slot(10)
    async with aiohttp.ClientSession() as http:
        for url in (slot.get, slot.get.replace(slot.blob, "A" * 22), slot.get.replace(slot.blob, "..%2f..")):
            async with http.get(url) as answer:
                assert answer.status == 404


async def test_a_file_that_is_too_large_is_refused_with_the_bound(ada: Uploader) -> None:
    answer = await ada.ask("get", f"<request xmlns='{UPLOAD[1:-1]}' filename='a' size='{2**31 + 1}'/>")
    error = answer.find(f"{CLIENT}error")
    assert error is not None
    assert error.find(f"{STANZAS}not-acceptable") is not None
    assert error.findtext(f"{UPLOAD}file-too-large/{UPLOAD}max-file-size") == str(2**31)


@pytest.mark.parametrize(
    "attributes",
    ["filename='a'", "size='1'", "filename='' size='1'", "filename='a' size='-1'", "filename='a' size='x'"],
)
async def test_a_request_without_name_or_size_is_a_bad_request(ada: Uploader, attributes: str) -> None:
    answer = await ada.ask("get", f"<request xmlns='{UPLOAD[1:-1]}' {attributes}/>", SERVICE)
    assert answer.find(f"{CLIENT}error/{STANZAS}bad-request") is not None


async def test_a_file_is_put_once_and_as_long_as_the_slot_says(ada: Uploader) -> None:
    slot = await ada.slot(4)
    async with aiohttp.ClientSession() as http:
        for data, status in ((b"123", 413), (b"12345", 413), (b"1234", 201), (b"4321", 409)):
            async with http.put(slot.put, data=data, headers=slot.headers) as answer:
                assert answer.status == status
        async with http.get(slot.get) as answer:
            assert await answer.read() == b"1234"


async def test_only_who_has_the_token_of_the_slot_may_upload(ada: Uploader) -> None:
    slot, other = await ada.slot(4), await ada.slot(4)
    forged = slot.headers["Authorization"][:-3] + "AAA"
    async with aiohttp.ClientSession() as http:
        for headers in ({}, other.headers, {"Authorization": forged}, {"Authorization": "Basic YTpi"}):
            async with http.put(slot.put, data=b"1234", headers=headers) as answer:
                assert answer.status == 403
                assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_page_of_another_origin_may_upload_and_read(ada: Uploader) -> None:
    slot = await ada.slot(4)
    asked = {
        "Origin": "https://chat.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,upload-offset,upload-checksum,tus-resumable",
    }
    async with aiohttp.ClientSession() as http:
        async with http.options(slot.tus, headers=asked) as answer:
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
            allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
            assert set(asked["Access-Control-Request-Headers"].split(",")) <= set(allowed)
        async with http.put(slot.put, data=b"1234", headers=slot.headers) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with http.get(slot.get) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


async def test_the_web_app_finds_the_media_server(media: RunningServer) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{media.http_port}/.well-known/host-meta.json") as answer,
    ):
        links = {link["rel"]: link for link in (await answer.json())["links"]}
    origin = media.environ["KITH_MEDIA_URL"]
    assert links["urn:kith:media:0"]["href"] == origin
    assert links["urn:kith:media:0"]["properties"] == {"urn:kith:media:0#canonical": origin}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZip, identity"])
async def test_a_compressed_upload_is_refused_and_nothing_unpacks_it(ada: Uploader, encoding: str) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    slot = await ada.slot(len(bomb))
    tus = {**slot.headers, "Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    more = {"Content-Encoding": encoding, "Upload-Offset": "0"}
    async with aiohttp.ClientSession() as http:
        async with http.put(slot.put, data=bomb, headers=slot.headers | more) as answer:
            assert answer.status == 415
        async with http.patch(slot.tus, data=bomb, headers=tus | more) as answer:
            assert answer.status == 415
        async with http.get(slot.get) as answer:
            assert answer.status == 404
