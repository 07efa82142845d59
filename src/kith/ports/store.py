"""What is asked of a store: accounts, their logs of messages, and small documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from kith.base.histogram import Commits
from kith.base.tasks import Told

#: Flags of a log entry, as stored.
INCOMING = 1  # the owner of the log is a recipient: it can be undelivered
UNARCHIVED = 2  # never shown by the archive, dropped once it is delivered or, if OUTGOING, handed on
UNDELIVERED = 4  # not delivered although older than the account's delivery mark
OUTGOING = 8  # in the outbox: the entry's peer, who is at another owner, is not known to have it


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
    """How messages that were sent under one origin id are told apart. Called on the thread that writes."""

    is_retry: Callable[[bytes, bytes], bool]
    """Whether the second stanza is the first, which is stored, once more.

    The first is empty if it was UNARCHIVED and has been dropped.
    """

    distinct: Callable[[bytes, bytes], bytes]
    """Another key for a stanza whose own key (the first argument, 16 bytes) a different message has."""


@dataclass(slots=True)
class Append:
    """One message that enters one or several logs.

    ``owners``: (account id, peer's bare address, flags) for each log it enters. They are written together or
    not at all.

    ``origin`` is the sender's id for the message (XEP-0359 §3) as UTF-8, or None. A message is known by the
    bare address of its ``sender``, that of its ``recipient`` and its origin, which mean the same on every
    node and in every store; if a log of its owners holds a message under them that is the same by
    ``retries`` (without, any is), it is a retry and is not delivered again: the log of another recipient
    is left without it. Only the sender's own log (the one of whose flags none is INCOMING) gets it if it
    lacks it.

    ``done`` is called on the loop's thread after the commit: with None, or with the id under which a retry
    is held, or with the error that kept it from being stored (`Unavailable`, if it may be tried again).
    """

    id: int
    stanza: bytes
    owners: Sequence[tuple[int, str, int]]
    done: Callable[[int | None, BaseException | None], None]
    sender: str = ""
    recipient: str = ""
    origin: bytes | None = None
    retries: Retries | None = None


class Entry(NamedTuple):
    """One message of one account's log. ``id`` sorts, and says when (see `kith.base.ids`)."""

    id: int
    stanza: bytes
    flags: int


class Outgoing(NamedTuple):
    """An entry of an outbox: a message of ``account``, for the bare address ``peer``."""

    account: int
    id: int
    peer: str
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


class AccountStore(Protocol):
    """Who has an account. An account keeps its id, which is the store's, through a change of its address."""

    async def account(self, jid: str) -> AccountRecord | None: ...
    async def account_with(
        self, jid: str, space: str, key: Callable[[int], str]
    ) -> tuple[AccountRecord | None, Document | None]:
        """An account and one of its documents, in one look. ``key`` makes its key of the account's id.

        For an account that does not exist it looks for one of id 0, and takes as long.
        """

    async def accounts(self) -> list[str]:
        """The addresses of all, sorted."""

    async def create_accounts(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        """Creates those that do not exist. Returns the addresses that were created."""

    async def set_keys(self, jid: str, keys: dict[str, Keys]) -> bool:
        """Replaces an account's keys. False if there is no such account."""

    async def upgrade_keys(self, jid: str, was: dict[str, Keys], keys: dict[str, Keys]) -> bool:
        """The same, if its keys are still those that were read."""

    async def rename_account(self, jid: str, new: str) -> bool:
        """Another address for an account; an empty account stays at the old one. False if it can't be."""

    async def delete_account(self, jid: str, ended: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Removes the account with its documents, then its log, which may take a while.

        ``ended`` is called in between: the address is free from then on. What is still in its outbox goes
        with the log.
        """


class LogStore(Protocol):
    """Each account's log of messages, in the order of their ids, which is that of their commits.

    Who appends gives the ids, and gives them in the order of the appends (`kith.base.ids`): so a reader that
    goes on after the last id that it has seen misses nothing.
    """

    @property
    def waiting_bytes(self) -> int:
        """Bytes of messages that wait for their commit."""

    def append(self, entry: Append) -> None:
        """Queues for the next commit. Never blocks."""

    async def settled(self) -> None:
        """Returns when all that was queued before is committed."""

    async def last_id(self, slot: int) -> int:
        """No log of an account in this slot has, or ever had, an entry with a greater id (0: none).

        A node that takes the slot over goes on after it.
        """

    async def page(self, query: LogQuery) -> Page:
        """Entries that ``query.ids`` names and the log does not have are left out."""

    async def count(self, query: LogQuery) -> int:
        """How many entries the query's bounds hold, whatever its limit."""

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
        """Queues: the mark moves to ``upto``, never back; ``late`` loses its UNDELIVERED flag."""

    def mark_undelivered(self, account: int, ids: Sequence[int]) -> None:
        """Queues: sets UNDELIVERED on entries below the mark."""

    async def outbox(self, slot: int | None, after: int, limit: int) -> list[Outgoing]:
        """Entries flagged OUTGOING of the accounts in a slot (None: in all), with id > ``after``, by id.

        Fewer than ``limit`` if they are large; none at the end.
        """

    def handed_on(self, account: int, ids: Sequence[int]) -> None:
        """Queues: entries leave the outbox, since their peer's owner has them.

        Those that are archived stay in the log.
        """

    def turned_away(self, account: int, ids: Sequence[int]) -> None:
        """Queues: entries leave the outbox, and the log as well, since their peer's owner refuses them.

        The sender has to be told. A retry is a new message from then on.
        """

    async def rewrite(self, id: int, stanza: bytes) -> None:
        """Other bytes take the place of a message's, in every log that holds it."""

    async def forget_origins(self, before: int) -> int:
        """Retries of messages with lesser ids are not known any more. Returns how many were forgotten."""

    async def expire(self, before: int) -> int:
        """Removes entries older than that id, but for those that are undelivered or in an outbox.

        Returns how many.
        """

    async def empty_log(self, account: int) -> None:
        """Removes all messages from an account's log."""


class DocumentStore(Protocol):
    """Small values by account, space and key. Account 0 has those of the server.

    A write that was awaited is durable. Each write gets a ``seq`` that is greater than all of this account
    before it, also than those of what was removed.
    """

    async def documents(self, account: int, space: str) -> list[Document]:
        """All of a space, in the order of ``seq``."""

    async def documents_of(self, account: int, spaces: Sequence[str]) -> dict[str, list[Document]]:
        """The same of several spaces in one look, by space; an empty list for one that has none."""

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
        """The names of non-empty spaces that start so, sorted."""


class Store(AccountStore, LogStore, DocumentStore, Protocol):
    """All that lasts. Writes are committed in the order of the calls; an awaited write is durable.

    What a store can't do now is answered with `Unavailable`, whoever asked. ``commits`` counts them.
    """

    commits: Commits

    @property
    def waiting(self) -> int:
        """How many operations are queued or being committed."""

    async def open(self) -> None:
        """Opens or creates, and migrates."""

    async def close(self) -> None:
        """Commits what waits, and closes."""

    async def holdings(self) -> Holdings:
        """Takes a moment: it looks at each account."""

    async def tidy(self) -> bool:
        """Lets nothing that was removed stay in files. False if that has to wait for readers."""

    def watch(self) -> None:
        """To be called once a second: tells the operator of a disk that does not answer."""

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call (`kith user add` beside a server)."""
