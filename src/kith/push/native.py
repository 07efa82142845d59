"""What FCM and APNs have in common: HTTP/2, a token of the server, and answers that are JSON.

httpx keeps one connection to each host, over which all pushes go.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kith.base.clock import Clock
from kith.config import Config
from kith.push.carrier import Later, Wake
from kith.push.registration import Registration
from kith.push.retry_after import seconds
from kith.push.web_push import content, encrypted

if TYPE_CHECKING:  # of the extra native-push, and only imported where there are keys for it
    import httpx

#: How long a push service keeps a push for a device that is off, in seconds, as with Web Push.
TTL = 7 * 86400
#: What a push may bring: a new one replaces the one before.
COLLAPSE = "new"
#: Seconds for a request, and to connect.
_TIMEOUT, _CONNECT = 20.0, 10.0
#: All pushes to a host share a connection; a second one is for when it has ended.
_CONNECTIONS = 2
#: The longest answer that is read, in bytes.
_ANSWER = 16 * 1024


class NativeError(Exception):
    """The settings of a push service are wrong: a key can't be read, or it is refused."""


class Answer:
    """The answer of a push service. ``body``: its JSON, or an empty object. ``wait``: seconds, or 0."""

    def __init__(self, status: int, body: dict[str, Any], wait: float) -> None:
        self.status = status
        self.body = body
        self.wait = wait


class Line:
    """Requests to one push service."""

    def __init__(self, config: Config, clock: Clock, name: str) -> None:
        self._ca = config.push_ca
        self._clock = clock
        self._name = name
        self._client: httpx.AsyncClient | None = None

    def _open(self) -> httpx.AsyncClient:
        import httpx

        context = ssl.create_default_context()
        if self._ca is not None:
            context.load_verify_locations(self._ca)
        return httpx.AsyncClient(
            http2=True,
            verify=context,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(_TIMEOUT, connect=_CONNECT),
            limits=httpx.Limits(max_connections=_CONNECTIONS, keepalive_expiry=300.0),
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Posts to the service. Raises Later if it does not answer.

        A request that the service has not processed, since it was closing the connection, is sent once more.
        """
        import httpx

        if self._client is None:
            self._client = self._open()
        try:
            try:
                return await self._post(self._client, url, headers, body)
            except httpx.RemoteProtocolError:
                return await self._post(self._client, url, headers, body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Later(f"{self._name} does not answer ({type(error).__name__})") from None

    async def _post(
        self, client: httpx.AsyncClient, url: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        content = bytearray()
        async with asyncio.timeout(_TIMEOUT):
            async with client.stream("POST", url, headers=headers, content=body) as answer:
                async for piece in answer.aiter_raw():
                    content += piece
                    if len(content) > _ANSWER:
                        break
        try:
            found = json.loads(content)
        except ValueError:
            found = {}
        wait = seconds(answer.headers.get("Retry-After"), self._clock.now())
        return Answer(answer.status_code, found if isinstance(found, dict) else {}, wait)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def signed(claims: dict[str, Any], key: str, algorithm: str, headers: dict[str, str]) -> str:
    """A JSON Web Token (RFC 7519). Raises NativeError if the key does not fit."""
    import jwt

    try:
        return str(jwt.encode(claims, key, algorithm=algorithm, headers=headers))
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise NativeError(f"the key can't be used: {error}") from None


def read_key(setting: str, path: Path) -> str:
    """The content of a key file. Raises NativeError."""
    try:
        import httpx  # noqa: F401
        import jwt  # noqa: F401
    except ImportError:
        raise NativeError(f"{setting} needs libraries: pip install 'kith[native-push]'") from None
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NativeError(f"can't read {setting}, {path}: {error}") from None


def sealed(registration: Registration, wake: Wake) -> str:
    """What the app can decrypt, in base64url, always of the same length; empty if it gave no keys.

    It is the body of a push of Web Push (RFC 8291).
    """
    if not registration.key:
        return ""
    return urlsafe_b64encode(encrypted(registration, content(wake))).decode().rstrip("=")
