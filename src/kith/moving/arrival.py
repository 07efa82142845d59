"""An account that is being imported, and what the kinds of data need to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from kith.base.clock import Clock
from kith.moving.reading import Part
from kith.moving.renaming import Renaming
from kith.moving.report import Report
from kith.moving.writes import Writes
from kith.ports.pictures import Pictures
from kith.ports.store import Keys, Store
from kith.wire.jid import JID


class Standing(Enum):
    """What was there before."""

    NEW = "new"
    INTERRUPTED = "interrupted"  # an earlier import has begun it
    EXISTING = "existing"  # it gets only what it does not have


@dataclass(slots=True)
class Arrival:
    """An account that is being imported.

    ``host``: its domain on the old server. ``renamed``: it has another domain here. ``id``: its id in the
    store; -1 as long as it has none. ``parts``: what was read and not written yet.
    ``begun``: the account exists, and was counted.
    """

    address: JID
    host: str
    renamed: bool
    password: str | None
    id: int = -1
    standing: Standing = Standing.NEW
    keys: dict[str, Keys] = field(default_factory=dict)
    has_keys: bool = False  # in the store
    parts: list[Part] = field(default_factory=list)
    begun: bool = False
    complete: bool = False

    @property
    def jid(self) -> str:
        return self.address.bare

    @property
    def is_new(self) -> bool:
        return self.standing is Standing.NEW


@dataclass(frozen=True, slots=True)
class Context:
    """What all kinds of data use. ``pictures`` cleans photos; without it, they stay as they are."""

    store: Store
    writes: Writes
    clock: Clock
    names: Renaming
    report: Report
    pictures: Pictures | None = None
