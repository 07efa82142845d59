"""Which accounts belong to people of an organisation's directory (`kith.ports.directory`)."""

from __future__ import annotations

from kith.ports.store import DocumentStore

SPACE = "directory"


class DirectoryAccounts:
    """The bare addresses of accounts whose people have logged in by the directory."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    async def all(self) -> list[str]:
        """All of them, sorted."""
        return sorted(document.key for document in await self._store.documents(0, SPACE))

    async def note(self, bare: str) -> None:
        """Notes an account."""
        if await self._store.document(0, SPACE, bare) is None:
            await self._store.put(0, SPACE, bare, b"")

    async def forget(self, bare: str) -> None:
        """Forgets an account that was removed, or has left the directory."""
        await self._store.remove(0, SPACE, bare)
