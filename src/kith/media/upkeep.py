"""What a media server does from time to time: claims end, and blobs go that nobody claims."""

from __future__ import annotations

import math
from functools import partial

import structlog

from kith.media import records
from kith.media.depot import Depot
from kith.media.records import DAY, GRACE
from kith.ports.blobs import BlobError

logger = structlog.get_logger("kith.media")
_BATCH = 200


class Upkeep:
    """``run`` is called every few minutes."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self._scarce = False

    async def run(self) -> None:
        """Ends claims whose time is over, removes what nobody claims, and looks at the disk."""
        try:
            await self.finish()
            await self.expire()
            await self._look_at_disk()
        except BlobError as error:
            logger.error("files that are to go could not be removed", error=str(error))

    async def finish(self) -> None:
        """Stores uploads that have come as a whole, but could not be stored then, or after a crash."""
        depot = self._depot
        for blob in await depot.database.read(records.arrived):
            if blob.id in depot.uploading:
                continue
            depot.uploading[blob.id] = math.inf
            try:
                await depot.complete(blob)
            except BlobError as error:  # the client, or the next time, tries again
                logger.warning("an upload could not be finished", blob=blob.id, cause=str(error))
            finally:
                depot.uploading.pop(blob.id, None)

    async def expire(self) -> tuple[int, int]:
        """Ends claims and removes blobs. Returns how many blobs it has removed, and their bytes.

        Raises BlobError.
        """
        depot, now = self._depot, self._depot.now()
        days = depot.config.media_days
        made_before = now - days * DAY if days else 0
        while claims := await depot.database.read(
            lambda db: records.ended_claims(db, now, made_before, _BATCH)
        ):
            await depot.database.write(partial(records.end_claims, claims=claims, now=now))
        before = await depot.database.read(records.total)
        await self._remove_uploads(now)
        while blobs := await depot.database.read(lambda db: records.orphans(db, now - GRACE, _BATCH)):
            for blob in blobs:
                await depot.remove(blob, orphaned_by=now - GRACE)
        for blob in await depot.database.read(lambda db: records.doomed(db, 10 * _BATCH)):
            await depot.bury(blob)  # it was interrupted
        after = await depot.database.read(records.total)
        return before[1] - after[1], before[0] - after[0]

    async def _remove_uploads(self, now: int) -> None:
        """Removes uploads that nobody has continued in time."""
        depot = self._depot
        for upload in await depot.database.read(lambda db: records.expired_uploads(db, now, 10 * _BATCH)):
            if upload.id not in depot.uploading:
                await depot.remove(upload.id)

    async def _look_at_disk(self) -> None:
        scarce = await self._depot.free() <= 0
        if scarce and not self._scarce:
            logger.error(
                "the disk for media is full: nothing can be uploaded",
                todo="make room, or lower media_free_bytes, media_account_bytes or media_days",
            )
        elif self._scarce and not scarce:
            logger.info("there is room for media again")
        self._scarce = scarce
