"""Fetches files from other servers for people here, since their app connects to its own server alone.

What passes is not looked at, and mostly ciphertext. It is passed on as it comes, without holding it, within
bounds of size, time and number; only from public addresses, over TLS with a valid certificate.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import structlog
from aiohttp import hdrs, web
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import AsyncResolver
from yarl import URL

from kith.base.clock import Clock
from kith.config import Config
from kith.edge.public import PublicResolver
from kith.media.downloads import SAFE
from kith.media.foreign import NotFetchable, checked, read

logger = structlog.get_logger("kith.media")
#: Where the proxy is among the paths of the media server.
PATH = "/p/"
#: The largest answer, in bytes. What is larger is sent in segments, each of which is a small range.
MAX_BYTES = 256 * 1024 * 1024
#: How many files are fetched at once: for one account, and for all.
MAX_OWN, MAX_ALL = 6, 100
_REDIRECTS = 3
#: Seconds until another server is connected, sends its next bytes, and has sent everything.
_CONNECT, _SILENCE, _ALL = 10.0, 30.0, 900.0
_RANGE = re.compile(r"bytes=(\d{1,15}-\d{0,15}|-\d{1,15})")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15}-\d{1,15}|\*)/(\d{1,15}|\*)")
_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,200}"')
#: Statuses of answers that are passed on.
_PASSED = (200, 206, 304, 404, 410, 416)
_MOVED = (301, 302, 303, 307, 308)
_PIECE = 64 * 1024


class _Refused(Exception):
    """The file can't be fetched. ``status``: for the client; the text is for the client too."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Proxy:
    """``key``: what permissions are signed with. ``resolver``: finds addresses; None: as the settings say."""

    def __init__(
        self, config: Config, clock: Clock, key: bytes, resolver: AbstractResolver | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._key = key
        self._resolver = resolver
        self._private = config.media_proxy == "private"
        self._session: aiohttp.ClientSession | None = None
        self._owners: Counter[str] = Counter()

    def add_to(self, router: web.UrlDispatcher) -> None:
        if self._config.media_proxy != "off":
            router.add_get(PATH + "{token:[A-Za-z0-9_=-]{1,6000}}", self._get)

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        try:
            permission = read(request.match_info["token"], self._key)
        except ValueError:
            return web.Response(status=403, text="the permission is not valid\n")
        if permission.expires <= self._clock.now():
            return web.Response(status=410, text="the permission has expired; request another one\n")
        host = "?"
        try:
            with self._counted(permission.owner):
                url = checked(permission.url, self._private)
                host = url.host or host
                async with asyncio.timeout(_ALL), self._opened(request, url) as answer:
                    return await self._pass(request, answer)
        except _Refused as error:
            cause, status = str(error), error.status
        except NotFetchable as error:
            cause, status = str(error), 502
        except TimeoutError:
            cause, status = "the other server takes too long", 504
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause, status = f"the other server can't be reached: {_name(error)}", 502
        logger.info("a file on another server could not be fetched", host=host, cause=cause)
        wait = {"Retry-After": "10"} if status == 429 else {}
        return web.Response(status=status, text=f"{cause}\n", headers=wait)

    @contextmanager
    def _counted(self, owner: str) -> Iterator[None]:
        """Counts a file that is being fetched. Raises _Refused."""
        if self._owners[owner] >= MAX_OWN or self._owners.total() >= MAX_ALL:
            raise _Refused(429, "too many files are being fetched at once")
        self._owners[owner] += 1
        try:
            yield
        finally:
            self._owners[owner] -= 1
            if not self._owners[owner]:
                del self._owners[owner]

    # -- the other server -------------------------------------------------------------------------------

    @asynccontextmanager
    async def _opened(self, request: web.Request, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of the other server, after redirects. Raises _Refused, NotFetchable, ClientError."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "Kith"}
        if wanted := request.headers.get(hdrs.RANGE):
            if _RANGE.fullmatch(wanted) is None:
                raise _Refused(416, "only one range of bytes")
            headers[hdrs.RANGE] = wanted
        for _ in range(_REDIRECTS + 1):
            async with self._client().request(
                request.method, url, headers=headers, allow_redirects=False
            ) as answer:
                if answer.status not in _MOVED:
                    yield answer
                    return
                place = answer.headers.get(hdrs.LOCATION, "").partition("#")[0]
                url = checked(str(url.join(URL(place))), self._private)
        raise _Refused(502, "the other server redirects too often")

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = self._resolver or AsyncResolver(**self._name_servers())
            connector = aiohttp.TCPConnector(
                resolver=PublicResolver(resolver, self._private),
                use_dns_cache=False,
                ssl=self._context(),
                limit=MAX_ALL,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE),
                auto_decompress=False,
                trust_env=False,
                max_line_size=8190,
                max_field_size=8190,
                read_bufsize=_PIECE,
            )
        return self._session

    def _name_servers(self) -> dict[str, Any]:
        if not self._config.dns_server:
            return {}
        host, _, port = self._config.dns_server.rpartition(":")
        return {"nameservers": [host.strip("[]")], "udp_port": int(port), "tcp_port": int(port)}

    def _context(self) -> ssl.SSLContext:
        """Trusts the system's authorities, and those for other servers."""
        context = ssl.create_default_context()
        if self._config.federation_ca is not None:
            context.load_verify_locations(self._config.federation_ca)
        return context

    # -- the answer -------------------------------------------------------------------------------------

    async def _pass(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """Passes an answer on. Raises _Refused if it is not one for a file, or too large."""
        if answer.status not in _PASSED:
            raise _Refused(502, f"the other server answers {answer.status}")
        if answer.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            raise _Refused(502, "the other server has compressed the file")
        if answer.status == 206 and hdrs.RANGE not in request.headers:
            raise _Refused(502, "the other server sends a part of the file")
        length = answer.content_length
        if length is not None and length > MAX_BYTES and request.method == "GET":
            raise _Refused(413, f"the file has more than {MAX_BYTES} bytes; request a range of it")
        response = web.StreamResponse(status=answer.status, headers=_headers(answer))
        if answer.status not in (200, 206) or request.method == "HEAD":
            headers = response.headers.copy()
            headers.popall(hdrs.CONTENT_LENGTH, None)
            if request.method == "HEAD" and length is not None:
                headers[hdrs.CONTENT_LENGTH] = str(length)
            return web.Response(status=answer.status, headers=headers)
        await response.prepare(request)
        passed = 0
        try:
            async for piece in answer.content.iter_chunked(_PIECE):
                passed += len(piece)
                if passed > MAX_BYTES:
                    raise _Refused(413, "the file is too large")
                await response.write(piece)
            await response.write_eof()
        except (_Refused, aiohttp.ClientError, OSError, TimeoutError) as error:
            logger.info("a file on another server broke off", host=answer.url.host, cause=_name(error))
            if request.transport is not None:
                request.transport.abort()  # the client sees that something is missing
        return response


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """The header fields for the client: nothing of the file is ever shown by a browser itself."""
    headers = {
        **SAFE,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment",
        "Cache-Control": "private, max-age=86400",
    }
    if answer.status not in (200, 206, 304):
        headers["Cache-Control"] = "no-store"
    if answer.content_length is not None:
        headers[hdrs.CONTENT_LENGTH] = str(answer.content_length)
    for name, form in ((hdrs.CONTENT_RANGE, _CONTENT_RANGE), (hdrs.ETAG, _TAG)):
        if form.fullmatch(value := answer.headers.get(name, "")):
            headers[name] = value
    if answer.headers.get(hdrs.ACCEPT_RANGES) == "bytes" or answer.status == 206:
        headers[hdrs.ACCEPT_RANGES] = "bytes"
    return headers


def _name(error: BaseException) -> str:
    """What has happened, without the address, which is nobody's business."""
    return str(error) if isinstance(error, _Refused) else type(error).__name__
