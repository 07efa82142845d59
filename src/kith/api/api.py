"""Serves an HTTP API with aiohttp: passes requests to the endpoints, and turns refusals into responses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec
from aiohttp import web

from kith.accounts.errors import REASONS, Refused
from kith.api.credentials import Credentials
from kith.api.description import Document, describe
from kith.api.endpoint import Call, Caller, Endpoint, Operator, Problem, endpoints
from kith.api.origin import Origins
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.sessions.bans import Bans
from kith.edge.edge import Edge
from kith.edge.http import fields

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_encode = msgspec.json.Encoder().encode


class Admission(Protocol):
    """Decides who may use an API."""

    async def admit(self, request: web.Request, endpoint: Endpoint) -> Call:
        """The call that a request is, if whoever makes it may use the endpoint. Raises Refused."""


class DeviceAdmission:
    """Admits the devices of accounts, and everybody to endpoints that need no login."""

    def __init__(self, edge: Edge, credentials: Credentials, bans: Bans) -> None:
        self._edge = edge
        self._bans = bans
        self._origins = Origins(edge)
        self._credentials = credentials

    async def admit(self, request: web.Request, endpoint: Endpoint) -> Call:
        self._origins.check(request)
        caller = None
        if not endpoint.open:
            caller = await self._credentials.check(request.headers.get("Authorization", ""))
            if caller is None:
                raise Refused("not-authorized", "A valid device token is needed.")
            address = peer(self._edge, request)
            ban = self._bans.of_account(caller.record.id, caller.record.jid) or self._bans.of_address(address)
            if ban is not None:
                raise Refused("account-disabled" if ban.kind != "network" else "banned", ban.text)
            if caller.entry.device.credential:
                raise Refused("forbidden", "A client with an app password can only chat.")
        return call(self._edge, request, caller)


class API:
    """The routes of one API. ``resources``: objects with methods that are marked with ``@endpoint``."""

    def __init__(
        self,
        config: Config,
        tasks: Tasks,
        admission: Admission,
        resources: Sequence[object],
        document: Document,
    ) -> None:
        self._config = config
        self._tasks = tasks
        self._admission = admission
        self._document = document
        self._described = "", b""  # for which public URL, and the description
        self._endpoints = [endpoint for resource in resources for endpoint in endpoints(resource)]

    def add_to(self, app: web.Application) -> None:
        """Adds the routes to the application."""
        app.router.add_get(self._document.path, self._describe)
        for endpoint in self._endpoints:
            app.router.add_route(endpoint.method, endpoint.path, self._handler(endpoint))

    async def _describe(self, request: web.Request) -> web.Response:
        return web.Response(body=self.description(), content_type="application/json", headers=_HEADERS)

    def description(self) -> bytes:
        """The OpenAPI description, as JSON. It is made once, since that takes a tenth of a second."""
        public = self._config.public_url.rstrip("/") or "/"
        if self._described[0] != public:
            self._described = public, _encode(describe(self._endpoints, public, self._document))
        return self._described[1]

    def _handler(self, endpoint: Endpoint) -> web.Handler:  # type: ignore[name-defined]
        async def handle(request: web.Request) -> web.Response:
            try:
                return await self._answer(endpoint, request)
            except Refused as error:
                return _refusal(error)
            except web.HTTPRequestEntityTooLarge:
                return _problem(413, Problem("too-large", "The request is too large."))
            except Exception as error:
                self._tasks.failed("request failed", error)
                return _problem(500, Problem("internal", "Something went wrong on the server."))

        return handle

    async def _answer(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        call = await self._admission.admit(request, endpoint)
        body = await request.read() if endpoint.takes is not None else b""
        result = await endpoint(call, body)
        if result is None:
            return web.Response(status=204, headers=_HEADERS)
        return web.Response(
            status=endpoint.status, body=_encode(result), content_type="application/json", headers=_HEADERS
        )


def _refusal(error: Refused) -> web.Response:
    wait = math.ceil(error.wait) if error.wait else None
    silence = math.ceil(error.silence) if error.silence is not None else None
    problem = Problem(error.reason, error.text, wait, error.left, error.proof, silence)
    response = _problem(REASONS[error.reason], problem)
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    if error.reason == "not-authorized":
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _problem(status: int, problem: Problem) -> web.Response:
    return web.Response(
        status=status, body=_encode(problem), content_type="application/json", headers=_HEADERS
    )


def call(
    edge: Edge, request: web.Request, caller: Caller | None = None, operator: Operator | None = None
) -> Call:
    """A request that was admitted."""
    parameters = dict(request.match_info), dict(request.query)
    return Call(peer(edge, request), *parameters, caller, operator)


def peer(edge: Edge, request: web.Request) -> str:
    """The IP address of the client. If a trusted proxy passes the request on, that is not the proxy's."""
    return edge.proxies.client(request.remote or "", fields(request))
