"""What the service knows of groups that are not in memory: which are listed, and which are temporary.

It is in documents of the server itself, which are written in the same commit as the configuration.
"""

from __future__ import annotations

import msgspec

from kith.groups.config import Config
from kith.ports.store import DocumentStore, Write

#: The owner of the documents, and their space; the keys are addresses of groups.
_SERVER, _SPACE = 0, "rooms"


class Listed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A group that is ``public``, with its name, or ``temporary``."""

    name: str = ""
    public: bool = False
    temporary: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Listed).decode


def entry_of(config: Config, locked: bool) -> Listed:
    """What is known of a group. One that is locked may still vanish, and nobody sees it."""
    return Listed(
        config.name if config.public else "",
        config.public and not locked,
        locked or not config.persistent,
    )


def index_write(jid: str, entry: Listed | None) -> Write:
    """The document of a group; None: it does not exist any more."""
    kept = entry is not None and (entry.public or entry.temporary)
    return Write(_SERVER, _SPACE, jid, _encode(entry) if kept else None)


async def note(store: DocumentStore, jid: str, entry: Listed) -> None:
    """Writes the document of a group that is about to be created."""
    await store.put(_SERVER, _SPACE, jid, _encode(entry))


async def read(store: DocumentStore) -> dict[str, Listed]:
    """All that is known, by address."""
    return {document.key: _decode(document.value) for document in await store.documents(_SERVER, _SPACE)}


async def forget(store: DocumentStore, jid: str) -> None:
    """Removes the document of a group."""
    await store.remove(_SERVER, _SPACE, jid)
