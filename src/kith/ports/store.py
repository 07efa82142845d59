"""What is asked of a store: accounts, their logs of messages, and small documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from kith.base.histogram import Commits
from kith.base.tasks import Told

#: Flags of a log entry, as stored.
INCOMING = 1  # the owner of the log is a recipient: it can be undelivered
UNARCHIVED = 2  # kept for delivery only: never shown by the archive, dropped when delivered
UNDELIVERED = 4  # not delivered although older than the account's delivery mark


#: How often SCRAM hashes a new password (RFC 7677 §4 sets this as the least).
ITERATIONS = 4096


class Keys(NamedTuple):
    """What SCRAM keeps of one password for one hash (RFC 5802 §3)."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


class Unavailable(Told):
    """The store can't do it now: the disk is full or broken, or too much waits.

    Who asked is told the ``condition`` (RFC 6120 §8.3.3), to be tried again.
    """

    condition = "internal-server-error"


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as stored: ``keys`` by hash name (``SHA-1``, ``SHA-256``, ``SHA-512``)."""

    id: int
    jid: str
    keys: dict[str, Keys]
    delivered: int
    """The delivery mark: incoming entries up to this id were delivered, but for those flagged."""


class Retries(NamedTuple):
    """How messages with one origin are told apart."""

    is_retry: Callable[[bytes, bytes], bool]
    """Whether the second stanza is the first, which is stored, once more."""

    distinct: Callable[[bytes, bytes], bytes]
    """The origin under which a stanza goes whose own origin another message has."""


@dataclass(slots=True)
class Append:
    """One message for the log. ``owners``: (account id, peer's bare address, flags) for each log it enters.

    ``origin`` is the key of XEP-0359 by which a retry is known, or None; ``sender`` scopes it. Where the
    store holds another message under it, `Retries` tell, on the thread that writes; without, it is the same.
    ``done`` is called on the loop's thread after the commit: with None, or with the id that the
    log already holds this message under, or with the error that kept it from being stored.
    """

    id: int
    stanza: bytes
    owners: Sequence[tuple[int, str, int]]
    done: Callable[[int | None, BaseException | None], None]
    sender: int = 0
    origin: bytes | None = None
    retries: Retries | None = None


class Entry(NamedTuple):
    """One message of one account's log. ``id`` sorts, and says when (see `kith.base.ids`)."""

    id: int
    stanza: bytes
    flags: int


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A page of the archive (XEP-0313 §4, XEP-0059). Bounds are exclusive ids; ``ids`` picks entries.

    ``limit`` entries next to ``after`` (or the start), or, with ``backwards``, next to ``before``.
    """

    account: int
    peer: str | None = None
    after: int | None = None
    before: int | None = None
    ids: Sequence[int] | None = None
    limit: int = 50
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in ascending order; ``complete`` when nothing lies beyond in the page's direction.

    A page of large entries is shorter than asked for.
    """

    entries: list[Entry] = field(default_factory=list)
    complete: bool = True


class Document(NamedTuple):
    """A small value that a feature keeps for an account. ``seq`` grows with each write."""

    key: str
    value: bytes
    seq: int


class Holdings(NamedTuple):
    """How much a store holds. ``undelivered``: messages that no device of their recipient has got yet."""

    accounts: int
    undelivered: int
    database_bytes: int
    journal_bytes: int
    """What is committed, and not in its place in the database yet."""


class Store(Protocol):
    """All that lasts. Writes are committed in the order of the calls; an awaited write is durable.

    ``commits`` counts them.
    """

    commits: Commits

    @property
    def waiting(self) -> int:
        """How many operations are queued or being committed."""

    async def holdings(self) -> Holdings:
        """Takes a moment: it looks at each account."""

    async def open(self) -> int:
        """Opens or creates, and migrates. Returns the greatest log id in use (0 if none)."""

    async def close(self) -> None:
        """Commits what waits, and closes."""

    async def settled(self) -> None:
        """Returns when all that was queued before is committed."""

    # accounts
    async def account(self, jid: str) -> AccountRecord | None: ...
    async def account_with(
        self, jid: str, space: str, key: Callable[[int], str]
    ) -> tuple[AccountRecord | None, Document | None]:
        """An account and one of its documents, in one look. ``key`` makes its key of the account's id.

        For an account that does not exist it looks for one of id 0, and takes as long.
        """

    async def accounts(self) -> list[str]: ...
    async def create_accounts(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        """Creates those that do not exist. Returns the addresses that were created."""

    async def set_keys(self, jid: str, keys: dict[str, Keys]) -> bool: ...
    async def upgrade_keys(self, jid: str, was: dict[str, Keys], keys: dict[str, Keys]) -> bool:
        """The same, if its keys are still those that were read."""

    async def rename_account(self, jid: str, new: str) -> bool:
        """Another address for an account; an empty account stays at the old one. False if it can't be."""

    async def delete_account(self, jid: str, ended: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Removes the account with its documents, then its log, which may take a while.

        ``ended`` is called in between: the address is free from then on.
        """

    async def tidy(self) -> bool:
        """Lets nothing that was removed stay in files. False if that has to wait for readers."""

    async def empty_log(self, account: int) -> None:
        """Removes all messages from an account's log."""

    # the log
    @property
    def waiting_bytes(self) -> int:
        """Bytes of messages that wait for their commit."""

    def append(self, entry: Append) -> None:
        """Queues for the next commit. Never blocks."""

    async def page(self, query: LogQuery) -> Page: ...
    async def count(self, query: LogQuery) -> int: ...
    async def peers(self, account: int) -> list[str]:
        """Bare addresses of all with whom the log has an entry, in no order."""

    async def bounds(self, account: int) -> tuple[int, int] | None:
        """First and last id of the archive, or None when it is empty (XEP-0313 §5, metadata)."""

    async def undelivered(
        self, account: int, after: int, limit: int, since: int | None = None
    ) -> list[Entry]:
        """Incoming entries newer than the delivery mark, or flagged UNDELIVERED, with id > ``after``.

        With ``since``, also those newer than that. Fewer than ``limit`` if they are large; none at the end.
        """

    def mark_delivered(self, account: int, upto: int, late: Sequence[int] = ()) -> None:
        """Queues: the mark moves to ``upto``; ``late`` loses its UNDELIVERED flag."""

    def mark_undelivered(self, account: int, ids: Sequence[int]) -> None:
        """Queues: sets UNDELIVERED on entries below the mark."""

    async def rewrite(self, id: int, stanza: bytes) -> None:
        """Other bytes take the place of a message's, in every log that holds it."""

    async def forget_origins(self, before: int) -> int:
        """Retries of messages with lesser ids are not known any more. Returns how many were forgotten."""

    async def expire(self, before: int) -> int:
        """Removes entries older than that id. Returns how many."""

    # documents
    async def documents(self, account: int, space: str) -> list[Document]:
        """All of a space, in the order of ``seq``."""

    async def document(self, account: int, space: str, key: str) -> Document | None: ...
    async def put(self, account: int, space: str, key: str, value: bytes) -> int:
        """Writes one. Returns its seq."""

    def put_soon(self, account: int, space: str, key: str, value: bytes) -> None:
        """Queues one. Whatever is queued after it is not durable before it. Never blocks."""

    async def put_if(self, account: int, space: str, key: str, value: bytes, seq: int) -> int:
        """Writes one whose seq is still ``seq``; 0 if there is to be none. Returns its new seq, or 0."""

    async def remove(self, account: int, space: str, key: str | None = None) -> int:
        """Removes one, or the whole space. Returns how many there were."""

    async def spaces(self, account: int, prefix: str) -> list[str]:
        """The names of non-empty spaces that start so."""

    def watch(self) -> None:
        """To be called once a second: tells the operator of a disk that does not answer."""

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call (`kith user add` beside a server)."""
