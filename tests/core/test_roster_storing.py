"""A roster in memory has nothing that the store does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.features.roster import Rosters
from kith.ports.store import Unavailable
from kith.wire import ns
from tests.parts import room

BEN = "ben@localhost"


@pytest.mark.parametrize(
    "request_",
    [
        f"<presence to='{BEN}' type='subscribe'/>",
        f"<presence to='{BEN}' type='subscribed'/>",
        f"<iq type='set' id='r'><query xmlns='{ns.ROSTER}'><item jid='{BEN}' name='Ben'/></query></iq>",
    ],
)
async def test_a_change_that_could_not_be_stored_is_made_when_it_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: str
) -> None:
    async with room(tmp_path, Rosters) as there:
        ada = await there.session("ada/phone")
        store, put = there.node.store, there.node.store.put

        async def full(account: int, space: str, key: str, value: bytes) -> int:
            raise Unavailable("no room")

        monkeypatch.setattr(store, "put", full)
        await there.says(ada, request_)
        assert [stanza.type for stanza in there.heard(ada)] == ["error"]
        roster = ada.account.roster
        assert roster is not None
        assert (len(roster), roster[BEN].ask, roster[BEN].approved) == (0, False, False)
        monkeypatch.setattr(store, "put", put)
        await there.says(ada, request_)
        assert "error" not in [stanza.type for stanza in there.heard(ada)]
        assert len(roster) == 1
        assert len(await store.documents(ada.account.id, "roster")) == 1
