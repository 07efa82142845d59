"""Removes messages and origin ids whose time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from kith.base.clock import Clock
from kith.base.ids import first_at
from kith.core.log.retries import REMEMBERED_DAYS
from kith.ports.store import Store

logger = structlog.get_logger("kith")


async def expire(store: Store, clock: Clock, days: int) -> None:
    """Removes messages that are older than ``days``, unless they are undelivered.

    If it is 0, none are removed.

    Also removes origin ids that are older than `REMEMBERED_DAYS`; later retries are not recognized.
    """
    now = datetime.fromtimestamp(clock.now(), UTC)
    if days:
        removed = await store.expire(first_at(now - timedelta(days=days)))
        logger.info("old messages removed", count=removed)
    forgotten = await store.forget_origins(first_at(now - timedelta(days=REMEMBERED_DAYS)))
    logger.debug("origins of old messages forgotten", count=forgotten)
