"""ICE restarts (RFC 8445 §9), which aiortc can't do: a transport goes on over other candidates.

The DTLS session above stays, so the keys and the tracks do too. What this needs of aiortc are the attributes
by which its transport reaches aioice: ``_connection``, ``_recv`` and ``_send``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from aioice import Connection, TransportPolicy
from aiortc import RTCIceCandidate, RTCIceServer, RTCIceTransport
from aiortc.rtcicetransport import candidate_from_aioice, candidate_to_aioice, connection_kwargs

#: How many packets wait to be read; more are dropped, as a network would.
_MOST_PACKETS = 1000
#: How long the checks of new candidates may take, in seconds.
_CHECK_SECONDS = 15.0


class Restartable:
    """One ICE transport. Between `prepare` and `go_on` it has new candidates beside those in use."""

    def __init__(self, ice: RTCIceTransport) -> None:
        self._ice = ice
        self._packets: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._pumps: list[asyncio.Task[None]] = []
        self._former: list[Connection] = []
        self._next: Connection | None = None
        ice._recv = self._receive

    @property
    def prepared(self) -> bool:
        """Whether there are new candidates that are not in use yet."""
        return self._next is not None

    @property
    def remote_ufrag(self) -> str:
        """What the other side calls its candidates; those of the newest restart."""
        return (self._next or self._ice._connection).remote_username or ""

    async def prepare(
        self, servers: Sequence[RTCIceServer], relay_only: bool
    ) -> tuple[str, str, list[RTCIceCandidate]]:
        """Gathers new candidates. Returns their ufrag and pwd, and the candidates."""
        policy = TransportPolicy.RELAY if relay_only else TransportPolicy.ALL
        made = Connection(
            ice_controlling=self._ice._connection.ice_controlling,
            transport_policy=policy,
            **connection_kwargs(list(servers)),
        )
        await made.gather_candidates()
        if self._next is not None:
            await self._next.close()
        self._next = made
        found = [candidate_from_aioice(one) for one in made.local_candidates]
        return made.local_username, made.local_password, found

    async def go_on(self, ufrag: str, pwd: str, candidates: Iterable[RTCIceCandidate]) -> bool:
        """Connects over the new candidates of both sides. False if that fails: all stays as it was."""
        made = self._next
        if made is None or made.remote_username:
            return False
        made.remote_username, made.remote_password = ufrag, pwd
        try:
            await self.add(candidates)
            async with asyncio.timeout(_CHECK_SECONDS):
                await made.connect()
        except (ConnectionError, TimeoutError):
            if self._next is made:
                self._next = None
            await made.close()
            return False
        self._former.append(self._ice._connection)
        if not self._pumps:
            self._pump(self._ice._connection)
        self._ice._connection = made
        self._ice._send = made.send
        self._next = None
        self._pump(made)
        return True

    async def add(self, candidates: Iterable[RTCIceCandidate]) -> None:
        """Adds candidates of the other side to the newest ones."""
        for candidate in candidates:
            await (self._next or self._ice._connection).add_remote_candidate(candidate_to_aioice(candidate))

    async def _receive(self) -> bytes:
        if not self._pumps:
            self._pump(self._ice._connection)
        data = await self._packets.get()
        if data is None:
            raise ConnectionError("the connection is closed")
        return data

    def _pump(self, connection: Connection) -> None:
        self._pumps.append(asyncio.ensure_future(self._read(connection)))

    async def _read(self, connection: Connection) -> None:
        """Hands on what comes over one set of candidates, also what is late after a restart."""
        try:
            while True:
                data = await connection.recv()
                if self._packets.qsize() < _MOST_PACKETS:
                    self._packets.put_nowait(data)
        except ConnectionError:
            if connection is self._ice._connection:
                self._packets.put_nowait(None)

    async def close(self) -> None:
        """Closes what aiortc does not know of."""
        for pump in self._pumps:
            pump.cancel()
        others = [one for one in (*self._former, self._next) if one is not None]
        await asyncio.gather(*(one.close() for one in others), return_exceptions=True)
