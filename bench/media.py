"""Files over HTTP: Kith beside nginx and Prosody's file share, all with one core, over plain HTTP.

    python bench/media.py [get] [put] [small] [slow]

CPU is the server's. ``small``: files of 4 KB over 16 connections that stay. ``slow``: 200 clients that read
25 KB/s each of a large file, while two people write to each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
from lab import (
    Peer,
    Server,
    add_users,
    environment,
    free_port,
    listening,
    load_on_other_core,
    on_core,
    serving,
)
from others import PROSODY, _running

from kith.accounts.secret import ensure_secret
from kith.base.randomness import Randomness
from kith.media.slots import USE, Slot, sign

LARGE = int(os.environ.get("BENCH_LARGE_MB", "1024")) * 1024 * 1024
SMALL = 4096
#: More than fit into memory that Kith has for small ones.
FILES = 4500
_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; client_max_body_size 0;
  types {{ }} default_type application/octet-stream;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}; root {folder}/root;
    location /u/ {{ dav_methods PUT; create_full_put_path on; }}
    location /kith-files/ {{ internal; alias {blobs}/; }}
    location /m/ {{
      proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


_PROSODY = (
    PROSODY
    + """
https_ports = {{}}
http_default_host = "share.localhost"
modules_enabled = {{ "roster", "saslauth", "disco", "carbons", "mam", "smacks" }}
modules_disabled = {{ "s2s", "limits", "tls" }}
VirtualHost "localhost"
Component "share.localhost" "http_file_share"
  http_file_share_size_limit = 4 * 1024 * 1024 * 1024
  http_file_share_daily_quota = 1024 * 1024 * 1024 * 1024
"""
)


class Peer_(NamedTuple):
    """A server of files: where small and large ones are, and how a file is put there."""

    server: Server
    paths: list[str]
    large: str
    put: Callable[[int], tuple[str, dict[str, str]]]
    #: The port for messages; 0 if it has none.
    messages: int = 0
    #: Where its blobs are.
    blobs: Path = Path()


def request(method: str, path: str, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode()


def connect(port: int) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def head_of(wire: socket.socket) -> tuple[bytes, bytes]:
    """The head of an answer, and what came of its content."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = wire.recv(65536)
        if not piece:
            raise ConnectionError(data)
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def length(head: bytes) -> int:
    return next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))


def get(port: int, path: str, buffer: bytearray) -> int:
    """Downloads a file. Returns its size."""
    with connect(port) as wire:
        wire.sendall(request("GET", path))
        head, rest = head_of(wire)
        assert b" 200 " in head, head
        size = got = length(head)
        got = len(rest)
        while got < size:
            count = wire.recv_into(buffer)
            if not count:
                raise ConnectionError("cut")
            got += count
    return size


def put(port: int, path: str, headers: dict[str, str], source: Path) -> None:
    size = source.stat().st_size
    with connect(port) as wire, source.open("rb") as file:
        wire.sendall(request("PUT", path, Content_Length=str(size), **headers))
        wire.sendfile(file)
        head, _ = head_of(wire)
        assert b" 201 " in head or b" 204 " in head, head


