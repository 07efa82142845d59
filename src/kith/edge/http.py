"""The HTTP port: XMPP over WebSocket, host-meta (XEP-0156), and the parts that add routes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Protocol, cast
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from kith.edge.application import HTTPApplication
from kith.edge.certificate import ascii_domain
from kith.edge.edge import Edge
from kith.edge.media_origin import CANONICAL, RELATION, canonical_origin, download_origin, origin_for
from kith.edge.proxies import Fields, is_loopback
from kith.edge.tls import peer_address
from kith.edge.webapp import MEDIA_ORIGINS
from kith.edge.websocket import WebSocketConnection
from kith.wire.serialize import escape_attribute

WEBSOCKET_PATH = "/xmpp-websocket"
_HEAD_BYTES = 16 * 1024
#: How long to wait for requests in progress when the server stops, in seconds.
_FAREWELL = 2.0
_XRD = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
_REL = "urn:xmpp:alt-connections:websocket"
#: A valid Host header (RFC 9110 §7.2), restricted to what may stand in a URL.
_HOST = re.compile(r"[A-Za-z0-9._~%:\[\]-]{1,261}")
#: For a year.
_HSTS = "max-age=31536000"
_ANYONE = {"Access-Control-Allow-Origin": "*"}


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether to log a record of aiohttp. Malformed requests are not logged: anybody could fill the log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_logger = logging.getLogger("kith.http")
_logger.addFilter(_is_ours)


def fields(request: web.Request) -> Fields:
    """The header fields of a request."""
    return lambda name: request.headers.getall(name, ())


class Part(Protocol):
    """A group of HTTP routes."""

    def add_to(self, app: web.Application) -> None:
        """Adds the routes to the application."""


class Web(HTTPApplication):
    """The HTTP side of a server, on aiohttp. ``parts`` add further routes; one of them may serve ``/``."""

    def __init__(self, edge: Edge, parts: Sequence[Part] = ()) -> None:
        self.edge = edge
        app = web.Application(client_max_size=64 * 1024)
        app.on_response_prepare.append(self._prepare)
        app.middlewares.append(self._let_in)
        app.router.add_get("/.well-known/host-meta", self._host_meta)
        app.router.add_get("/.well-known/host-meta.json", self._host_meta_json)
        app.router.add_get(WEBSOCKET_PATH, self._upgrade_required)
        app.router.add_get("/health", self._health)
        app[MEDIA_ORIGINS] = self.media_origins
        for part in parts:
            part.add_to(app)
        if all(route.resource is None or route.resource.canonical != "/" for route in app.router.routes()):
            app.router.add_get("/", self._index)
        super().__init__(
            web.AppRunner(
                app, access_log=None, keepalive_timeout=30, shutdown_timeout=_FAREWELL, logger=_logger
            )
        )

    def _websocket_url(self, request: web.Request) -> str:
        """The WebSocket URL for clients (XEP-0156 §2.2): ``wss``, unless logins without TLS are allowed.

        It names the host of the request only if that host is this server. Otherwise, somebody could make a
        cache give others a URL that leads elsewhere.
        """
        config = self.edge.config
        if config.public_url:
            return "ws" + config.public_url.removeprefix("http").rstrip("/") + WEBSOCKET_PATH
        name, port = _host(request)
        own = self._is_own_host(request, name)
        if self._is_over_tls(request):
            scheme, usual = "wss", config.https_port if request.secure else None
        elif config.allow_plaintext or not config.https_port:
            scheme, usual = "ws", config.http_port
        else:
            scheme, usual, port = "wss", config.https_port, config.https_port
        if not own:
            name, port = ascii_domain(config.domain), usual
        host = f"[{name}]" if ":" in name else name
        return f"{scheme}://{host}{f':{port}' if port is not None else ''}{WEBSOCKET_PATH}"

    def media_origin(self, request: web.Request) -> str:
        """The media server's origin for the page that this request loads, empty if there is none.

        As in `_websocket_url`, only a host of this server is repeated. Behind a proxy that speaks TLS, and
        for other hosts, it is the canonical origin.
        """
        config = self.edge.config
        name, _ = _host(request)
        proxied = self._is_over_tls(request) and not request.secure
        if proxied or not self._is_own_host(request, name):
            return canonical_origin(config)
        plain = config.allow_plaintext or self.edge.proxies.is_local(request.remote or "", fields(request))
        return origin_for(config, name, request.secure or not plain) or canonical_origin(config)

    def media_origins(self, request: web.Request) -> set[str]:
        """The origins of media that a page may connect to."""
        try:
            origins = {self.media_origin(request), canonical_origin(self.edge.config)}
            return (origins | {download_origin(self.edge.config)}) - {""}
        except web.HTTPBadRequest:
            return set()

    def _is_own_host(self, request: web.Request, name: str) -> bool:
        """Whether a host name is this server's: the domain, a name in the certificate, or this machine."""
        if name in (ascii_domain(self.edge.domain.name), "localhost") or is_loopback(name):
            return True
        transport = request.transport
        here = transport.get_extra_info("sockname") if transport is not None else None
        return (isinstance(here, tuple) and name == here[0]) or self.edge.certificates.is_for(name)

    def _is_over_tls(self, request: web.Request) -> bool:
        """Whether the client uses TLS, to this server or to a trusted proxy."""
        return request.secure or self.edge.proxies.over_tls(request.remote or "", fields(request))

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Counts a connection from a proxy for the client of the present request."""
        front = request.transport.get_protocol() if request.transport is not None else None
        if isinstance(front, FrontConnection):
            client = self.edge.proxies.client(request.remote or "", fields(request))
            if not front.move(client):
                raise web.HTTPTooManyRequests(text="Too many connections from your address.\n")
        return await handler(request)

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Adds Strict-Transport-Security (RFC 6797), so that a browser that uses TLS keeps using it."""
        name = request.host.rpartition(":")[0] or request.host
        if self._is_over_tls(request) and name != "localhost":
            response.headers["Strict-Transport-Security"] = _HSTS

    async def _host_meta(self, request: web.Request) -> web.Response:
        url = escape_attribute(self._websocket_url(request))
        link = f"<Link rel='{_REL}' href='{url}'/>"
        text = f"<?xml version='1.0' encoding='utf-8'?><XRD xmlns='{_XRD}'>{link}</XRD>"
        return web.Response(text=text, content_type="application/xrd+xml", headers=_ANYONE)

    async def _host_meta_json(self, request: web.Request) -> web.Response:
        links: list[dict[str, object]] = [{"rel": _REL, "href": self._websocket_url(request)}]
        if media := self.media_origin(request):
            properties = {CANONICAL: canonical_origin(self.edge.config)}
            links.append({"rel": RELATION, "href": media, "properties": properties})
        return web.json_response({"links": links}, headers=_ANYONE)

    async def _upgrade_required(self, request: web.Request) -> web.Response:
        raise web.HTTPUpgradeRequired(text="This is a WebSocket for XMPP (RFC 7395).\n")

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _index(self, request: web.Request) -> web.Response:
        domain = self.edge.domain.name
        return web.Response(text=f"Kith serves {domain}. Chat with an XMPP client, or with: kith chat\n")


