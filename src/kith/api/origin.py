"""Refuses requests to the HTTP API that are not encrypted, or come from a page of another site.

Since the API handles tokens, it is available only over TLS, from this machine, and through a trusted proxy
that says that the client uses TLS. Requests that are not safe (RFC 9110 §9.2.1) must not come from a page of
another origin, as far as their headers say where they come from. If they have a body, it has to be JSON,
which a page of another origin can't send without permission (Fetch, "CORS-preflight request").
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from kith.accounts.errors import Refused
from kith.edge.certificate import ascii_domain
from kith.edge.edge import Edge
from kith.edge.http import fields
from kith.edge.proxies import is_loopback

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_OWN_SITES = ("same-origin", "none")


class Origins:
    """Checks requests before anything else is done with them."""

    def __init__(self, edge: Edge) -> None:
        self._config = edge.config
        self._edge = edge
        self._domain = ascii_domain(edge.config.domain)

    def check(self, request: web.Request) -> None:
        """Raises Refused if a request may not be answered."""
        if not self._is_private(request):
            raise Refused(
                "encryption-required",
                "TLS is needed: https, or a trusted proxy that sends X-Forwarded-Proto: https.",
            )
        if request.method in _SAFE_METHODS:
            return
        if request.method in ("POST", "PUT", "PATCH") and request.content_type != "application/json":
            raise Refused("unsupported-media-type", "The Content-Type has to be application/json.")
        if not self._is_own_page(request):
            raise Refused("forbidden", "Pages of other sites can't do this.")

    def _is_private(self, request: web.Request) -> bool:
        """Whether nobody can have read the request on a network."""
        proxies, remote, named = self._edge.proxies, request.remote or "", fields(request)
        return (
            request.secure
            or proxies.over_tls(remote, named)
            or proxies.is_local(remote, named)
            or (self._config.allow_plaintext and is_loopback(remote))
        )

    def _is_own_page(self, request: web.Request) -> bool:
        """Whether a request comes from a page of this server, or not from a page at all but from an app."""
        sites = request.headers.getall("Sec-Fetch-Site", ())
        if any(site not in _OWN_SITES for site in sites):
            return False
        for origin in request.headers.getall("Origin", ()):
            try:
                parts = urlsplit(origin)
            except ValueError:
                return False
            if parts.scheme not in ("http", "https") or not self._is_own(request, parts.netloc.lower()):
                return False
        return True

    def _is_own(self, request: web.Request, netloc: str) -> bool:
        public = urlsplit(self._config.public_url).netloc.lower()
        hosts = {request.host.lower(), public, self._domain}
        if self._edge.proxies.trusts(request.remote or ""):
            hosts |= {host.strip().lower() for host in request.headers.getall("X-Forwarded-Host", ())}
        return netloc in hosts - {""}