def measured(server: Server, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of the server's CPU."""
    cpu, start = server.cpu(), time.perf_counter()
    work()
    return time.perf_counter() - start, server.cpu() - cpu


class Asking:
    """A connection that stays, with one request at a time on it."""

    def __init__(self, port: int, paths: list[str], count: int) -> None:
        self.wire = connect(port)
        self.left = count
        self._asks = itertools.cycle([request("GET", path) for path in paths])
        self.wire.sendall(next(self._asks))
        head, rest = head_of(self.wire)
        self._whole = len(head) + 4 + length(head)
        left = self._whole - len(head) - 4 - len(rest)
        while left:
            left -= len(self.wire.recv(left))
        self._got = 0

    def read(self) -> None:
        data = self.wire.recv(65536)
        if not data:
            raise ConnectionError("cut")
        self._got += len(data)
        if self._got >= self._whole:
            self._got = 0
            self.left -= 1
            if self.left:
                self.wire.sendall(next(self._asks))


def many(port: int, paths: list[str], count: int, connections: int = 16) -> None:
    """Requests over connections that stay, one at a time on each."""
    with selectors.DefaultSelector() as selector:
        for number in range(connections):
            one = Asking(port, paths[number::connections] or paths, count // connections)
            selector.register(one.wire, selectors.EVENT_READ, one)
            one.left -= 1
            one.wire.sendall(request("GET", paths[0]))
        while selector.get_map():
            for key, _ in selector.select():
                key.data.read()
                if not key.data.left:
                    selector.unregister(key.fileobj)
                    key.data.wire.close()


@contextlib.contextmanager
def kith(folder: Path, source: Path, **settings: str) -> Iterator[Peer_]:
    folder.mkdir()
    port = free_port()
    environ = environment(
        folder / "data",
        media_http_port=str(port),
        media_day_bytes="0",
        media_account_bytes="0",
        media_free_bytes="0",
        **settings,
    )
    (folder / "data").mkdir()
    add_users(environ, 2)
    with serving(environ) as process:
        key = ensure_secret(folder / "data" / "secret", Randomness(), time.time()).key(USE)
        listening(port)

        def slot(size: int) -> tuple[str, dict[str, str]]:
            name = Randomness().token(16)
            token = sign(Slot(name, "1", size, "image/jpeg", int(time.time()) + 300), key)
            return f"/u/{name}/a.jpg", {"Authorization": f"Bearer {token}"}

        paths = []
        small = folder / "small"
        small.write_bytes(os.urandom(SMALL))
        for _ in range(FILES):
            path, headers = slot(SMALL)
            put(port, path, headers, small)
            paths.append(path.replace("/u/", "/m/"))
        path, headers = slot(source.stat().st_size)
        put(port, path, headers, source)
        large = path.replace("/u/", "/m/")
        server, messages = Server("Kith", port, process), int(environ["KITH_XMPP_PORT"])
        yield Peer_(server, paths, large, slot, messages, folder / "data" / "media" / "blobs")


@contextlib.contextmanager
def nginx(folder: Path, source: Path, blobs: Path | None = None, behind: int = 1) -> Iterator[Peer_]:
    (folder / "root" / "m").mkdir(parents=True)
    for number in range(FILES):
        (folder / "root" / f"f{number}").write_bytes(os.urandom(SMALL))
    os.link(source, folder / "root" / "large")
    port = free_port()
    text = _NGINX.format(folder=folder, port=port, blobs=blobs or folder, behind=behind)
    (folder / "nginx.conf").write_text(("user root; " if os.geteuid() == 0 else "") + text)
    process = subprocess.Popen([*on_core(), "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        listening(port)
        server = Server("nginx", port, psutil.Process(process.pid))
        names = iter(range(10**6))
        yield Peer_(
            server,
            [f"/f{number}" for number in range(FILES)],
            "/large",
            lambda size: (f"/u/{next(names)}", {}),
        )
    finally:
        process.terminate()
        process.wait(20)


def no_put(size: int) -> tuple[str, dict[str, str]]:
    raise NotImplementedError


@contextlib.contextmanager
def prosody(folder: Path, source: Path) -> Iterator[Peer_]:
    """Prosody's file share, to which files are uploaded with slots of XEP-0363."""
    accounts = folder / "data" / "localhost" / "accounts"
    accounts.mkdir(parents=True)
    for number in range(2):
        (accounts / f"u{number}.dat").write_text('return {\n\t["password"] = "secret";\n};\n')
    port, http = free_port(), free_port()
    config = folder / "prosody.cfg.lua"
    config.write_text(_PROSODY.format(folder=folder, port=port, http=http))
    with _running("Prosody", ["prosody", "--config", str(config), "-F"], folder, port) as server:
        listening(http)

        def slot(size: int) -> tuple[str, dict[str, str]]:
            return asyncio.run(_prosody_slot(port, size))

        small = folder / "small"
        small.write_bytes(os.urandom(SMALL))
        paths = []
        for _ in range(50):
            path, headers = slot(SMALL)
            put(http, path, headers, small)
            paths.append(path)
        path, headers = slot(source.stat().st_size)
        put(http, path, headers, source)
        yield Peer_(replace(server, port=http), paths, path, slot, server.port)


async def _prosody_slot(port: int, size: int) -> tuple[str, dict[str, str]]:
    peer = await Peer("u0").login(port)
    asked = (
        "<iq type='get' id='slot' to='share.localhost'><request xmlns='urn:xmpp:http:upload:0'"
        f" filename='a.jpg' size='{size}' content-type='image/jpeg'/></iq>"
    )
    answer = (await peer.say(asked, b"</iq>")).decode()
    peer.transport.close()
    found = re.search(r"<put[^>]*url='([^']*)'.*?>(Bearer [^<]*)</header>", answer, re.DOTALL)
    assert found is not None, answer
    return urlsplit(found[1]).path, {"Authorization": found[2], "Content-Type": "image/jpeg"}


def bench_get(one: Peer_, source: Path) -> str:
    buffer = bytearray(1024 * 1024)
    get(one.server.port, one.large, buffer)
    runs = [measured(one.server, lambda: get(one.server.port, one.large, buffer)) for _ in range(3)]
    return _rates("GET", runs)


def bench_put(one: Peer_, source: Path) -> str:
    def once() -> None:
        path, headers = one.put(source.stat().st_size)
        put(one.server.port, path, headers, source)

    return _rates("PUT", [measured(one.server, once) for _ in range(3)])


def _rates(name: str, runs: list[tuple[float, float]]) -> str:
    seconds, cpu = (sorted(values)[len(values) // 2] for values in zip(*runs, strict=True))
    mb = LARGE / 1e6
    return f"{name} {mb:.0f} MB: {seconds:.2f} s, CPU {cpu:.3f} s, {mb / cpu:.0f} MB per second of CPU"


def bench_small(one: Peer_, source: Path) -> str:
    said = []
    for name, paths in (("different", one.paths), ("cached", one.paths[:16])):
        many(one.server.port, paths, 9000)
        count = 32_000
        seconds, cpu = measured(one.server, lambda: many(one.server.port, paths, count))  # noqa: B023
        each = cpu / count
        said.append(
            f"4 KB, {name}: {count / seconds:.0f}/s, CPU {each * 1e6:.1f} µs, {1 / each:.0f}/s of CPU"
        )
    return "\n    ".join(said)


def bench_slow(one: Peer_, source: Path) -> str:
    """200 clients that read slowly, while two people write to each other."""
    return asyncio.run(_slow(one))


async def _slow(one: Peer_) -> str:
    loop = asyncio.get_running_loop()
    quiet = await _latency(one.messages) if one.messages else 0.0
    before = one.server.memory()
    wires = []
    for _ in range(200):
        wire = socket.socket()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        wire.setblocking(False)
        await loop.sock_connect(wire, ("127.0.0.1", one.server.port))
        await loop.sock_sendall(wire, request("GET", one.large))
        wires.append(wire)

    async def read(wire: socket.socket) -> None:
        while True:
            await loop.sock_recv(wire, 5000)
            await asyncio.sleep(0.2)

    readers = [asyncio.create_task(read(wire)) for wire in wires]
    await asyncio.sleep(3)
    cpu, start = one.server.cpu(), time.perf_counter()
    busy = await _latency(one.messages) if one.messages else (await asyncio.sleep(10)) or 0.0
    share = (one.server.cpu() - cpu) / (time.perf_counter() - start)
    more = one.server.memory() - before
    for task in readers:
        task.cancel()
    for wire in wires:
        wire.close()
    said = f"200 slow clients: {more / 2**20:.1f} MiB more, {100 * share:.0f} % of a core"
    if one.messages:
        said += f", messages p99 {busy * 1000:.1f} ms ({quiet * 1000:.1f} ms without)"
    return said


async def _latency(port: int) -> float:
    """The time from one person to another that 99 of 100 messages take at most."""
    ben, ada = await Peer("u1").login(port), await Peer("u0").login(port)
    took = []
    for number in range(400):
        start = time.perf_counter()
        ada.write(f"<message type='chat' to='u1@localhost' id='m{number}'><body>Hello</body></message>")
        await ben.until(b"</message>")
        took.append(time.perf_counter() - start)
        await asyncio.sleep(0.02)
    for peer in (ada, ben):
        peer.transport.close()
    return sorted(took)[len(took) * 99 // 100]


BENCHES = {"slow": bench_slow, "get": bench_get, "put": bench_put, "small": bench_small}


class Both:
    """Kith behind nginx, measured together."""

    name = "Kith behind nginx (X-Accel-Redirect)"

    def __init__(self, kith: Server, front: Server) -> None:
        self._servers = kith, front
        self.port = front.port

    def cpu(self) -> float:
        return sum(server.cpu() for server in self._servers)


def show(one: Peer_, wanted: list[str], source: Path) -> None:
    print(one.server.name)
    for name in wanted:
        if name != "put" or one.put is not no_put:
            print("   ", BENCHES[name](one, source), flush=True)


def main(wanted: list[str]) -> None:
    wanted = wanted or [*BENCHES]
    folder = Path(tempfile.mkdtemp(prefix="media-", dir=os.environ.get("BENCH_DIR")))
    try:
        source = folder / "source"
        with source.open("wb") as file:
            for _ in range(LARGE // 2**20):
                file.write(os.urandom(2**20))
        with load_on_other_core():
            for make in (kith, nginx, prosody):
                with make(folder / make.__name__, source) as one:
                    show(one, wanted, source)
            if "get" in wanted:
                with (
                    kith(folder / "behind", source, media_accel="/kith-files") as own,
                    nginx(folder / "before", source, own.blobs, own.server.port) as front,
                ):
                    both = Both(own.server, front.server)
                    show(own._replace(server=both), ["get"], source)  # type: ignore[arg-type]
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
