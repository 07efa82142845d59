"""Addresses signed for a CDN, checked by other code than ours: botocore, OpenSSL, and a real nginx."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from kith.media.cdn import HMAC, CloudFront, DeliveredBlobs, make_signer
from kith.ports.blobs import BlobError, Serving
from tests.clocks import SetClock
from tests.conftest import RunningServer, free_ports
from tests.media.conftest import serving
from tests.media.uploading import Uploader

EXAMPLES = Path(__file__).parents[2] / "packaging" / "proxies"
URL = "https://d111.cloudfront.net/kith/AAAAAAAAAAAAAAAAAAAAAA"
UNTIL = 1_800_000_000
SECRET = "0123456789abcdef0123456789abcdef"
OCTETS = Serving("application/octet-stream", "attachment")


def pem(key: Any) -> bytes:
    made: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def decoded(text: str) -> bytes:
    return base64.b64decode(text.translate(str.maketrans("-_~", "+=/")))


def expect_valid_for_openssl(folder: Path, key: Any, url: str, policy: bytes) -> None:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signature = parse_qs(urlsplit(url).query)["Signature"][0]
    for name, data in (("key", public), ("signature", decoded(signature)), ("policy", policy)):
        (folder / name).write_bytes(data)
    command = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "policy"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout == "Verified OK\n"
    (folder / "policy").write_bytes(policy + b" ")
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode != 0


def test_a_canned_policy_is_signed_as_amazons_own_code_does_it(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey
) -> None:
    url = CloudFront("K2JCJMDEHXQW5F", pem(rsa_key)).sign(URL, UNTIL)
    theirs = CloudFrontSigner(
        "K2JCJMDEHXQW5F", lambda policy: rsa_key.sign(policy, padding.PKCS1v15(), hashes.SHA256())
    )
    until = datetime.datetime.fromtimestamp(UNTIL, datetime.UTC)
    expected = theirs.generate_presigned_url(URL, date_less_than=until)
    # SHA-1 is what CloudFront takes without being told
    assert url == expected + "&Hash-Algorithm=SHA256"
    policy = theirs.build_policy(URL, until).encode()
    expect_valid_for_openssl(tmp_path, rsa_key, url, policy)


@pytest.mark.parametrize("custom", [False, True])
def test_an_ecdsa_key_signs_both_kinds_of_policy(tmp_path: Path, custom: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    url = CloudFront("K2", pem(key), custom).sign(URL, UNTIL)
    query = parse_qs(urlsplit(url).query)
    expected = b'{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%d}}}]}' % (
        URL.encode(),
        UNTIL,
    )
    if custom:
        assert decoded(query["Policy"][0]) == expected
        assert "Expires" not in query
    else:
        assert query["Expires"] == [str(UNTIL)]
        assert "Policy" not in query
    assert query["Key-Pair-Id"] == ["K2"]
    assert query["Hash-Algorithm"] == ["SHA256"]
    expect_valid_for_openssl(tmp_path, key, url, expected)


def test_a_custom_policy_says_from_when_and_from_where(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    url = CloudFront("K2", pem(rsa_key)).sign(URL, UNTIL, since=UNTIL - 60, network="192.0.2.0/24")
    policy = decoded(parse_qs(urlsplit(url).query)["Policy"][0])
    theirs = CloudFrontSigner("K2", lambda policy: b"").build_policy(
        URL,
        datetime.datetime.fromtimestamp(UNTIL, datetime.UTC),
        date_greater_than=datetime.datetime.fromtimestamp(UNTIL - 60, datetime.UTC),
        ip_address="192.0.2.0/24",
    )
    assert json.loads(policy) == json.loads(theirs)
    expect_valid_for_openssl(tmp_path, rsa_key, url, policy)


@pytest.mark.parametrize("key", [b"", b"no key", pem(ed25519.Ed25519PrivateKey.generate())])
def test_a_key_that_is_of_no_use_is_found_at_the_start(tmp_path: Path, key: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(key)
    for kind in ("cloudfront", "cloudfront-custom") + (("hmac",) if len(key) < 16 else ()):
        with pytest.raises(BlobError, match="media_cdn_key"):
            make_signer(kind, "K2", file)
    with pytest.raises(BlobError, match="can't read"):
        make_signer("hmac", "", tmp_path / "nothing")


def test_an_hmac_is_what_openssl_computes() -> None:
    url = HMAC(SECRET.encode()).sign("https://files.example.org/o/AAAAAAAAAAAAAAAAAAAAAA", UNTIL)
    signed, _, signature = url.removeprefix("https://files.example.org").partition("&signature=")
    assert signed == f"/o/AAAAAAAAAAAAAAAAAAAAAA?expires={UNTIL}"
    command = ["openssl", "dgst", "-sha256", "-hmac", SECRET, "-binary"]
    digest = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
    assert signature == base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_all_addresses_of_an_hour_are_the_same_and_valid_for_hours() -> None:
    clock = SetClock(UNTIL)
    blobs = DeliveredBlobs(
        Nothing(),  # type: ignore[arg-type]
        "https://files.example.org/o/",
        HMAC(SECRET.encode()),
        clock,
    )
    first = await blobs.address("A" * 22, OCTETS)
    assert first is not None
    until = int(parse_qs(urlsplit(first).query)["expires"][0])
    for later, same in ((0, True), (until % 3600 + 10, True), (3599, True), (3600, False)):
        clock.time = UNTIL - UNTIL % 3600 + later
        assert (await blobs.address("A" * 22, OCTETS) == first) is same
        assert until - clock.now() > 4 * 3600
    with pytest.raises(ValueError, match="id of a blob"):
        await blobs.address("../../x", OCTETS)


class Nothing:
    """A store that is never asked."""

    start = stop = put = size = remove = path = free = None


# -- a real CDN -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the nginx of the example before its files."""
    folder = tmp_path_factory.mktemp("cdn")
    (folder / "secret").write_text(SECRET + "\n")
    (port,) = free_ports(1)
    own = {
        "media_cdn_url": f"http://127.0.0.1:{port}",
        "media_cdn_kind": "hmac",
        "media_cdn_key": str(folder / "secret"),
    }
    with serving(folder / "data", **own) as server, nginx(folder, port, server.media_http_port):
        yield server
        assert "level=error" not in server.log.read_text()


