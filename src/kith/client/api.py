"""A client of the server's HTTP API: registration, devices, linking."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from kith.client.errors import Refused, ServerUnreachable

#: The base URL of a server on this machine, with default settings.
LOCAL = "http://localhost:8080"
_TIMEOUT = 60.0  # seconds


def base_url(text: str) -> str:
    """The base URL that a person means, like ``https://chat.example.org``. Raises ValueError.

    Plain HTTP is refused except to this machine, so that no code or token crosses a network unencrypted.
    """
    text = text.strip()
    if "://" not in text:
        text = f"https://{text}"
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is not the address of a server, like https://chat.example.org")
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise ValueError(f"{text} has no encryption; write https://")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ServerAPI:
    """An async context manager for requests. ``bearer``: a device's bearer token, for calls that need one."""

    def __init__(self, base: str, bearer: str = "") -> None:
        self.base = base_url(base)
        self._headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}

    async def __aenter__(self) -> ServerAPI:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        self._http = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Sends a request with a JSON body. Returns the JSON answer. Raises Refused, ServerUnreachable."""
        try:
            async with self._http.request(method, self.base + path, json=body) as answer:
                held = await answer.json() if answer.content_type == "application/json" else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise ServerUnreachable(f"Can't reach {self.base}: {reason}") from None
        if 200 <= answer.status < 300:
            return held
        if not isinstance(held, dict) or "error" not in held:
            raise ServerUnreachable(f"There is no Kith server at {self.base} (HTTP {answer.status}).")
        raise Refused(str(held.get("text", "")), held)
