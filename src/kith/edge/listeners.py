"""The ports that the server listens on."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import ssl
from collections.abc import Callable, Sequence

from kith.config import Config
from kith.edge.edge import Edge
from kith.edge.handshakes import TLSListener

#: The maximum number of connections that the kernel holds until they are accepted.
_BACKLOG = 1024
#: The maximum that Linux accepts (MAX_TCP_KEEPIDLE), in seconds.
_LONGEST_IDLE = 32767


#: The TLS ports that reverse proxies may connect to.
_PROXIED = ("https_port", "media_https_port")


class PortError(Exception):
    """A port can't be used; the text is one line for a person, and says what to do."""


class Listeners:
    """Opens and closes listening sockets."""

    def __init__(self, config: Config, edge: Edge) -> None:
        self._config = config
        self._edge = edge
        self._open: list[asyncio.Server | TLSListener | asyncio.DatagramTransport] = []

    def close(self) -> None:
        """Stops accepting connections."""
        for listener in self._open:
            listener.close()

    async def listen(
        self,
        setting: str,
        protocol: Callable[[], asyncio.Protocol] | None = None,
        listen: Sequence[str] = (),
        secure: tuple[ssl.SSLContext, Callable[[str], asyncio.Protocol]] | None = None,
        idle: float = 0,
    ) -> None:
        """Listens on a port, on several addresses. Raises PortError.

        ``setting``: the name of the setting that has the port; if that is 0, does nothing. ``listen``: the
        addresses; empty: those of the setting ``listen``. ``protocol`` makes the protocol of a connection.
        For TLS from the first byte, ``secure`` has the TLS context and a function that makes the protocol.
        ``idle``: seconds of silence after which the kernel probes a peer; 0: the same as for clients.
        """
        port = getattr(self._config, setting)
        if not port:
            return
        loop = asyncio.get_running_loop()
        for host in listen or self._config.listen:
            listener = _make_socket(host, socket.SOCK_STREAM)
            if listener is None:
                continue
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                keep_alive(listener, idle or self._edge.kernel_idle)
                listener.bind((host, port))
                listener.listen(_BACKLOG)
                if secure is not None:
                    self._open.append(TLSListener(self._edge, listener, *secure, setting in _PROXIED))
                elif protocol is not None:
                    made = await loop.create_server(protocol, sock=listener, backlog=_BACKLOG)
                    self._open.append(made)
            except OSError as error:
                listener.close()
                if not _is_missing(error, host):
                    raise _port_error(setting, port, host, error) from None

    async def listen_to_datagrams(
        self, setting: str, protocol: Callable[[], asyncio.DatagramProtocol]
    ) -> None:
        """Receives UDP packets on a port, on the addresses of the setting ``listen``. Raises PortError.

        ``setting``: the name of the setting that has the port; if that is 0, does nothing. ``protocol`` makes
        the protocol of each socket.
        """
        port = getattr(self._config, setting)
        if not port:
            return
        loop = asyncio.get_running_loop()
        for host in self._config.listen:
            receiver = _make_socket(host, socket.SOCK_DGRAM)
            if receiver is None:
                continue
            try:
                receiver.bind((host, port))
                transport, _ = await loop.create_datagram_endpoint(protocol, sock=receiver)
            except OSError as error:
                receiver.close()
                if not _is_missing(error, host):
                    raise _port_error(setting, port, host, error) from None
            else:
                self._open.append(transport)


def _make_socket(host: str, kind: socket.SocketKind) -> socket.socket | None:
    """A socket for an address, for its family alone. None if this machine lacks that family."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.socket(family, kind)
    except OSError:
        return None
    made.setblocking(False)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _is_missing(error: OSError, host: str) -> bool:
    """Whether this machine has no such address, so that it does without."""
    return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and host in ("::", "::1")


def _port_error(setting: str, port: int, host: str, error: OSError) -> PortError:
    reason = "is in use" if error.errno == errno.EADDRINUSE else f"can't be used: {error.strerror}"
    todo = f"stop what uses it, or set KITH_{setting.upper()} to another (0: off)"
    return PortError(f"port {port} on {host} {reason}; {todo}")


def keep_alive(listener: socket.socket, idle: float) -> None:
    """Turns on TCP keepalive: the kernel probes a peer that has been silent for ``idle`` seconds.

    Accepted sockets inherit this from the listening one (on Linux; elsewhere at least the first option).
    Clients are also pinged (`kith.edge.keepalive`). The kernel has to probe later than that, or both would
    wake a phone.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = min(math.ceil(idle), _LONGEST_IDLE)
    for name, value in (
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPINTVL", 30),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", 60_000),
    ):
        if (option := getattr(socket, name, None)) is not None:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
