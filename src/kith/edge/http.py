"""The HTTP port: WebSocket for XMPP, and where clients find it (XEP-0156 host-meta)."""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import web

from kith.edge.connection import Edge, keep_alive
from kith.edge.invites import InvitePages
from kith.edge.websocket import WebSocketConnection
from kith.wire.serialize import escape_attribute

WEBSOCKET_PATH = "/xmpp-websocket"
_HEAD_BYTES = 16 * 1024
_XRD = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
_REL = "urn:xmpp:alt-connections:websocket"
_ANYONE = {"Access-Control-Allow-Origin": "*"}


class Web:
    """The HTTP side of a server, on aiohttp."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_get("/.well-known/host-meta", self._host_meta)
        app.router.add_get("/.well-known/host-meta.json", self._host_meta_json)
        app.router.add_get(WEBSOCKET_PATH, self._upgrade_required)
        app.router.add_get("/health", self._health)
        app.router.add_get("/", self._index)
        InvitePages(edge.domain).add_to(app)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=30)

    async def start(self) -> None:
        await self._runner.setup()

    async def stop(self) -> None:
        await self._runner.cleanup()

    def handler(self) -> asyncio.Protocol:
        """An aiohttp protocol for one connection."""
        server = self._runner.server
        assert server is not None
        return server()

    def _websocket_url(self, request: web.Request) -> str:
        public = self.edge.domain.config.public_url
        if public:
            base = "ws" + public.removeprefix("http")
        else:
            forwarded = request.headers.get("X-Forwarded-Proto", "")
            base = f"{'wss' if request.secure or forwarded == 'https' else 'ws'}://{request.host}"
        return base.rstrip("/") + WEBSOCKET_PATH

    async def _host_meta(self, request: web.Request) -> web.Response:
        url = escape_attribute(self._websocket_url(request))
        link = f"<Link rel='{_REL}' href='{url}'/>"
        text = f"<?xml version='1.0' encoding='utf-8'?><XRD xmlns='{_XRD}'>{link}</XRD>"
        return web.Response(text=text, content_type="application/xrd+xml", headers=_ANYONE)

    async def _host_meta_json(self, request: web.Request) -> web.Response:
        links = [{"rel": _REL, "href": self._websocket_url(request)}]
        return web.json_response({"links": links}, headers=_ANYONE)

    async def _upgrade_required(self, request: web.Request) -> web.Response:
        raise web.HTTPUpgradeRequired(text="This is a WebSocket for XMPP (RFC 7395).\n")

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _index(self, request: web.Request) -> web.Response:
        domain = self.edge.domain.name
        return web.Response(text=f"Kith serves {domain}. Chat with an XMPP client, or with: kith chat\n")


class FrontConnection(asyncio.Protocol):
    """Looks at the head of the first request, then gives the connection to the one who answers it."""

    __slots__ = ("_buffer", "_secure", "_timer", "_transport", "_web")

    def __init__(self, web: Web, secure: bool) -> None:
        self._web = web
        self._secure = secure
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not the class
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        edge = self._web.edge
        keep_alive(transport, edge.kernel_idle)
        self._timer = edge.loop.call_later(edge.domain.config.auth_timeout, transport.abort)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        self._buffer += data
        if b"\r\n\r\n" not in self._buffer and len(self._buffer) < _HEAD_BYTES:
            return
        if self._timer is not None:
            self._timer.cancel()
        buffer, self._buffer = self._buffer, b""
        head = buffer.partition(b"\r\n\r\n")[0]
        line, _, fields = head.partition(b"\r\n")
        path = line.split(b" ")[1:2]
        if (
            path
            and path[0].partition(b"?")[0] == WEBSOCKET_PATH.encode()
            and b"upgrade: websocket" in fields.lower()
        ):
            connection = WebSocketConnection(self._web.edge, transport, self._secure)
            transport.set_protocol(connection)
            connection.data_received(buffer)
            return
        handler = self._web.handler()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(buffer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
