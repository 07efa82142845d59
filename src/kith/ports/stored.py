"""The values that are passed to and returned by a store (`kith.ports.store`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kith.base.tasks import Told

#: Flags of a log entry, as stored.
INCOMING = 1  # the owner of the log is a recipient, so the entry can be undelivered
UNARCHIVED = 2  # not in the archive; dropped when it is delivered or, if OUTGOING, handed on
UNDELIVERED = 4  # not delivered although older than the account's delivery mark
OUTGOING = 8  # in the outbox: the owner of the peer, another node or server, has not confirmed it


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


class Entry(NamedTuple):
    """A message in an account's log. ``id`` sorts and contains the time (see `kith.base.ids`)."""

    id: int
    stanza: bytes
    flags: int


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

    Bounds are exclusive; ``ids`` selects entries.

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
