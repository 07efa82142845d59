"""Serves the HTTP API with aiohttp: passes requests to the endpoints, and turns refusals into responses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from aiohttp import web

from kith.accounts.errors import REASONS, Refused
from kith.api.credentials import Credentials
from kith.api.description import describe
from kith.api.endpoint import Call, Endpoint, Problem, endpoints
from kith.api.origin import Origins
from kith.base.tasks import Tasks
from kith.config import Config
from kith.edge.edge import Edge
from kith.edge.http import fields

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_encode = msgspec.json.Encoder().encode


class API:
    """The routes below ``/api``. ``resources``: objects with methods that are marked with ``@endpoint``."""

    def __init__(
        self,
        config: Config,
        tasks: Tasks,
        edge: Edge,
        credentials: Credentials,
        resources: Sequence[object],
    ) -> None:
        self._config = config
        self._tasks = tasks
        self._edge = edge
        self._origins = Origins(edge)
        self._credentials = credentials
        self._endpoints = [endpoint for resource in resources for endpoint in endpoints(resource)]

    def add_to(self, app: web.Application) -> None:
        """Adds the routes to the application."""
        for endpoint in self._endpoints:
            app.router.add_route(endpoint.method, endpoint.path, self._handler(endpoint))
        app.router.add_get("/api/openapi.json", self._describe)

    async def _describe(self, request: web.Request) -> web.Response:
        public = self._config.public_url.rstrip("/") or "/"
        return web.Response(
            body=_encode(describe(self._endpoints, public)), content_type="application/json", headers=_HEADERS
        )

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
        self._origins.check(request)
        caller = None
        if not endpoint.open:
            caller = await self._credentials.check(request.headers.get("Authorization", ""))
            if caller is None:
                raise Refused("not-authorized", "A valid device token is needed.")
            if caller.entry.device.credential:
                raise Refused("forbidden", "A client with an app password can only chat.")
        call = Call(peer(self._edge, request), dict(request.match_info), dict(request.query), caller)
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


def peer(edge: Edge, request: web.Request) -> str:
    """The IP address of the client. If a trusted proxy passes the request on, that is not the proxy's."""
    return edge.proxies.client(request.remote or "", fields(request))
