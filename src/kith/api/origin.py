"""Which requests the HTTP API takes at all: how they have come, and from what page.

The API takes and gives tokens, so it answers only over TLS, to this machine, or to a trusted proxy that says
that the client came to it over TLS. What changes something, were it only that a text message is sent, has to
be JSON, which no page of another origin can send unasked (Fetch, "CORS-preflight"), and must not say that it
is from such a page.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from kith.accounts.errors import Refused
from kith.edge.certificate import ascii_domain
from kith.edge.connection import Edge
from kith.edge.http import fields
from kith.edge.proxies import is_loopback

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_OWN_SITES = ("same-origin", "none")


class Origins:
    """Checks requests before anything is done for them."""

    def __init__(self, edge: Edge) -> None:
        config = edge.config
        self._edge = edge
        self._allow_plaintext = config.allow_plaintext
        self._domain = ascii_domain(config.domain)
        self._public = urlsplit(config.public_url).netloc.lower() if config.public_url else ""

    def check(self, request: web.Request) -> None:
        """Raises Refused."""
        if not self._is_private(request):
            raise Refused(
                "encryption-required",
                "This needs TLS: https, or a trusted proxy that says X-Forwarded-Proto: https.",
            )
        if request.method in _SAFE_METHODS:
            return
        if request.method in ("POST", "PUT", "PATCH") and request.content_type != "application/json":
            raise Refused("unsupported-media-type", "The request has to be of the type application/json.")
        if not self._is_own_page(request):
            raise Refused("forbidden", "Pages of other sites can't do this.")

    def _is_private(self, request: web.Request) -> bool:
        """Whether nobody on a network can have read it."""
        proxies, remote, named = self._edge.proxies, request.remote or "", fields(request)
        return (
            request.secure
            or proxies.over_tls(remote, named)
            or proxies.is_local(remote, named)
            or (self._allow_plaintext and is_loopback(remote))
        )

    def _is_own_page(self, request: web.Request) -> bool:
        """Whether it is from no page (an app, a program), or from one of this server."""
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
        hosts = {request.host.lower(), self._public, self._domain}
        if self._edge.proxies.trusts(request.remote or ""):
            hosts |= {host.strip().lower() for host in request.headers.getall("X-Forwarded-Host", ())}
        return netloc in hosts - {""}
