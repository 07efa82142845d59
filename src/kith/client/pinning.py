"""The part of `kith.client.Client` about messages that are pinned in a group, for all its members."""

from __future__ import annotations

import time

from kith.client.addresses import bare
from kith.client.errors import NotChangeable
from kith.client.extra import Extra, Pin
from kith.client.message import Kind, Message
from kith.client.polling import Polling

#: How long a message is pinned at most, in seconds, whatever another app says.
LONGEST = 30 * 86400.0


class Pinning(Polling):
    """A pin is encrypted as texts are. Apps that know none show it as text."""

    async def pin(self, message: Message, seconds: float = 7 * 86400.0) -> None:
        """Pins a message of a group for all, for a while, at most 30 days.

        Raises NotChangeable if it is no text that the group has, and what `send` raises.
        """
        until = time.time() + min(seconds, LONGEST)
        await self._send_pin(message, until, f"Pinned: {message.body.partition(chr(10))[0][:100]}")

    async def unpin(self, message: Message) -> None:
        """Takes a pin back, also of somebody else. Raises what `pin` raises."""
        await self._send_pin(message, 0.0, "Unpinned a message")

    def pinned(self, group: str) -> list[Message]:
        """The messages of a group that are pinned, the last one first. Reads the local copy."""
        return self._history.pinned(bare(group), time.time(), LONGEST)

    async def _send_pin(self, message: Message, until: float, text: str) -> None:
        target = self._history.get(message.row)
        if not target.group or target.kind is not Kind.TEXT or target.deleted:
            raise NotChangeable("Only texts of a group can be pinned.")
        if self._history.group_id(target) is None:
            raise NotChangeable("The group does not have this message yet.")
        pin = Pin(target.origin or target.id, target.author, int(until * 1000))
        await self._send_about(target, text, Kind.PIN, Extra(pin=pin))
