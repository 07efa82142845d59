"""What features keep in memory of an account lies on the account: it comes and goes with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kith.features.archive_preferences import ArchivePreferences
from kith.features.blocking import Blocking
from kith.features.correspondents import Correspondents
from kith.features.privacy import PrivacySettings
from kith.features.vcard import VCard
from kith.records import privacy
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

from ..parts import Room, room

HOLDERS = (PrivacySettings, Blocking, Correspondents, VCard, ArchivePreferences)
PHOTO = "aGVsbG8="
SETTINGS = (
    "<block xmlns='urn:xmpp:blocking'><item jid='eve@localhost'/></block>",
    "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>",
    f"<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>{PHOTO}</BINVAL></PHOTO></vCard>",
)
ADA, EVE = parse_jid("ada@localhost"), parse_jid("eve@localhost")


async def make_ada(there: Room) -> None:
    """An account that has set all that there is to set, and is not in memory any more."""
    ada = await there.session("ada/phone")
    await privacy.save(there.node.store, ada.account.id, privacy.Privacy(messages="contacts"))
    for number, setting in enumerate(SETTINGS):
        await there.says(ada, f"<iq type='set' id='{number}'>{setting}</iq>")
        assert "result" in [stanza.type for stanza in there.heard(ada)], setting
    there.node.sessions.close(ada)
    there.node.accounts.drop(ada.account)
    await there.settle()


async def test_all_of_it_is_read_again_with_the_account(tmp_path: Path) -> None:
    async with room(tmp_path, *HOLDERS) as there:
        await make_ada(there)
        account = await there.node.accounts.load("ada@localhost")
        assert account is not None
        assert set(account.state) == set(HOLDERS)
        blocking = there.node.get(Blocking)
        assert blocking.blocks(account, EVE)
        assert not blocking.stanza_in(EVE, ADA, Stanza.build("presence", {}))
        assert not there.node.get(ArchivePreferences).message_wanted(account, "ben@localhost")
        assert there.node.get(PrivacySettings).of(account).messages == "contacts"


async def test_what_is_kept_in_memory_of_an_account_is_read_in_one_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*args: Any) -> Any:
            looks.append(name)
            return await method(*args)

        return counted

    async with room(tmp_path, *HOLDERS) as there:
        await there.node.store.create_accounts([("ben@localhost", {})])
        for name in ("account", "document", "documents", "documents_of", "spaces"):
            monkeypatch.setattr(there.node.store, name, counting(name, getattr(there.node.store, name)))
        there.node.accounts.appeared("ben@localhost")
        ben = await there.node.accounts.load("ben@localhost")
        assert ben is not None
        assert looks == ["account", "documents_of"]
        assert ben.state == {}
