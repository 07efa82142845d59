"""A server process that runs until a signal, or something else, stops it."""

from __future__ import annotations

import asyncio
import signal


class Stoppable:
    """Subclasses have `start` and `stop`; in between, `run` waits."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def request_stop(self) -> None:
        self._stopping.set()

    def listen_to_signals(self) -> None:
        """Lets SIGINT and SIGTERM stop the server, and SIGHUP reload settings and certificate."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.request_stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self.reload())

    def reload(self) -> None:
        """Takes over settings and certificate as far as a running server can."""
        raise NotImplementedError

    async def run(self) -> None:
        """Returns after `request_stop`."""
        await self._stopping.wait()
