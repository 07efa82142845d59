"""Builds what a client has for groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kith.client.database import Database
from kith.client.encryption import Encryption
from kith.client.events import Event
from kith.client.groups.content import GroupContent
from kith.client.groups.encryption import GroupEncryption
from kith.client.groups.expiry import GroupExpiry
from kith.client.groups.incoming import GroupIncoming
from kith.client.groups.newcomers import Newcomers
from kith.client.groups.receipts import GroupReceipts
from kith.client.groups.records import GroupRecords
from kith.client.groups.sending import GroupSending
from kith.client.groups.sync import GroupSync
from kith.client.history import History
from kith.client.key_work import KeyWork
from kith.client.stream import Stream

if TYPE_CHECKING:
    from kith.client.outbox import Outbox


class GroupParts:
    """The parts of a client for groups, which the others need in turn. `Lifecycle` makes one."""

    __slots__ = (
        "_history",
        "_own",
        "content",
        "expiry",
        "newcomers",
        "receipts",
        "records",
        "sending",
        "sync",
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        key_work: KeyWork,
        publish: Callable[[Event], None],
        members_changed: Callable[[str], None],
    ) -> None:
        self._own = str(stream.requested_jid.bare)
        self._history = history
        self.records = GroupRecords(database, self._own)
        self.sync = GroupSync(stream, database, self.records, publish, members_changed)
        self.content = GroupContent(history, self.records, self._own)
        group_encryption = GroupEncryption(self.sync, encryption, self._own)
        self.sending = GroupSending(self.records, self.content, group_encryption, key_work)
        self.receipts = GroupReceipts(stream, database, history, self.records)
        self.expiry = GroupExpiry(database, history, publish)
        self.newcomers = Newcomers(
            *(stream, database, history, self.records, self.sync, self.content, group_encryption, key_work)
        )

    def incoming(self, outbox: Outbox) -> GroupIncoming:
        """What takes the stanzas of groups."""
        parts = self._own, self._history, self.records, self.sync, self.receipts, self.newcomers
        return GroupIncoming(*parts, self.expiry, outbox)
