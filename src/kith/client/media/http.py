"""HTTP of media: which servers are asked, and how far they are trusted.

The account's own server shows the same certificate as on its stream: one of an authority, or the pinned one.
Other servers need one of an authority, and a public address: an address that a peer has sent must not make
this device ask machines of its own network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from kith.client.certificate import Pin
from kith.client.errors import LibraryMissing, MediaDamaged, MediaGone, MediaUnreachable
from kith.client.media.values import Progress

if TYPE_CHECKING:  # of the extra `media`, and slow to import
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

_CONNECT, _SILENT = 20.0, 60.0  # seconds: to connect, and without a byte
_PORTION: Final = 256 * 1024
_MOST_REDIRECTS, _ATTEMPTS = 5, 6


def libraries() -> Any:
    """The module `aiohttp`. Raises LibraryMissing."""
    try:
        import aiohttp
        import aiotus  # noqa: F401
    except ImportError as error:
        raise LibraryMissing(
            f"Files need the library {error.name}. Install it with: pip install 'kith[media]'"
        ) from None
    return aiohttp


class MediaHTTP:
    """Requests to media servers, from the first one until `close`."""

    def __init__(
        self, domain: str, host: str | None, pin: Pin, insecure: bool, proxy: str | None = None
    ) -> None:
        """``domain``: of the account. ``host``: where its server is, if DNS is not to be asked."""
        self._domain = domain
        self._host = host
        self._pin = pin
        self._insecure = insecure
        self._proxy = proxy
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self.origins: set[str] = set()
        """Further origins of which the own server has said that they are its media server."""

    async def close(self) -> None:
        """Closes all connections."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    def is_own(self, url: str) -> bool:
        """Whether an address is of our own server."""
        parts = urlsplit(url)
        return parts.hostname == self._domain or f"{parts.scheme}://{parts.netloc}" in self.origins

    def note_origin(self, url: str) -> None:
        """The own server has given an address, so its origin is that of its media server."""
        parts = urlsplit(url)
        if len(self.origins) < 16:
            self.origins.add(f"{parts.scheme}://{parts.netloc}")

    def session(self, own: bool) -> aiohttp.ClientSession:
        """For requests to the own server, or to others. Raises LibraryMissing."""
        found = self._sessions.get(own)
        if found is None:
            found = self._sessions[own] = self._open(own)
        return found

    def _open(self, own: bool) -> aiohttp.ClientSession:
        aiohttp = libraries()
        from kith.client.media.checksums import with_checksums

        if self._proxy is None:
            connector = aiohttp.TCPConnector(resolver=_resolver(own, self._domain, self._host), limit=16)
        else:
            from aiohttp_socks import ProxyConnector

            connector = ProxyConnector.from_url(self._proxy, rdns=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENT)
        return aiohttp.ClientSession(  # type: ignore[no-any-return]
            connector=connector,
            timeout=timeout,
            middlewares=(with_checksums,),
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    def tls(self, url: str) -> Any:
        """The argument ``ssl`` for a request. Raises MediaUnreachable if the address is not secure."""
        parts = urlsplit(url)
        own = self.is_own(url)
        if parts.scheme != "https" and not (self._insecure and (own or _is_loopback(parts.hostname))):
            raise MediaUnreachable(f"{parts.hostname} would send files without encryption (no https).")
        if own and self._insecure:
            return False
        known = self._pin.known
        if own and known not in (None, "ca"):
            return libraries().Fingerprint(bytes.fromhex(str(known)))
        return True

    async def fetch(
        self, url: str, most: int, progress: Progress | None = None, start: int = 0
    ) -> AsyncIterator[bytes]:
        """The bytes of a file from ``start`` on, which ends at ``most`` at the latest. A connection that is
        lost is taken up again.

        Raises MediaGone, MediaDamaged (there are more), and MediaUnreachable.
        """
        aiohttp = libraries()
        got, failures, validator, total = start, 0, "", 0
        while True:
            before = got
            try:
                async with AsyncExitStack() as stack:
                    answer = await self._get(stack, url, got, validator)
                    validator = answer.headers.get("ETag", "")
                    skip = got if answer.status == 200 else 0  # it knows no ranges, so all comes again
                    total = (answer.content_length or 0) + (got if answer.status == 206 else 0)
                    if total > most:
                        raise MediaDamaged("The file is larger than its description says.")
                    async for data in answer.content.iter_chunked(_PORTION):
                        data, skip = data[skip:], max(0, skip - len(data))
                        if not data:
                            continue
                        got += len(data)
                        if got > most:
                            raise MediaDamaged("The file is larger than its description says.")
                        yield data
                        if progress is not None:
                            progress(got, total)
                if not total or got >= total:
                    return
                reason = "the connection was lost"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = str(error) or type(error).__name__
            except _Later as error:
                reason = str(error)
            failures = 0 if got > before else failures + 1
            if failures >= _ATTEMPTS:
                raise MediaUnreachable(f"The file could not be fetched: {reason}.")
            await asyncio.sleep(min(0.2 * 2**failures, 10.0))

    async def _get(
        self, stack: AsyncExitStack, url: str, start: int, validator: str
    ) -> aiohttp.ClientResponse:
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-"} | ({"If-Range": validator} if validator else {})
        own = self.is_own(url)
        for _ in range(_MOST_REDIRECTS):
            _check_address(url, own)
            request = self.session(own).get(url, headers=headers, ssl=self.tls(url), allow_redirects=False)
            answer = await stack.enter_async_context(request)
            if answer.status in (301, 302, 303, 307, 308):
                url = urljoin(url, answer.headers.get("Location", ""))
                continue
            if answer.status in (404, 410):
                raise MediaGone("The server does not have the file any more.")
            if answer.status == 206 and not _begins_at(answer.headers.get("Content-Range", ""), start):
                raise MediaUnreachable("The server answers with another part of the file.")
            if answer.status in (200, 206):
                return answer
            if answer.status in (408, 425, 429) or answer.status >= 500:
                raise _Later(f"the server answers {answer.status}")
            raise MediaUnreachable(f"The server does not give the file (HTTP {answer.status}).")
        raise MediaUnreachable("The server redirects too often.")


class _Later(Exception):
    """The server may answer later."""


def _begins_at(content_range: str, start: int) -> bool:
    return content_range.startswith(f"bytes {start}-")


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _check_address(url: str, own: bool) -> None:
    """Raises MediaUnreachable if a host of others is given by an address that is not public."""
    try:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return  # a name: the resolver checks what it stands for
    if not own and not _is_public(str(address)):
        raise MediaUnreachable("The file is at an address that is not public.")


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return address.is_global and not address.is_multicast and (mapped is None or mapped.is_global)


def _resolver(own: bool, domain: str, host: str | None) -> AbstractResolver:
    from aiohttp import ThreadedResolver

    class Resolver(ThreadedResolver):
        """Leads to the own server where the user says that it is, and to public addresses of others only."""

        async def resolve(
            self, name: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            wanted = host if own and host and name == domain else name
            found = await super().resolve(wanted, port, family)
            if own:
                return found
            public = [one for one in found if _is_public(one["host"])]
            if not public:
                raise OSError(f"{name} has no public address")
            return public

    return Resolver()
