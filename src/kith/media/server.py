"""The media server: its ports, and the parts behind them. It runs inside of a message server, or alone."""

from __future__ import annotations

from kith.base.secret import Secret
from kith.edge.edge import Edge
from kith.edge.listeners import Listeners
from kith.media import foreign
from kith.media.depot import Depot
from kith.media.front import House, MediaConnection
from kith.media.http import MediaWeb
from kith.media.proxy import Proxy
from kith.media.slots import USE
from kith.media.upkeep import Upkeep
from kith.media.uploads import Uploads

#: How often claims and blobs are looked at that have expired, in seconds.
_UPKEEP_EVERY = 300.0


class MediaServer:
    """``depot`` is started and stopped by who has made it. ``secret``: that of the message server."""

    def __init__(self, depot: Depot, edge: Edge, secret: Secret) -> None:
        self._edge = edge
        self._web = MediaWeb(
            depot,
            Uploads(depot, secret.key(USE)),
            Proxy(depot.config, depot.clock, secret.key(foreign.USE)),
        )
        self._upkeep = Upkeep(depot)
        self._house = House(edge, depot, self._web)

    async def start(self, listeners: Listeners) -> None:
        """Opens the ports. Raises PortError."""
        await self._web.start()
        house = self._house
        self._edge.tasks.repeat(house.visitors.sweep, 5.0)
        self._edge.tasks.repeat(self._upkeep.run, _UPKEEP_EVERY)
        await listeners.listen("media_http_port", lambda: MediaConnection(house))
        await listeners.listen(
            "media_https_port",
            secure=(self._edge.certificates.https, lambda key: MediaConnection(house, key)),
        )

    async def stop(self) -> None:
        """Waits a moment for what is in progress."""
        await self._web.stop()
        await self._house.visitors.close()
