"""The privacy settings of an account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from kith.ports.store import Document, DocumentStore

SPACE = "privacy"
#: Who may see something. Contacts are people who are subscribed to the account's presence.
Audience = Literal["everyone", "contacts", "nobody"]
#: Who may send messages, or call. `kith.features.correspondents` says who counts as a contact for that.
Writers = Literal["everyone", "contacts"]


class Privacy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who may see what, and who may write.

    ``last_seen``: when the account was last online. ``about``: the vCard. ``read_receipts``: whether
    others learn that a message was read. ``messages``: who may write. ``calls``: who may call. ``groups``:
    who may add the account to groups; others can only invite it.
    """

    last_seen: Audience = "contacts"
    avatar: Audience = "everyone"
    about: Audience = "everyone"
    read_receipts: bool = True
    messages: Writers = "everyone"
    calls: Writers = "everyone"
    groups: Audience = "everyone"


PLAIN = Privacy()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Privacy).decode


def read(documents: Sequence[Document]) -> Privacy:
    """The settings in the documents of an account in the space ``SPACE``; the defaults if there are none."""
    return _decode(documents[0].value) if documents else PLAIN


async def load(store: DocumentStore, account: int) -> Privacy:
    """The settings of an account; the defaults if it has changed none."""
    document = await store.document(account, SPACE, "")
    return _decode(document.value) if document is not None else PLAIN


async def save(store: DocumentStore, account: int, privacy: Privacy) -> None:
    """Stores the settings of an account."""
    await store.put(account, SPACE, "", _encode(privacy))
