"""The audit log: what operators have done, by command, over the HTTP admin API, or from an XMPP client.

It is a record for operators among themselves, not proof against them: whoever can write to the database can
change it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import structlog

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.text import one_line
from kith.ports.store import DocumentStore
from kith.records.readable import readable

SPACE = "audit"
#: How many entries are kept, and for how long, in seconds.
MAX_ENTRIES = 10_000
KEPT = 366 * 86400.0
#: Old entries are deleted whenever this many have been added.
_PRUNE_EVERY = 50
_MAX_TEXT = 300
logger = structlog.get_logger("kith")

Via = Literal["command", "token", "operator", "xmpp"]


class Actor(NamedTuple):
    """Who does something.

    ``name``: a user of the system for commands, the name of an admin token, or the address of an operator.
    """

    name: str
    via: Via


class Action(msgspec.Struct):
    """Something that an operator did. ``at``: seconds since 1970. ``action``: an identifier like ``ban``.

    ``target``: the account, number, network or the like that it was done to.
    """

    at: float
    by: str
    via: str
    action: str
    target: str
    details: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Action).decode


class Audit:
    """Reads and writes the audit log."""

    def __init__(self, store: DocumentStore, clock: Clock, randomness: Randomness) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness

    async def note(self, actor: Actor, action: str, target: str = "", details: str = "") -> None:
        """Adds an entry and, unless a command runs in a process of its own, a line to the server's log.

        All texts become one printable line, so that nobody can forge entries with line breaks.
        """
        now = self._clock.now()
        by, target, details = (one_line(text[:_MAX_TEXT]) for text in (actor.name, target, details))
        entry = Action(now, by, actor.via, action, target, details)
        key = f"{int(now * 1000):014}-{self._randomness.hex(4)}"
        seq = await self._store.put(0, SPACE, key, _encode(entry))
        if actor.via != "command":
            logger.info("operator's action", action=action, target=target, by=by, via=actor.via)
        if seq % _PRUNE_EVERY == 0:
            await self.prune()

    async def page(self, before: str = "", limit: int = 100) -> tuple[list[tuple[str, Action]], str]:
        """Entries with their ids, the newest first, and the id to continue with; empty at the end."""
        documents = await self._store.documents(0, SPACE)
        found = sorted((one for one in documents if not before or one.key < before), reverse=True)
        shown = [
            (one.key, entry) for one, entry in readable(found[:limit], _decode, "entry of the audit log")
        ]
        return shown, found[limit - 1].key if len(found) > limit else ""

    async def prune(self) -> None:
        """Deletes entries that are too old or too many."""
        keys = sorted(one.key for one in await self._store.documents(0, SPACE))
        oldest = f"{int((self._clock.now() - KEPT) * 1000):014}"
        for position, key in enumerate(keys):
            if key < oldest or position < len(keys) - MAX_ENTRIES:
                await self._store.remove(0, SPACE, key)
