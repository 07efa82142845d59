"""StanzaJS under Node (`websocket_client.mjs`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.interop.node import NodeClient, Refused, node_client

__all__ = ["Refused", "WebClient", "web_client"]


class WebClient(NodeClient):
    """`do` calls the methods of StanzaJS's client."""

    async def log_in(self, jid: str, http_port: int, password: str = "pw", **settings: Any) -> None:
        """Connects and waits for the session."""
        url = f"ws://127.0.0.1:{http_port}/xmpp-websocket"
        await self.do(
            "connect",
            {"jid": jid, "password": password, "transports": {"websocket": url, "bosh": False}, **settings},
        )


@asynccontextmanager
async def web_client() -> AsyncIterator[WebClient]:
    """A client that has not connected yet. Fails if Node or the packages are not installed."""
    async with node_client(WebClient, "websocket_client.mjs", "stanza") as client:
        yield client
