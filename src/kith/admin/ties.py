"""What is stored elsewhere, or by others, and concerns one account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from kith.core.actors.roster import SPACE as ROSTER
from kith.ports.store import AccountRecord, Store
from kith.records.moves import Moves
from kith.records.reports import Reports


@dataclass(frozen=True, slots=True)
class Ties:
    """``contacts``: how many it has. ``reports``: how many have reported it.

    ``former``: the addresses that it had before, and that still lead to it.
    """

    contacts: int
    reports: int
    former: list[str]

    @classmethod
    async def of(cls, store: Store, record: AccountRecord) -> Self:
        """Reads them."""
        contacts = await store.documents(record.id, ROSTER)
        reports, moves = await Reports(store).all(), await Moves(store).all()
        return cls(
            sum(document.key != "" for document in contacts),
            sum(report.reported.partition("/")[0] == record.jid for report in reports),
            [old for old, move in moves.items() if move.new == record.jid],
        )