@contextlib.contextmanager
def nginx(folder: Path, port: int, origin: int) -> Iterator[None]:
    """The example of packaging/proxies, without TLS, on a port of its own."""
    text = (EXAMPLES / "nginx-cdn.conf").read_text()
    text = re.sub(r"    (ssl_certificate|listen \[::\]).*\n", "", text)
    for old, new in (
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port};"),
        ("/etc/nginx/;", f"{folder}/;"),
        ("127.0.0.1:8081", f"127.0.0.1:{origin}"),
        ("/var/cache/nginx/kith", str(folder / "cache")),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "cdn.conf").write_text(text)
    shutil.copy(EXAMPLES / "nginx-cdn.js", folder / "kith-cdn.js")
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        "load_module /usr/lib/nginx/modules/ngx_http_js_module.so;\n"
        f"user root; daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off;\n{paths}include {folder}/cdn.conf;\n}}\n"
    )
    assert shutil.which("/usr/sbin/nginx"), "nginx is missing: tests/interop/debian-packages.txt"
    command = ["/usr/sbin/nginx", "-e", "stderr", "-c", str(folder / "nginx.conf")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait(port, process, folder / "log")
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nginx did not start:\n{log.read_text()}")


async def test_files_come_from_the_cache_of_a_real_nginx(ada: Uploader) -> None:
    data = os.urandom(9_000_000)
    slot = await ada.put(data, name="film.mp4", type="video/mp4")
    async with aiohttp.ClientSession() as http:
        for hit in ("MISS", "HIT"):
            async with http.get(slot.get) as answer:
                assert answer.status == 200, await answer.text()
                assert await answer.read() == data
                assert answer.headers["X-Cache-Status"] == hit
                assert answer.headers["Content-Type"] == "video/mp4"
                assert answer.headers.getall("Access-Control-Allow-Origin") == ["*"]
                assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        async with http.get(slot.get, headers={"Range": "bytes=5000000-5000009"}) as answer:
            assert (answer.status, await answer.read()) == (206, data[5_000_000:5_000_010])
            assert answer.headers["X-Cache-Status"] == "HIT"
        async with http.head(slot.get, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(data)))


async def test_a_changed_or_missing_or_old_signature_is_refused_by_nginx(ada: Uploader) -> None:
    slot = await ada.put(b"x" * 100)
    other = await ada.put(b"y" * 100)
    async with aiohttp.ClientSession() as http:
        async with http.get(slot.get, allow_redirects=False) as answer:
            assert answer.status == 302
            good = answer.headers["Location"]
        place, _, query = good.partition("?")
        expires = int(parse_qs(query)["expires"][0])
        signer = HMAC(SECRET.encode())
        wrong = [
            place,
            good.replace(slot.blob, other.blob),
            good.replace(f"expires={expires}", f"expires={expires + 1}"),
            good[:-2] + ("AA" if not good.endswith("AA") else "BB"),
            good + "x",
            good + "&expires=9999999999",
            signer.sign(place, int(time.time()) - 1),
            HMAC(b"another secret of enough bytes").sign(place, expires),
            place.replace("/o/", "/m/") + "?" + query,
            place.replace("/o/", "/o/../u/") + "?" + query,
        ]
        for url in wrong:
            async with http.get(url) as answer:
                assert answer.status in (403, 404), url
                assert await answer.read() != b"x" * 100
        async with http.get(good) as answer:
            assert await answer.read() == b"x" * 100
        async with http.get(signer.sign(place, int(time.time()) + 60)) as answer:
            assert answer.status == 200


async def test_what_is_not_there_is_not_redirected(ada: Uploader) -> None:
    slot = await ada.slot(10)
    async with aiohttp.ClientSession() as http:
        for url in (slot.get, slot.get.replace(slot.blob, "A" * 22)):
            async with http.get(url, allow_redirects=False) as answer:
                assert answer.status == 404
