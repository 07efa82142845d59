"""The interface of a store: accounts, their logs of messages, and small documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from kith.base.histogram import Commits
from kith.ports.stored import (
    DEPARTURES,
    INCOMING,
    ITERATIONS,
    MEMBERSHIPS,
    OUTGOING,
    SHARED,
    UNARCHIVED,
    UNDELIVERED,
    AccountRecord,
    Append,
    Document,
    Entry,
    Holdings,
    Keys,
    Logged,
    LogQuery,
    Outgoing,
    Overview,
    Page,
    Queued,
    Retries,
    Shared,
    Unavailable,
    Usage,
    Write,
)

__all__ = [
    "DEPARTURES",
    "INCOMING",
    "ITERATIONS",
    "MEMBERSHIPS",
    "OUTGOING",
    "SHARED",
    "UNARCHIVED",
    "UNDELIVERED",
    "AccountRecord",
    "AccountStore",
    "Append",
    "Document",
    "DocumentStore",
    "Entry",
    "GroupStore",
    "Holdings",
    "Keys",
    "LogQuery",
    "LogStore",
    "Logged",
    "Outgoing",
    "Overview",
    "Page",
    "Queued",
    "Retries",
    "Shared",
    "Store",
    "SurveyStore",
    "Unavailable",
    "Usage",
    "Write",
]


class AccountStore(Protocol):
    """The accounts. The store gives each an id, which it keeps when its address changes."""

    async def account(self, jid: str) -> AccountRecord | None: ...
    async def account_with(
        self, jid: str, space: str, key: Callable[[int], str]
    ) -> tuple[AccountRecord | None, Document | None]:
        """Reads an account and one of its documents, with one query.

        ``key``: makes the key of the document from the id.

        For an account that does not exist it reads one for id 0, so that it takes the same time.
        """

    async def accounts(self) -> list[str]:
        """The addresses of all accounts, sorted. Groups are not among them."""

    async def create_accounts(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        """Creates the accounts that do not exist. Returns the addresses that were created."""

    async def set_keys(self, jid: str, keys: dict[str, Keys]) -> bool:
        """Replaces the keys of an account. Returns False if it does not exist."""

    async def upgrade_keys(self, jid: str, was: dict[str, Keys], keys: dict[str, Keys]) -> bool:
        """Replaces the keys of an account if they are still ``was``. Returns whether it did."""

    async def rename_account(self, jid: str, new: str) -> bool:
        """Changes the address of an account.

        The old address keeps an empty account. Returns False if it is impossible.
        """

    async def delete_account(self, jid: str, ended: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Deletes an account with its documents, then its log, which may take a while.

        Which groups it was in is kept in documents of the server (`DEPARTURES`), in the same commit.
        ``ended`` is called in between, when the address is free. What is still in the outbox is deleted
        with the log.
        """


