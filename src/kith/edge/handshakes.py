"""Listeners for TLS from the first byte, which limit the handshakes in progress.

A connection is counted (`kith.edge.connection_limit`) when it is accepted, before its handshake, and only a
few handshakes start in one iteration of the event loop. So unfinished handshakes cost no more than silent
connections, and many at the same time do not delay others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from kith.edge.edge import Edge

#: How many handshakes start in one iteration of the event loop.
PER_ITERATION = 4
#: How long to wait before accepting again if there are no more file descriptors, in seconds.
_PAUSE = 0.5


class _Waiting:
    """A connection during its handshake."""

    __slots__ = ("_socket",)

    authenticated = False

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket

    def too_late(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    make_room = too_late


class TLSListener:
    """Accepts connections on a listening socket.

    ``protocol`` makes the protocol for a connection, given the key from `ConnectionLimit.admit`.
    """

    def __init__(
        self,
        edge: Edge,
        listener: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[str], asyncio.Protocol],
        proxied: bool = False,
    ) -> None:
        """``proxied``: whether connections may come from proxies (`trusted_proxies`)."""
        self._edge = edge
        self._listener = listener
        self._context = context
        self._protocol = protocol
        self._proxied = proxied
        listener.setblocking(False)
        edge.loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Stops accepting. The socket stays open for other processes that share it."""
        self._edge.loop.remove_reader(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        edge = self._edge
        for _ in range(PER_ITERATION):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                edge.tasks.failed("can't accept connections", error)
                edge.loop.remove_reader(self._listener)
                edge.loop.call_later(_PAUSE, self._again)
                return
            peer = edge.known(address[0]) if self._proxied else address[0]
            limit_key = edge.connection_limit.admit(peer, edge.loop.time())
            if limit_key is None:
                connection.close()
                continue
            edge.tasks.spawn(self._secure(connection, limit_key))

    def _again(self) -> None:
        if self._listener.fileno() >= 0:
            self._edge.loop.add_reader(self._listener, self._accept)

    async def _secure(self, connection: socket.socket, limit_key: str) -> None:
        edge = self._edge
        waiting = _Waiting(connection)
        edge.lobby.enter(waiting)
        made = False

        def protocol() -> asyncio.Protocol:
            return self._protocol(limit_key)

        try:
            connection.setblocking(False)
            await edge.loop.connect_accepted_socket(
                protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=edge.config.auth_timeout,
            )
            made = True
        except OSError:
            pass  # including ssl.SSLError, for which TLS has sent the peer an alert
        finally:
            edge.lobby.leave(waiting)
            if not made:
                edge.connection_limit.release(limit_key)
                connection.close()
