"""Behind nginx, with the example of `packaging/proxies`: nginx sends the files, and Kith says which."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import RunningServer, free_ports
from tests.media.conftest import serving
from tests.media.uploading import Uploader

EXAMPLE = Path(__file__).parents[2] / "packaging" / "proxies" / "nginx-media.conf"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server behind nginx; ``media_url`` leads to nginx."""
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("needs nginx")
    folder = tmp_path_factory.mktemp("accel")
    (port,) = free_ports(1)
    settings = {"media_url": f"http://127.0.0.1:{port}", "media_accel": "/kith-files"}
    with serving(folder / "data", **settings) as server:
        text = EXAMPLE.read_text()
        for old, new in (
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{port};"),
            ("    listen [::]:443 ssl http2;\n", ""),
            ("127.0.0.1:8081", f"127.0.0.1:{server.media_http_port}"),
            ("/var/lib/kith/media/blobs/", f"{server.data_dir}/media/blobs/"),
        ):
            assert old in text
            text = text.replace(old, new)
        text = "".join(line for line in text.splitlines(True) if "ssl_" not in line)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        user = "user root; " if not os.geteuid() else ""
        (folder / "nginx.conf").write_text(
            f"{user}daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;\n"
            f"events {{}}\nhttp {{ access_log off; {paths}\n{text}\n}}\n"
        )
        with (folder / "log").open("wb") as log:
            command = ["/usr/sbin/nginx", "-e", "stderr", "-c", str(folder / "nginx.conf")]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(400):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield server
        finally:
            process.terminate()
            process.wait(20)


async def test_nginx_sends_what_kith_names(proxied: RunningServer) -> None:
    content = os.urandom(300_000)
    slot = await Uploader(proxied, "ada").put(content, type="image/jpeg")
    async with aiohttp.ClientSession() as http:
        async with http.get(slot.get) as answer:
            assert await answer.read() == content
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "immutable" in answer.headers["Cache-Control"]
            assert "X-Accel-Redirect" not in answer.headers
        async with http.get(slot.get, headers={"Range": "bytes=10-19"}) as answer:
            assert (answer.status, await answer.read()) == (206, content[10:20])
            assert answer.headers["Content-Range"] == "bytes 10-19/300000"
            tag = answer.headers["ETag"]
            assert "-" in tag  # it is nginx that has looked at the range
        async with http.get(slot.get, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        async with http.head(slot.get) as answer:
            assert answer.headers["Content-Length"] == "300000"
        async with http.get(slot.get.replace("/m/", "/kith-files/")) as answer:
            assert answer.status == 404
        async with http.get(slot.get.replace(slot.blob, "A" * 22)) as answer:
            assert answer.status == 404


async def test_an_upload_continues_through_nginx(proxied: RunningServer) -> None:
    slot = await Uploader(proxied, "ada").slot(10)
    part = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"} | slot.headers
    async with aiohttp.ClientSession() as http:
        for at, data in ((0, b"01234"), (5, b"56789")):
            async with http.patch(slot.tus, data=data, headers=part | {"Upload-Offset": str(at)}) as answer:
                assert answer.status == 204
        async with http.get(slot.get) as answer:
            assert await answer.read() == b"0123456789"
