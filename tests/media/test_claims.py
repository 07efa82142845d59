"""A blob stays as long as somebody claims it; quotas hold. In one process, and over the control port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kith.media.records import DAY, GRACE
from kith.media.requests import Claim, Drop, GetOwners, Owners, Refusal, Rename
from tests.media.desk import START, Desk
from tests.media.desk import desk as open_desk

SECRET = b"s" * 32


@pytest.fixture(params=["local", "remote"])
async def desk(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, request.param) as made:
        yield made


@pytest.fixture(params=["local", "remote"])
def limited(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    return lambda **settings: open_desk(tmp_path, request.param, **settings)


async def test_a_blob_stays_while_somebody_claims_it_and_goes_an_hour_later(desk: Desk) -> None:
    blob = await desk.upload("1", secret=SECRET)
    assert await desk.claim("2", Claim(blob, SECRET)) is None
    assert await desk.release("1", blob) is None
    desk.pass_time(10 * GRACE)
    assert await desk.exists(blob)
    assert await desk.release("2", blob) is None
    desk.pass_time(GRACE - 1)
    assert await desk.exists(blob)
    desk.pass_time(1)
    assert not await desk.exists(blob)


async def test_within_the_hour_somebody_who_knows_the_key_may_claim_it_still(desk: Desk) -> None:
    blob = await desk.upload("1", secret=SECRET)
    await desk.release("1", blob)
    desk.pass_time(GRACE - 1)
    assert await desk.claim("2", Claim(blob, SECRET)) is None
    desk.pass_time(10 * GRACE)
    assert await desk.exists(blob)


async def test_a_claim_shows_knowledge_of_the_key(desk: Desk) -> None:
    blob, plain = await desk.upload("1", secret=SECRET), await desk.upload("1")
    for claim in (Claim(blob, b"x" * 32), Claim(blob, b""), Claim("A" * 22, SECRET), Claim(plain, b"")):
        assert await desk.claim("2", claim) == Refusal("missing")
    assert (await desk.usage("2")).bytes == 0


async def test_of_several_claims_all_are_made_or_none(desk: Desk) -> None:
    blob = await desk.upload("1", secret=SECRET)
    assert await desk.claim("2", Claim(blob, SECRET), Claim("A" * 22, SECRET)) == Refusal("missing")
    assert (await desk.usage("2")).bytes == 0
    assert await desk.claim("2", Claim(blob, SECRET), Claim(blob, SECRET)) is None
    assert (await desk.usage("2")).bytes == 1000
    assert await desk.release("2", blob, "A" * 22) == Refusal("missing")
    assert (await desk.usage("2")).bytes == 1000


async def test_what_has_not_come_as_a_whole_can_not_be_claimed(desk: Desk) -> None:
    blob = await desk.reserve("1", 1000, claim=b"c" * 32)
    assert isinstance(blob, str)
    assert await desk.claim("2", Claim(blob, SECRET)) == Refusal("missing")


async def test_a_claim_may_end_by_itself(desk: Desk) -> None:
    blob = await desk.upload("1", secret=SECRET, until=START + 1000)
    assert await desk.claim("2", Claim(blob, SECRET, START + 2000)) is None
    desk.pass_time(1500)
    assert await desk.exists(blob)
    assert ((await desk.usage("1")).bytes, (await desk.usage("2")).bytes) == (0, 1000)
    desk.pass_time(500)
    await desk.exists(blob)
    desk.pass_time(GRACE)
    assert not await desk.exists(blob)
    assert (await desk.usage("2")).bytes == 0


async def test_of_two_claims_of_an_account_the_later_end_counts(desk: Desk) -> None:
    blob = await desk.upload("1", secret=SECRET, until=START + 1000)
    assert await desk.claim("1", Claim(blob, SECRET)) is None
    assert await desk.claim("1", Claim(blob, SECRET, START + 500)) is None
    desk.pass_time(10 * GRACE)
    assert await desk.exists(blob)
    assert (await desk.usage("1")).bytes == 1000


async def test_claims_without_an_end_last_as_long_as_the_setting_says(limited: Any) -> None:
    async with limited(media_days=10) as desk:
        blob, profile = await desk.upload("1"), await desk.upload("1", lasting=True)
        desk.pass_time(10 * DAY - 10)
        assert await desk.exists(blob)
        desk.pass_time(20)
        await desk.exists(blob)
        desk.pass_time(GRACE)
        assert not await desk.exists(blob)
        assert await desk.exists(profile)


async def test_quotas_of_file_account_and_day_hold(limited: Any) -> None:
    async with limited(media_file_bytes=1000, media_account_bytes=2500, media_day_bytes=3000) as desk:
        assert await desk.reserve("1", 1001) == Refusal("file", most=1000)
        first = await desk.upload("1")
        await desk.upload("1")
        assert await desk.reserve("1", 501) == Refusal("account", most=2500)
        await desk.release("1", first)
        refused = await desk.reserve("1", 1001 - 1)
        assert isinstance(refused, str)  # which makes 3000 today
        await desk.release("1", refused)
        assert await desk.reserve("1", 1) == Refusal("day", most=3000, wait=DAY - START % DAY)
        assert isinstance(await desk.reserve("2", 1000), str)
        desk.pass_time(DAY)
        assert isinstance(await desk.reserve("1", 1000), str)


async def test_reserved_uploads_count_so_that_many_at_once_do_not_pass(limited: Any) -> None:
    async with limited(media_account_bytes=5000) as desk:
        replies = await asyncio.gather(*(desk.reserve("1", 1000) for _ in range(20)))
        assert sum(isinstance(reply, str) for reply in replies) == 5
        desk.pass_time(700)  # nothing of them came
        await desk.exists("A" * 22)
        used = await desk.usage("1")
        assert (used.bytes, used.today) == (0, 0)


async def test_claims_count_for_the_quota_of_who_makes_them(limited: Any) -> None:
    async with limited(media_account_bytes=1500) as desk:
        blobs = [await desk.upload("1", secret=SECRET), await desk.upload("3", secret=SECRET)]
        assert await desk.claim("2", Claim(blobs[0], SECRET)) is None
        assert await desk.claim("2", Claim(blobs[1], SECRET)) == Refusal("account", most=1500)
        assert await desk.claim("2", Claim(blobs[0], SECRET)) is None


async def test_all_files_together_have_a_bound(limited: Any) -> None:
    async with limited(media_total_bytes=1500) as desk:
        blob = await desk.upload("1")
        refused = await desk.reserve("2", 501)
        assert isinstance(refused, Refusal)
        assert refused.reason == "full"
        await desk.release("1", blob)
        desk.pass_time(GRACE)
        assert not await desk.exists(blob)
        assert isinstance(await desk.reserve("2", 1500), str)


async def test_a_disk_that_is_nearly_full_takes_nothing(limited: Any) -> None:
    async with limited(media_free_bytes=2**60) as desk:
        refused = await desk.reserve("1", 1)
        assert isinstance(refused, Refusal)
        assert refused.reason == "full"


async def test_the_claims_of_a_removed_account_end(desk: Desk) -> None:
    own, forwarded = await desk.upload("1"), await desk.upload("2", secret=SECRET)
    await desk.claim("1", Claim(forwarded, SECRET))
    begun = await desk.reserve("1", 1000)
    await desk.media.ask(Rename("1", "+49170@localhost"))
    await desk.media.ask(Drop("1"))
    assert await desk.depot.find(str(begun)) is None
    desk.pass_time(GRACE)
    assert not await desk.exists(own)
    assert await desk.exists(forwarded)
    owners = await desk.media.ask(GetOwners())
    assert isinstance(owners, Owners)
    assert owners.owners == [("2", "2@localhost")]


async def test_asking_twice_is_as_asking_once(desk: Desk) -> None:
    """An answer may be lost between the two servers."""
    blob = await desk.upload("1", secret=SECRET)
    for _ in range(2):
        assert await desk.claim("2", Claim(blob, SECRET)) is None
    assert (await desk.usage("2")).bytes == 1000


async def test_usage_is_what_the_claims_are_however_they_were_made_and_ended(tmp_path: Path) -> None:
    """The sums are kept beside the claims: they must not drift."""
    random = os.urandom
    async with open_desk(tmp_path) as desk:
        blobs = [await desk.upload(str(n % 3), size=100 + n, secret=SECRET) for n in range(12)]
        for step in range(60):
            who, blob = str(random(1)[0] % 3), blobs[random(1)[0] % 12]
            if step % 3:
                await desk.claim(who, Claim(blob, SECRET, START + 50 + step if step % 2 else None))
            else:
                await desk.release(who, blob)
            desk.pass_time(1)
        desk.pass_time(100)
        await desk.exists(blobs[0])
        for who in ("0", "1", "2"):
            held = await desk.depot.database.read(
                lambda db, who=who: db.execute(
                    "SELECT coalesce(sum(size), 0) FROM claim JOIN blob ON blob.id = claim.blob"
                    " WHERE claim.owner = ?",
                    (who,),
                ).fetchone()[0]
            )
            assert (await desk.usage(who)).bytes == held