def _host(request: web.Request) -> tuple[str, int | None]:
    """The host name and the port of the Host header. Raises HTTPBadRequest."""
    try:
        if _HOST.fullmatch(request.host) is None:
            raise ValueError
        asked = urlsplit(f"//{request.host}")
        return asked.hostname or "", asked.port
    except ValueError:
        raise web.HTTPBadRequest(text="The Host header is none.\n") from None


class FrontConnection(asyncio.Protocol):
    """Reads the head of the first request, and hands the connection to WebSocket or to aiohttp.

    It stays in front of aiohttp, so that no HTTP connection lasts longer than `auth_timeout`, whatever is
    sent over it.
    """

    __slots__ = ("_buffer", "_handler", "_limit_key", "_secure", "_transport", "_web")

    authenticated = False

    def __init__(self, web: Web, limit_key: str | None = None) -> None:
        """``limit_key``: from `ConnectionLimit.admit`, if it was called already; then TLS is used."""
        self._web = web
        self._secure = limit_key is not None
        self._buffer = b""
        self._limit_key = limit_key
        self._handler: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not the class
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        edge = self._web.edge
        if self._limit_key is None:
            peer = peer_address(transport)
            self._limit_key = edge.connection_limit.admit(edge.known(peer), edge.loop.time())
            if self._limit_key is None:
                transport.close()
                return
        edge.lobby.enter(self)

    def move(self, address: str) -> bool:
        """Counts the connection for another address. Returns False if that has too many connections."""
        if self._limit_key is None:
            return True
        limit_key = self._web.edge.connection_limit.move(self._limit_key, address)
        if limit_key is not None:
            self._limit_key = limit_key
        return limit_key is not None

    def data_received(self, data: bytes) -> None:
        if self._handler is not None:
            self._handler.data_received(data)
            return
        self._buffer += data
        if b"\r\n\r\n" not in self._buffer and len(self._buffer) < _HEAD_BYTES:
            return
        transport = self._transport
        assert transport is not None
        buffer, self._buffer = self._buffer, b""
        if _asks_for_websocket(buffer):
            head, end, rest = buffer.partition(b"\r\n\r\n")
            limit_key, self._limit_key = self._limit_key, None
            if limit_key is not None:
                self._web.edge.lobby.leave(self)
                connection = WebSocketConnection(self._web.edge, transport, self._secure, limit_key)
                transport.set_protocol(connection)
                connection.data_received(head + end)
                if rest:  # frames before the answer, which are read after it
                    connection.data_received(rest)
            return
        self._handler = self._web.handler()
        self._handler.connection_made(transport)
        self._handler.data_received(buffer)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received() if self._handler is not None else None

    def pause_writing(self) -> None:
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        limit_key, self._limit_key = self._limit_key, None
        if limit_key is not None:
            self._web.edge.lobby.leave(self)
            self._web.edge.connection_limit.release(limit_key)
        self._transport = None  # one of TLS holds the connection in turn, in a circle that is never collected
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.connection_lost(error)

    def too_late(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    make_room = too_late


def _asks_for_websocket(request: bytes) -> bool:
    head, end, _ = request.partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    path = line.split(b" ")[1:2]
    return (
        bool(end and path)
        and path[0].partition(b"?")[0] == WEBSOCKET_PATH.encode()
        and b"upgrade: websocket" in fields.lower()
    )
