"""Builds what a client has for media."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kith.client.database import Database
from kith.client.encryption import Encryption
from kith.client.events import Event, MediaProgress
from kith.client.groups.records import GroupRecords
from kith.client.history import History
from kith.client.key_work import KeyWork
from kith.client.media.fetching import Fetching
from kith.client.media.http import MediaHTTP
from kith.client.media.missing import MissingFiles
from kith.client.media.records import MediaRecords
from kith.client.media.service import MediaService
from kith.client.media.uploading import Uploading
from kith.client.message import Message
from kith.client.stream import Stream

if TYPE_CHECKING:
    from kith.client.outbox import Outbox

#: Seconds between two events of progress of a message.
_EVERY: Final = 0.2


class MediaParts:
    """The parts of a client for media, which the others need in turn. `Lifecycle` makes one."""

    __slots__ = ("_publish", "_told", "fetching", "http", "missing", "records", "service", "uploading")

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        key_work: KeyWork,
        groups: GroupRecords,
        http: MediaHTTP,
        accepted: Callable[[str], bool],
        publish: Callable[[Event], None],
    ) -> None:
        self._publish = publish
        self._told: dict[int, float] = {}
        self.http = http
        self.records = MediaRecords(database, history)
        self.service = MediaService(stream)
        self.uploading = Uploading(
            database, history, self.records, self.service, http, self.on_progress, groups.lifetime
        )
        self.fetching = Fetching(self.records, self.service, http)
        self.missing = MissingFiles(
            stream,
            database,
            history,
            encryption,
            key_work,
            self.records,
            self.service,
            self.uploading,
            groups,
            accepted,
            publish,
        )

    def connect(self, outbox: Outbox) -> None:
        """Says who sends the messages of uploaded files."""
        self.uploading.changed = outbox.uploaded
        self.uploading.failed = outbox.not_uploaded
        self.uploading.stalled = outbox.stalled

    def must_wait(self, message: Message) -> bool:
        """Whether the file of a message, or of one before it in its chat, is not uploaded yet."""
        return self.records.must_wait(message)

    def wake(self) -> None:
        """A message is deleted for good, so that its file is not needed any more."""
        self.records.look_again()
        self.uploading.wake()

    def on_progress(self, message: Message, done: int, total: int, uploading: bool) -> None:
        """Publishes how far a file is, a few times a second."""
        now = time.monotonic()
        if done < total and now - self._told.get(message.row, -1.0) < _EVERY:
            return
        self._told[message.row] = now
        if done >= total:
            self._told.pop(message.row, None)
        self._publish(MediaProgress(message, done, total, uploading))
