"""XML names that several files of this package use."""

from __future__ import annotations

from kith.wire.ns import GROUPS, MUC, MUC_USER, OCCUPANT_ID, tag

__all__ = ("GROUPS", "MUC", "MUC_USER", "OCCUPANT_ID")

MUC_ADMIN = f"{MUC}#admin"
MUC_OWNER = f"{MUC}#owner"
ROOM_CONFIG = f"{MUC}#roomconfig"
ROOM_INFO = f"{MUC}#roominfo"

JOIN = tag(MUC, "x")
USER = tag(MUC_USER, "x")
ITEM = tag(MUC_USER, "item")
STATUS = tag(MUC_USER, "status")
OCCUPANT = tag(OCCUPANT_ID, "occupant-id")
#: The number of the members that a message was encrypted for.
FOR = tag(GROUPS, "for")
#: A notice about the group: who was added or removed, what was changed.
CHANGE = tag(GROUPS, "change")
