"""The values that are passed to and returned by a store (`kith.ports.store`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kith.base.tasks import Told

#: Flags of a log entry, as stored.
INCOMING = 1  # the owner of the log is a recipient, so the entry can be undelivered
UNARCHIVED = 2  # not in the archive; dropped when it is delivered or, if OUTGOING, handed on
UNDELIVERED = 4  # not delivered although older than the account's delivery mark
OUTGOING = 8  # in the outbox: the owner of the peer, another node or server, has not confirmed it
#: A flag of entries that are read, not stored: a group has shared the message with the owner of the log.
SHARED = 16


#: The space of an account's documents that names the groups it is in, and that of the server's documents that
#: name the groups of removed accounts, as ``ID GROUP``, until these know of it.
MEMBERSHIPS, DEPARTURES = "groups", "departures"


#: The number of SCRAM iterations for a new password (the minimum of RFC 7677 §4).
ITERATIONS = 4096


class Keys(NamedTuple):
    """The SCRAM keys of a password for one hash (RFC 5802 §3)."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


class Unavailable(Told):
    """The store can't do this now: the disk is full or broken, or too much is queued.

    ``condition``: the stanza error (RFC 6120 §8.3.3) for the sender, who may try again.
    """

    condition = "internal-server-error"


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as it is stored. ``keys``: by hash name (``SHA-1``, ``SHA-256``, ``SHA-512``)."""

    id: int
    jid: str
    keys: dict[str, Keys]
    delivered: int
    """The delivery mark: incoming entries up to this id were delivered, except those flagged UNDELIVERED."""


class Retries(NamedTuple):
    """How to distinguish messages with the same origin id. Called on the writer thread."""

    is_retry: Callable[[bytes, bytes], bool]
    """Whether the second stanza is a retry of the first, which is stored.

    The first is empty if it was UNARCHIVED and has been dropped.
    """

    distinct: Callable[[bytes, bytes], bytes]
    """Derives a key for a stanza whose own key (the first argument, 16 bytes) belongs to a different
    message.
    """


class Write(NamedTuple):
    """A document to be written; without a ``value``, to be removed."""

    account: int
    space: str
    key: str
    value: bytes | None


@dataclass(slots=True)
class Shared:
    """The accounts that a group shares a message with. Each of them has it in its log from then on.

    ``group``: the id of the group, whose own log has the message too. ``audience``: the ids of the accounts;
    pass the same object again as long as they are the same. ``own``: what an account gets in addition to the
    message, such as the keys that were encrypted for it; nobody else gets it. ``expires``: the time from
    which on nobody has the message any more, in seconds since 1970, or None. ``ended``: accounts for which
    this is the last message, until they are in an audience again.
    """

    group: int
    audience: Sequence[int]
    own: Mapping[int, bytes] = field(default_factory=dict)
    expires: int | None = None
    ended: Sequence[int] = ()

    @property
    def size(self) -> int:
        """About how many bytes it takes while it waits."""
        return 32 * len(self.audience) + sum(map(len, self.own.values()))


@dataclass(slots=True)
class Append:
    """A message to be added to one or more logs.

    ``owners``: (account id, peer's bare address, flags) for each log. All are written together, or none.

    ``origin``: the sender's id for the message (XEP-0359 §3) as UTF-8, or None. A message is identified by
    the bare addresses of its ``sender`` and ``recipient`` and by its origin, which mean the same on every
    node and in every store. If a log of the owners has a message with this identity that ``retries``
    considers the same (without ``retries``, any), then this one is a retry and is not delivered again: no
    log of a recipient gets it. Only the sender's own log (whose flags do not include INCOMING) gets it if
    it lacks it.

    ``shared``: the accounts that a group shares the message with. ``documents`` are written in the same
    commit, unless it is a retry; so are ``rewrites``: ids of messages, and what they are replaced by in every
    log (`LogStore.rewrite`).

    ``done`` is called on the thread of the event loop after the commit: with None, with the id of the
    stored message in case of a retry, or with the error why it was not stored (`Unavailable` if it may be
    tried again).
    """

    id: int
    stanza: bytes
    owners: Sequence[tuple[int, str, int]]
    done: Callable[[int | None, BaseException | None], None]
    sender: str = ""
    recipient: str = ""
    origin: bytes | None = None
    retries: Retries | None = None
    shared: Shared | None = None
    documents: Sequence[Write] = ()
    rewrites: Sequence[tuple[int, bytes]] = ()

    @property
    def size(self) -> int:
        """About how many bytes it takes while it waits."""
        if self.shared is None:
            return len(self.stanza)
        return len(self.stanza) + self.shared.size


class Entry(NamedTuple):
    """A message in an account's log. ``id`` sorts and contains the time (see `kith.base.ids`).

    ``own``: what only this account gets of a message that was shared with it (`Shared.own`).
    """

    id: int
    stanza: bytes
    flags: int
    own: bytes = b""


class Outgoing(NamedTuple):
    """An entry in an outbox: a message of ``account`` to the bare address ``peer``."""

    account: int
    id: int
    peer: str
    stanza: bytes
    flags: int


class Queued(NamedTuple):
    """How much is in the outbox of ``account`` for peers of a domain: messages, and their bytes in total."""

    account: int
    domain: str
    messages: int
    size: int


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A query for a page of the archive (XEP-0313 §4, XEP-0059).

    Bounds are exclusive; ``ids`` selects entries. ``shared``: whether to include messages that groups have
    shared with the account; with a ``peer`` that is a group, the page has only those.
    ``reader``: an account for which the log of a group is read; entries have what it gets of them alone.

    The page has ``limit`` entries after ``after`` (or the start); with ``backwards``, before ``before`` (or
    the end).
    """

    account: int
    peer: str | None = None
    after: int | None = None
    before: int | None = None
    ids: Sequence[int] | None = None
    limit: int = 50
    backwards: bool = False
    shared: bool = False
    reader: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in ascending order.

    ``complete``: whether there are no further entries in the direction of the query.

    A page of large entries is shorter than requested.
    """

    entries: list[Entry] = field(default_factory=list)
    complete: bool = True


class Document(NamedTuple):
    """A small value that a feature stores for an account. ``seq`` grows with each write."""

    key: str
    value: bytes
    seq: int


class Overview(NamedTuple):
    """An account with some of its documents, by space. ``password``: whether it has one of its own."""

    id: int
    jid: str
    password: bool
    documents: dict[str, list[Document]]


class Usage(NamedTuple):
    """What an account takes up: messages in its log with their size in bytes, and documents with theirs.

    ``undelivered`` and ``outgoing`` count the messages that no device has received yet, and those that wait
    for another server. A message that several accounts have is stored once, and counted for each.
    """

    messages: int
    message_bytes: int
    undelivered: int
    outgoing: int
    documents: int
    document_bytes: int


class Logged(NamedTuple):
    """An entry of an account's log, with what became of it.

    ``mark``: the account's delivery mark. ``peer_flags`` and ``peer_mark``: the flags of the same message in
    the log of the peer, and the peer's delivery mark; None if the peer has no account here, or the message
    is not in its log any more.
    """

    id: int
    peer: str
    flags: int
    stanza: bytes
    mark: int
    peer_mark: int | None
    peer_flags: int | None


class Holdings(NamedTuple):
    """How much is in a store.

    ``undelivered``: messages that no device of their recipient has received yet.
    """

    accounts: int
    undelivered: int
    database_bytes: int
    journal_bytes: int
    """The size of what is committed but not yet copied from the journal into the database."""
