"""The server's HTTP API, as a client uses it: registering, devices, linking."""

from __future__ import annotations

import ipaddress
import platform
import socket
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from kith.client.errors import Refused, ServerUnreachable

#: Where a server on this machine is, with its defaults.
LOCAL = "http://localhost:8080"
_SECONDS = 60.0


def base_url(text: str) -> str:
    """``https://chat.example.org`` from what a person writes. Raises ValueError.

    Without TLS only for this machine: a code or a token is never sent readable over a network.
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


def this_device() -> dict[str, str]:
    """What this machine calls itself."""
    return {"name": socket.gethostname()[:100], "software": "Kith", "platform": platform.system()[:100]}


class ServerAPI:
    """An async context manager. ``bearer``: a device's credential, for what needs one."""

    def __init__(self, base: str, bearer: str = "") -> None:
        self.base = base_url(base)
        self._headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}

    async def __aenter__(self) -> ServerAPI:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        self._http = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the server answers. Raises Refused, ServerUnreachable."""
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
