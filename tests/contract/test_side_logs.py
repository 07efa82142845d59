"""Logs that accounts have beside their own, such as that of status."""

from __future__ import annotations

from kith.ports.store import Append, LogQuery, Shared
from tests.contract.logs import Logs


def _share(
    logs: Logs, id: int, source: int, audience: list[int], own: dict[int, bytes] | None = None
) -> None:
    logs.store.append(
        Append(
            *(id, b"<message>%d</message>" % id, [(source, "a@x", 0)], lambda existing, error: None),
            shared=Shared(source, audience, own or {}, 1000),
        )
    )


async def _ids(logs: Logs, log: int) -> list[int]:
    await logs.store.flush()
    return [entry.id for entry in (await logs.store.page(LogQuery(log, shared=True))).entries]


async def test_a_side_log_is_created_once_and_is_no_account_and_no_group(logs: Logs) -> None:
    before = await logs.store.accounts(), await logs.store.groups(), (await logs.store.holdings()).accounts
    assert await logs.store.side_log(logs.a, "status", create=False) == 0
    id = await logs.store.side_log(logs.a, "status")
    assert await logs.store.side_log(logs.a, "status") == id
    assert await logs.store.side_log(logs.a, "posts") != id
    assert await logs.store.side_log(0, "posts e@elsewhere") not in (0, id)
    after = await logs.store.accounts(), await logs.store.groups(), (await logs.store.holdings()).accounts
    assert before == after
    assert {one.jid for one in await logs.store.overview([], "", 100)} == set(before[0])


async def test_side_logs_of_many_addresses_leave_out_who_has_no_account(logs: Logs) -> None:
    first, second, *_ = await logs.store.accounts()
    one = await logs.store.side_logs("status", [first])
    found = await logs.store.side_logs("status", [first, second, "nobody@x"])
    assert set(found) == {first, second}
    assert found[first] == one[first]
    assert await logs.store.side_log(found[second][0], "status") == found[second][1]
    assert await logs.store.side_logs("status", []) == {}


async def test_what_is_shared_with_a_side_log_is_in_no_other(logs: Logs) -> None:
    posts, status = await logs.store.side_log(logs.a, "posts"), await logs.store.side_log(logs.b, "status")
    _share(logs, 5, posts, [status], {status: b"own"})
    assert await _ids(logs, status) == [5]
    assert await _ids(logs, logs.b) == await _ids(logs, logs.a) == []
    assert sorted(await logs.store.audience([5, 6])) == [status]
    assert await logs.store.audience([]) == []
    await logs.store.expire_shared(1000)
    assert await _ids(logs, status) == []
    assert await logs.store.audience([5]) == []


async def test_side_logs_go_with_their_account(logs: Logs) -> None:
    jid, other, *_ = await logs.store.accounts()
    ((account, status),) = (await logs.store.side_logs("status", [jid])).values()
    ((_, theirs),) = (await logs.store.side_logs("status", [other])).values()
    posts = await logs.store.side_log(account, "posts")
    await logs.store.put(posts, "status", "x", b"y")
    _share(logs, 5, posts, [status, theirs])
    assert await _ids(logs, theirs) == [5]
    assert await logs.store.delete_account(jid)
    assert await _ids(logs, theirs) == []
    assert await logs.store.documents(posts, "status") == []
    assert await logs.store.side_log(account, "posts") != posts
