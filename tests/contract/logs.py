"""Three accounts in a store, and short words for what tests do to their logs."""

from __future__ import annotations

from collections.abc import Sequence

from kith.ports.store import INCOMING, Append, Keys, LogQuery, Retries, Store

KEYS = {"SHA-1": Keys(b"salt", b"stored", b"server", 4096), "SHA-256": Keys(b"s", b"t", b"u", 10_000)}


class Logs:
    """``a``, ``b``, ``c``: the ids of the accounts a@x, b@x and c@x.

    ``answers``: (id, existing, error) in the order of the callbacks.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.a = self.b = self.c = 0
        self.answers: list[tuple[int, int | None, BaseException | None]] = []

    async def create(self) -> None:
        await self.store.create_accounts([(f"{name}@x", KEYS) for name in "abc"])
        self.a, self.b, self.c = [await self.account(f"{name}@x") for name in "abc"]

    async def account(self, jid: str) -> int:
        """The id of an account that exists."""
        record = await self.store.account(jid)
        assert record is not None
        return record.id

    def append(
        self,
        id: int,
        owners: Sequence[tuple[int, str, int]] | None = None,
        origin: bytes | None = None,
        sender: str = "a@x",
        recipient: str = "b@x",
        stanza: bytes | None = None,
        retries: Retries | None = None,
    ) -> None:
        """From a to b, into the logs of both, unless told otherwise."""
        if owners is None:
            owners = [(self.a, "b@x", 0), (self.b, "a@x", INCOMING)]

        def done(existing: int | None, error: BaseException | None) -> None:
            self.answers.append((id, existing, error))

        body = b"<message>%d</message>" % id if stanza is None else stanza
        self.store.append(Append(id, body, owners, done, sender, recipient, origin, retries))

    async def appended(self, id: int, *arguments: object, **named: object) -> int | None:
        """`append`, and what the store answers; raises the error that it answers with."""
        self.append(id, *arguments, **named)  # type: ignore[arg-type]
        await self.store.flush()
        of, existing, error = self.answers[-1]
        assert of == id
        if error is not None:
            raise error
        return existing

    async def ids(self, account: int, **query: object) -> list[int]:
        """The ids of a page of an account's archive."""
        page = await self.store.page(LogQuery(account, **{"limit": 100_000, **query}))  # type: ignore[arg-type]
        return [entry.id for entry in page.entries]

    async def undelivered(self, account: int, after: int = 0, limit: int = 100) -> list[int]:
        return [entry.id for entry in await self.store.undelivered(account, after, limit)]

    async def outbox(self, slot: int | None = None, after: int = 0, limit: int = 100) -> list[int]:
        return [entry.id for entry in await self.store.outbox(slot, after, limit)]
