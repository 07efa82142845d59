"""Ends the claims of accounts that do not exist any more."""

from __future__ import annotations

import asyncio

import structlog

from kith.media.requests import Drop, GetOwners, Media, MediaUnreachable, Owners
from kith.ports.store import Store

logger = structlog.get_logger("kith")
#: How many accounts are looked at with one query.
_PAGE = 500


class Departures:
    """Compares the accounts that the media server knows with those of the store.

    An account is known by its id, which stays when its address changes and is never given again. So it does
    not matter when this happens, or whether the media server was away when an account was removed.
    """

    def __init__(self, media: Media, store: Store) -> None:
        self._media = media
        self._store = store
        self._looking = asyncio.Lock()

    async def look(self) -> None:
        """Looks at all accounts that have claims."""
        await self._look(None)

    async def look_at(self, address: str) -> None:
        """Looks at the accounts that had an address."""
        await self._look(address)

    async def _look(self, address: str | None) -> None:
        async with self._looking:
            try:
                missing = await self._missing(address)
                for owner in missing:
                    await self._media.ask(Drop(owner))
            except MediaUnreachable as error:
                logger.warning("accounts are compared with the media server later", error=str(error))
                return
            if missing:
                logger.info("claims of removed accounts have ended", accounts=len(missing))

    async def _missing(self, address: str | None) -> list[str]:
        """The owners that are no account of the store, if they have the address (None: any)."""
        doubtful: set[str] = set()
        after = ""
        while True:
            page = await self._media.ask(GetOwners(after))
            assert isinstance(page, Owners)
            for owner, its_address in page.owners:
                if address is None or its_address == address:
                    record = await self._store.account(its_address) if its_address else None
                    if record is None or str(record.id) != owner:
                        doubtful.add(owner)
            if not page.owners:
                break
            after = page.owners[-1][0]
        jid = ""
        while doubtful and (accounts := await self._store.overview((), jid, _PAGE)):
            jid = accounts[-1].jid
            doubtful.difference_update(str(one.id) for one in accounts)  # some have moved to another address
        return sorted(doubtful)
