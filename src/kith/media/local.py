"""Answers message servers' requests from the database of this media server."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3

from kith.media import records
from kith.media.depot import Depot
from kith.media.records import DAY
from kith.media.requests import (
    Drop,
    GetOwners,
    GetUsage,
    MakeClaims,
    MediaUnreachable,
    Owners,
    Refusal,
    Release,
    Rename,
    Reply,
    Request,
    Reserve,
    Usage,
)
from kith.media.slots import VALID
from kith.ports.blobs import BlobError, BlobFull

#: How long a reserved upload is kept until it begins: a slot is valid so long, and clocks differ.
_KEPT = VALID + 300
#: How many uploads one account may have begun or reserved at once.
MAX_UNFINISHED = 500
_PAGE = 500


class LocalMedia:
    """A `kith.media.requests.Media` in this process. It owns the depot, and starts and stops it."""

    def __init__(self, depot: Depot) -> None:
        self.depot = depot

    async def start(self) -> None:
        await self.depot.start()

    async def stop(self) -> None:
        await self.depot.stop()

    async def ask(self, request: Request) -> Reply:
        try:
            return await self._answer(request)
        except BlobFull:
            return Refusal("full", wait=600)
        except BlobError as error:
            raise MediaUnreachable(str(error)) from error

    async def _answer(self, request: Request) -> Reply:
        match request:
            case Reserve():
                return await self._reserve(request)
            case MakeClaims():
                return await self.depot.database.write(lambda db: self._claim(db, request))
            case Release():
                return await self.depot.database.write(lambda db: self._release(db, request))
            case GetUsage():
                return await self.depot.database.read(lambda db: self._usage(db, request.owner))
            case GetOwners():
                return await self.depot.database.read(
                    lambda db: Owners(records.owners(db, request.after, _PAGE))
                )
            case Rename():
                return await self.depot.database.write(lambda db: self._rename(db, request))
            case Drop():
                return await self._drop(request.owner)

    # -- uploads ----------------------------------------------------------------------------------------

    async def _reserve(self, request: Reserve) -> Reply:
        config = self.depot.config
        if request.size > config.media_file_bytes:
            return Refusal("file", most=config.media_file_bytes)
        try:
            if request.size > await self.depot.free():
                return Refusal("full", wait=600)
        except BlobError:
            return Refusal("full", wait=60)
        return await self.depot.database.write(lambda db: self._reserved(db, request))

    def _reserved(self, db: sqlite3.Connection, request: Reserve) -> Reply:
        config, now = self.depot.config, self.depot.now()
        before = records.find(db, request.blob)
        if before is not None:
            return self._usage(db, request.owner) if before.owner == request.owner else Refusal("conflict")
        used = records.account(db, request.owner, now)
        if config.media_account_bytes and used.bytes + request.size > config.media_account_bytes:
            return Refusal("account", most=config.media_account_bytes)
        if config.media_day_bytes and used.today + request.size > config.media_day_bytes:
            return Refusal("day", most=config.media_day_bytes, wait=DAY - now % DAY)
        if config.media_total_bytes and records.total(db)[0] + request.size > config.media_total_bytes:
            return Refusal("full", wait=3600)
        if len(records.unfinished(db, request.owner)) >= MAX_UNFINISHED:
            return Refusal("rate", wait=VALID)
        records.name_owner(db, request.owner, request.address)
        blob = records.new(
            request.blob, request.owner, request.size, request.type, request.claim, now, now + _KEPT
        )
        records.reserve(db, blob, request.until, request.lasting)
        return self._usage(db, request.owner)

    # -- claims -----------------------------------------------------------------------------------------

    def _claim(self, db: sqlite3.Connection, request: MakeClaims) -> Reply:
        config, now = self.depot.config, self.depot.now()
        added: dict[str, int] = {}
        for claim in request.claims:
            blob = records.find(db, claim.blob)
            if blob is None or blob.completed is None or not _shows(claim.secret, blob.claim):
                return Refusal("missing")
            if claim.until is not None and claim.until <= now:
                return Refusal("missing")
            if not records.has_claim(db, blob.id, request.owner):
                added[blob.id] = blob.size
        used = records.account(db, request.owner, now).bytes
        most = config.media_account_bytes
        if added and most and used + sum(added.values()) > most:
            return Refusal("account", most=most)
        records.name_owner(db, request.owner, request.address)
        for claim in request.claims:
            records.add_claim(db, claim.blob, request.owner, now, claim.until)
        return self._usage(db, request.owner)

    def _release(self, db: sqlite3.Connection, request: Release) -> Reply:
        now = self.depot.now()
        if not all(records.has_claim(db, blob, request.owner) for blob in request.blobs):
            return Refusal("missing")
        records.end_claims(db, [(blob, request.owner) for blob in request.blobs], now)
        records.tidy_owner(db, request.owner, now)
        return self._usage(db, request.owner)

    async def _drop(self, owner: str) -> Reply:
        for blob in await self.depot.database.read(lambda db: records.unfinished(db, owner)):
            if blob.id not in self.depot.uploading:
                await self.depot.remove(blob.id)
        while await self.depot.database.write(lambda db: self._drop_claims(db, owner)):
            pass
        return Usage(0, 0, 0, 0, 0)

    def _drop_claims(self, db: sqlite3.Connection, owner: str) -> bool:
        """Ends some of an account's claims, and in the end forgets it. Returns whether there are more."""
        claims = records.claims_of(db, owner, _PAGE)
        records.end_claims(db, claims, self.depot.now())
        if not claims:
            db.execute("DELETE FROM owner WHERE id = ?", (owner,))
        return bool(claims)

    # -- accounts ---------------------------------------------------------------------------------------

    def _usage(self, db: sqlite3.Connection, owner: str) -> Usage:
        config = self.depot.config
        used = records.account(db, owner, self.depot.now())
        return Usage(
            *(used.bytes, config.media_account_bytes, used.today, config.media_day_bytes),
            config.media_file_bytes,
        )

    def _rename(self, db: sqlite3.Connection, request: Rename) -> Reply:
        db.execute("UPDATE owner SET address = ? WHERE id = ?", (request.address, request.owner))
        return self._usage(db, request.owner)


def _shows(secret: bytes, claim: bytes) -> bool:
    """Whether a secret is the one whose SHA-256 the uploader has stored."""
    return bool(claim) and hmac.compare_digest(hashlib.sha256(secret).digest(), claim)
