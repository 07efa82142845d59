"""Who may see what of an account, as its owner has set it."""

from __future__ import annotations

from typing import Literal

import msgspec

from kith.ports.store import Store

SPACE = "privacy"
#: Contacts are those who may see the account's presence.
Audience = Literal["everyone", "contacts", "nobody"]
Writers = Literal["everyone", "contacts"]


class Privacy(msgspec.Struct, frozen=True, omit_defaults=True):
    """``last_seen``: since when it is offline; ``about``: the card with what one says of oneself.

    ``read_receipts``: whether others learn that a message was read. ``messages``: who may write.
    """

    last_seen: Audience = "contacts"
    avatar: Audience = "everyone"
    about: Audience = "everyone"
    read_receipts: bool = True
    messages: Writers = "everyone"


PLAIN = Privacy()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Privacy).decode


async def load(store: Store, account: int) -> Privacy:
    """Those of an account."""
    document = await store.document(account, SPACE, "")
    return _decode(document.value) if document is not None else PLAIN


async def save(store: Store, account: int, privacy: Privacy) -> None:
    """From now on."""
    await store.put(account, SPACE, "", _encode(privacy))
