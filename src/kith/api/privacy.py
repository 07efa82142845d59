"""``/api/privacy``: who sees what of the account, and who may write."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.api.endpoint import Call, endpoint
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.ports.store import DocumentStore
from kith.records import privacy
from kith.records.privacy import Audience, Writers


class Privacy(msgspec.Struct):
    """The privacy settings. "Contacts" are people who are subscribed to the account's presence."""

    last_seen: Annotated[Audience, Meta(description="Who sees when the account was last online (XEP-0012).")]
    avatar: Annotated[Audience, Meta(description="Who sees the avatar (XEP-0084, XEP-0054).")]
    about: Annotated[Audience, Meta(description="Who sees the vCard (XEP-0292, XEP-0054).")]
    read_receipts: Annotated[bool, Meta(description="Whether others learn that a message was read.")]
    messages: Annotated[
        Writers,
        Meta(
            description="Who may send messages to the account. Here, contacts are everybody in the roster,"
            " and everybody the account has written to."
        ),
    ]
    calls: Annotated[
        Writers,
        Meta(
            description="Who may call the account, with contacts as for messages. Calls of others do not"
            " reach any device; to the callers, nobody answers."
        ),
    ]
    groups: Annotated[
        Audience,
        Meta(description="Who may add the account to groups. Everybody else can only invite it."),
    ]


class PrivacyChange(msgspec.Struct, forbid_unknown_fields=True):
    """The settings to change. Omitted ones stay as they are."""

    last_seen: Audience | None = None
    avatar: Audience | None = None
    about: Audience | None = None
    read_receipts: bool | None = None
    messages: Writers | None = None
    calls: Writers | None = None
    groups: Audience | None = None


class PrivacyResource:
    """The endpoints, which any device of the account can use."""

    def __init__(self, store: DocumentStore, accounts: Accounts, hooks: Hooks) -> None:
        self._store = store
        self._accounts = accounts
        self._hooks = hooks

    @endpoint("GET", "/api/privacy", "Get the privacy settings")
    async def get(self, call: Call) -> Privacy:
        return _answer(await privacy.load(self._store, call.device.record.id))

    @endpoint("PATCH", "/api/privacy", "Change privacy settings", refusals=("not-found",))
    async def change(self, call: Call, request: PrivacyChange) -> Privacy:
        """The server enforces the new settings at once. They do not undo what others have received before."""
        record = call.device.record
        before = await privacy.load(self._store, record.id)
        changes = {
            name: value for name, value in msgspec.structs.asdict(request).items() if value is not None
        }
        after = msgspec.structs.replace(before, **changes)
        await privacy.save(self._store, record.id, after)
        account = await self._accounts.load(record.jid)
        if account is not None:
            await self._hooks.privacy_changed(account)
        return _answer(after)


def _answer(stored: privacy.Privacy) -> Privacy:
    return Privacy(
        stored.last_seen,
        stored.avatar,
        stored.about,
        stored.read_receipts,
        stored.messages,
        stored.calls,
        stored.groups,
    )