class GroupStore(Protocol):
    """The groups. A group has an id, a log and documents, as an account has; its log is the group's archive.

    A message in it can be shared with accounts (`Append.shared`), which is stored once for all of them.
    """

    async def groups(self) -> list[str]:
        """The addresses of all groups, sorted."""

    async def create_group(
        self, jid: str, documents: Sequence[tuple[str, str, bytes]], others: Sequence[Write] = ()
    ) -> int | None:
        """Creates a group with documents (space, key, value). Returns its id, or None if it exists.

        ``others``: documents of accounts, written in the same commit.
        """

    async def groups_of(self, account: int) -> list[tuple[int, str]]:
        """The ids and addresses of all groups that have ever shared a message with an account."""

    async def expire_shared(self, now: int) -> int:
        """Deletes shared messages whose time is over (`Shared.expires`). Returns how many."""

    async def audience(self, ids: Sequence[int]) -> list[int]:
        """The accounts and side logs that have any of these shared messages."""

    async def side_log(self, account: int, name: str, create: bool = True) -> int:
        """The id of a log that an account has beside its own; 0 if there is none. Account 0: the server.

        It can be in the place of an account or a group where messages are shared and read. It is deleted
        with the account.
        """

    async def side_logs(self, name: str, jids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """As `side_log`, for all accounts among the addresses: the account's id and the log's, by address."""


class LogStore(Protocol):
    """The log of messages of each account, in the order of ids, which is the order of commits.

    The caller of `append` gives the ids, in the order of the calls (`kith.base.ids`). So a reader that
    continues after the last id it has seen misses nothing.
    """

    @property
    def waiting_bytes(self) -> int:
        """The size of the messages that are not committed yet."""

    def append(self, entry: Append) -> None:
        """Queues a message for the next commit. Never blocks."""

    async def stored(self, entry: Append) -> int | None:
        """The id of the message that ``entry`` is a retry of, or None. Nothing is stored.

        Takes into account what was queued before.
        """

    async def flush(self) -> None:
        """Waits for all queued writes. Concurrent callers share one wait."""

    async def last_id(self, slot: int) -> int:
        """An id that no entry of an account in this slot exceeds, or has ever exceeded (0: there was none).

        A node that gains the slot continues after it.
        """

    async def page(self, query: LogQuery) -> Page:
        """Reads a page. Entries of ``query.ids`` that do not exist are left out."""

    async def owned(self, ids: Sequence[int]) -> dict[int, list[bytes]]:
        """What single accounts get of shared messages (`Shared.own`), of all accounts, by id."""

    async def count(self, query: LogQuery) -> int:
        """The number of entries within the bounds of the query, regardless of its limit."""

    async def peers(self, account: int) -> list[str]:
        """The bare addresses of all peers in the log, in no particular order."""

    async def bounds(self, account: int, shared: bool = False) -> tuple[int, int] | None:
        """The first and the last id of the archive, or None if it is empty (XEP-0313 §5).

        ``shared``: whether to include what groups have shared with the account.
        """

    async def undelivered(
        self, account: int, after: int, limit: int, since: int | None = None, shared: bool = False
    ) -> list[Entry]:
        """Incoming entries with id > ``after`` that are newer than the delivery mark or flagged
        UNDELIVERED.

        With ``since``, also all entries newer than that; with ``shared``, also those among them that groups
        have shared with the account, which have no part in the mark.

        Fewer than ``limit`` if they are large; empty at the end.
        """

    def mark_delivered(self, account: int, upto: int, late: Sequence[int] = ()) -> None:
        """Queues a write that moves the mark to ``upto``, never back, and unflags ``late``."""

    def mark_undelivered(self, account: int, ids: Sequence[int]) -> None:
        """Queues a write that flags entries below the mark as UNDELIVERED."""

    async def outbox(self, slot: int | None, after: int, limit: int) -> list[Outgoing]:
        """The entries flagged OUTGOING of accounts in a slot (None: in all slots), with id > ``after``,
        by id.

        Fewer than ``limit`` if they are large; empty at the end.
        """

    async def outbox_to(self, domain: str, after: int, limit: int) -> list[Outgoing]:
        """As `outbox`, the entries of all slots whose peer has an address of a domain."""

    async def outbox_sizes(self) -> list[Queued]:
        """What is in the outbox of each account for each domain. This reads all entries, but no stanzas."""

    def handed_on(self, account: int, ids: Sequence[int]) -> None:
        """Queues a write that removes entries from the outbox, because the owner of their peer has them.

        Archived ones stay in the log.
        """

    def turned_away(self, account: int, ids: Sequence[int]) -> None:
        """Queues a write that removes entries from the outbox and the log, because the owner of their
        peer refused them.

        The caller has to tell the sender. A later retry counts as a new message.
        """

    async def rewrite(self, id: int, stanza: bytes) -> None:
        """Replaces the content of a message in every log that has it, with what single accounts get of it."""

    async def forget_origins(self, before: int) -> int:
        """Forgets the origins of messages before this id, so retries of them are no longer recognized.

        Returns how many.
        """

    async def expire(self, before: int) -> int:
        """Deletes entries before this id, except undelivered ones and those in outboxes. Returns how many."""

    async def empty_log(self, account: int) -> None:
        """Deletes all messages from an account's log, also those in its outbox."""


class DocumentStore(Protocol):
    """Small values by account, space and key. Account 0 is the server itself.

    An awaited write is durable. Each write gets a ``seq`` that is greater than all earlier ones of the
    account, including those of removed documents.
    """

    async def documents(self, account: int, space: str) -> list[Document]:
        """The documents of a space, in the order of ``seq``."""

    async def documents_of(self, account: int, spaces: Sequence[str]) -> dict[str, list[Document]]:
        """The documents of several spaces, by space, with one query. Empty spaces get an empty list."""

    async def document(self, account: int, space: str, key: str) -> Document | None: ...
    async def put(self, account: int, space: str, key: str, value: bytes) -> int:
        """Writes a document. Returns its ``seq``."""

    def put_soon(self, account: int, space: str, key: str, value: bytes) -> None:
        """Queues a document. Writes queued after it are not durable before it. Never blocks."""

    async def put_if(self, account: int, space: str, key: str, value: bytes, seq: int) -> int:
        """Writes a document if its current ``seq`` is the given one (0: it must not exist).

        Returns the new one, or 0.
        """

    async def remove(self, account: int, space: str, key: str | None = None) -> int:
        """Removes a document, or all of a space. Returns how many there were."""

    async def take(self, space: str, slot: int | None) -> list[tuple[str, Document]]:
        """Removes a space from the accounts in a slot, or from all accounts, and returns what was there.

        Each document comes with the address of its account. All is one write: a document is returned once,
        whichever node asks. Accounts that this node may not write for are left out.
        """

    async def spaces(self, account: int, prefix: str) -> list[str]:
        """The names of non-empty spaces with this prefix, sorted."""


class SurveyStore(Protocol):
    """What operators want to know, across accounts. It only reads."""

    async def overview(self, spaces: Sequence[str], after: str, limit: int) -> list[Overview]:
        """The accounts whose addresses come after ``after``, in order, with their documents in ``spaces``."""

    async def usage(self, account: int) -> Usage:
        """What an account takes up. This reads its whole log."""

    async def logged(self, account: int, before: int, limit: int, peer: str = "") -> list[Logged]:
        """The entries of a log with id < ``before``, also those that are not archived, the newest first.

        ``peer``: only those with this bare address. Fewer than ``limit`` if they are large; empty at the end.
        """


class Store(AccountStore, GroupStore, LogStore, DocumentStore, SurveyStore, Protocol):
    """Everything that is stored.

    Writes are committed in the order of the calls; an awaited write is durable.

    All methods raise `Unavailable` if the store can't do something now. ``commits``: statistics of the
    commits.
    """

    commits: Commits

    @property
    def waiting(self) -> int:
        """The number of operations that are queued or being committed."""

    @property
    def failing(self) -> bool:
        """Whether the store has refused the last write."""

    async def open(self) -> None:
        """Opens the store; creates or migrates it if necessary."""

    async def close(self) -> None:
        """Commits what is queued, and closes the store."""

    async def holdings(self) -> Holdings:
        """Counts what is in the store. This takes a moment, since it reads each account."""

    async def tidy(self) -> bool:
        """Erases deleted data from the files. Returns False if that has to wait for readers."""

    def watch(self) -> None:
        """Logs a warning if the disk does not answer. To be called once a second."""

    def changed_elsewhere(self) -> bool:
        """Whether another process, such as `kith user add`, has written since the last call."""
