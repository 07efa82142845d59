"""What is stored of a message, for whom, and what follows the commit: the rules, without a disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kith.base.ids import Ids, to_text
from kith.core.actors.account import Account
from kith.core.log.envelope import Envelope, stanza_id
from kith.core.log.log import MAX_WAITING, Keep, Log
from kith.core.log.retries import distinct_origin, is_retry
from kith.ports.store import INCOMING, OUTGOING, UNARCHIVED, AccountRecord, Append
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

BODY = "<body>x</body>"


class Store:
    """Keeps what it is asked to store."""

    def __init__(self) -> None:
        self.appended: list[Append] = []

    def append(self, append: Append) -> None:
        self.appended.append(append)


class Someone:
    """A sender, here or elsewhere."""

    committing = 0

    def __init__(self, jid: str, account: Account | None, key: bytes | None = None) -> None:
        self.jid: JID = parse_jid(jid)
        self.full, self.bare = jid, self.jid.bare
        self.account, self.key = account, key
        self.commits = 0

    def committed(self) -> None:
        self.commits += 1

    def send(self, stanza: Stanza) -> None: ...
    def refuse(self, stanza: Stanza, error: Any) -> None: ...
    def pipelined(self) -> None: ...


class After:
    """Notes what was delivered, was known, and could not be stored."""

    def __init__(self) -> None:
        self.delivered: list[Envelope] = []
        self.retries: list[Envelope] = []
        self.failed: list[tuple[Envelope, BaseException]] = []

    def deliver(self, envelope: Envelope) -> None:
        self.delivered.append(envelope)

    def known(self, envelope: Envelope) -> None:
        self.retries.append(envelope)

    def unstored(self, envelope: Envelope, error: BaseException) -> None:
        self.failed.append((envelope, error))


class Numbers(Ids):
    """Notes which slots an id was for."""

    def __init__(self) -> None:
        super().__init__(lambda: 1_800_000_000.0, 1)
        self.slots: list[tuple[int, ...]] = []

    def next(self, *slots: int) -> int:
        self.slots.append(slots)
        return super().next(*slots)


class Desk:
    """A log, and all that is around it."""

    def __init__(self, *unwanted: tuple[str, str]) -> None:
        self.store, self.after = Store(), After()
        ids = self.ids = Numbers()
        wanted = [lambda account, peer: (account.jid, peer) not in unwanted, lambda account, peer: True]
        self.log = Log(self.store, ids, wanted, self.after)  # type: ignore[arg-type]
        self.ada = account(1, "ada@localhost")
        self.ben = account(2, "ben@localhost")

    def append(
        self, inside: str, sender: Someone, recipient: Account | None, keep: Keep, **other: Any
    ) -> Append:
        to = recipient.jid if recipient is not None else "eve@gate.test/x"
        text = f"<message from='{sender.full}' to='{to}' type='chat'>{inside}</message>"
        self.log.append(sender, Stanza.from_bytes(text.encode()), parse_jid(to), recipient, keep, **other)
        return self.store.appended[-1]


def account(id: int, jid: str) -> Account:
    return Account(AccountRecord(id, jid, {}, 0))


def message(inside: str) -> Stanza:
    return Stanza.from_bytes(f"<message to='b@x'>{inside}</message>".encode())


CHAT_STATE, OWN, QUEUED, NEVER = (f"{{urn:{name}}}x" for name in ("state", "own", "queued", "never"))
TABLE = {CHAT_STATE: Keep.NOTHING, OWN: Keep.ARCHIVE, QUEUED: Keep.QUEUE_ONLY, NEVER: Keep.FORBIDDEN}


@pytest.mark.parametrize(
    ("inside", "keep"),
    [
        ("", Keep.NOTHING),
        (BODY, Keep.ARCHIVE),
        ("<subject>x</subject>", Keep.ARCHIVE),
        ("<thread>x</thread>", Keep.NOTHING),
        ("<origin-id xmlns='urn:xmpp:sid:0' id='1'/>", Keep.NOTHING),
        ("<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='x'/>", Keep.NOTHING),
        ("<delay xmlns='urn:xmpp:delay' stamp='x'/>", Keep.NOTHING),
        ("<x xmlns='urn:unknown'/>", Keep.QUEUE),
        ("<x xmlns='urn:state'/>", Keep.NOTHING),
        ("<x xmlns='urn:own'/>", Keep.ARCHIVE),
        ("<x xmlns='urn:queued'/>", Keep.QUEUE_ONLY),
        ("<x xmlns='urn:never'/>", Keep.NOTHING),
        (f"<x xmlns='urn:unknown'/>{BODY}", Keep.ARCHIVE),
        (f"{BODY}<x xmlns='urn:unknown'/>", Keep.ARCHIVE),
        (f"{BODY}<x xmlns='urn:queued'/>", Keep.QUEUE_ONLY),
        (f"<x xmlns='urn:never'/>{BODY}<x xmlns='urn:queued'/>", Keep.NOTHING),
        ("<thread>x</thread><x xmlns='urn:state'/>", Keep.NOTHING),
    ],
)
def test_the_child_that_says_most_decides_what_is_kept(inside: str, keep: Keep) -> None:
    desk = Desk()
    desk.log.fill([{CHAT_STATE: TABLE[CHAT_STATE], OWN: TABLE[OWN]}, {k: TABLE[k] for k in (QUEUED, NEVER)}])
    assert desk.log.verdict(message(inside)) is keep


def test_the_words_of_the_rules_are_in_their_order() -> None:
    assert [keep.name for keep in sorted(Keep)] == ["NOTHING", "QUEUE", "ARCHIVE", "QUEUE_ONLY", "FORBIDDEN"]
    assert [int(keep) for keep in sorted(Keep)] == [0, 1, 2, 3, 4]
    assert MAX_WAITING == 64 * 2**20


ADA, BEN, EVE = "ada@localhost", "ben@localhost", "eve@gate.test"


@pytest.mark.parametrize(
    ("keep", "unwanted", "owners"),
    [
        (Keep.ARCHIVE, [], [(1, BEN, 0), (2, ADA, INCOMING)]),
        (Keep.ARCHIVE, [(ADA, BEN)], [(2, ADA, INCOMING)]),
        (Keep.ARCHIVE, [(BEN, ADA)], [(1, BEN, 0), (2, ADA, INCOMING | UNARCHIVED)]),
        (Keep.QUEUE, [], [(2, ADA, INCOMING | UNARCHIVED)]),
        (Keep.QUEUE_ONLY, [], [(2, ADA, INCOMING | UNARCHIVED)]),
    ],
)
def test_both_keep_what_they_want_and_the_recipient_waits_for_all(
    keep: Keep, unwanted: Sequence[tuple[str, str]], owners: Sequence[tuple[int, str, int]]
) -> None:
    desk = Desk(*unwanted)
    append = desk.append(BODY, Someone(f"{ADA}/phone", desk.ada), desk.ben, keep)
    assert list(append.owners) == list(owners)
    assert (append.sender, append.recipient) == (ADA, BEN)


def test_a_note_to_oneself_is_kept_once() -> None:
    desk = Desk()
    append = desk.append(BODY, Someone(f"{ADA}/phone", desk.ada), desk.ada, Keep.ARCHIVE)
    assert list(append.owners) == [(1, ADA, INCOMING)]


def test_a_message_from_or_to_elsewhere_is_kept_by_the_one_who_is_here() -> None:
    desk = Desk()
    ada, ben = desk.ada.slot, desk.ben.slot
    append = desk.append(BODY, Someone(f"{EVE}/x", None), desk.ben, Keep.ARCHIVE)
    assert desk.ids.slots.pop() == (ben, ben)
    assert (list(append.owners), append.sender, append.recipient) == ([(2, EVE, INCOMING)], EVE, BEN)
    append = desk.append(BODY, Someone(f"{ADA}/phone", desk.ada), None, Keep.ARCHIVE)
    assert desk.ids.slots.pop() == (ada, ada)
    assert (list(append.owners), append.sender, append.recipient) == ([(1, EVE, 0)], ADA, EVE)
    desk.append(BODY, Someone(f"{ADA}/phone", desk.ada), desk.ben, Keep.ARCHIVE)
    assert desk.ids.slots.pop() == (ada, ben)
    assert ada != ben


@pytest.mark.parametrize(
    ("keep", "unwanted", "flags"),
    [
        (Keep.ARCHIVE, [], OUTGOING),
        (Keep.ARCHIVE, [(ADA, EVE)], OUTGOING | UNARCHIVED),
        (Keep.QUEUE, [], OUTGOING | UNARCHIVED),
    ],
)
def test_what_another_node_is_to_get_is_in_the_outbox(
    keep: Keep, unwanted: Sequence[tuple[str, str]], flags: int
) -> None:
    desk, outgoing = Desk(*unwanted), After()
    append = desk.append(BODY, Someone(f"{ADA}/phone", desk.ada), None, keep, outgoing=outgoing)
    assert list(append.owners) == [(1, EVE, flags)]
    append.done(None, None)
    assert (len(outgoing.delivered), len(desk.after.delivered)) == (1, 0)


@pytest.mark.parametrize(
    ("inside", "origin"),
    [
        (BODY, None),
        ("<origin-id xmlns='urn:xmpp:sid:0' id='abc'/>", b"abc"),
        ('<origin-id xmlns="urn:xmpp:sid:0" id="abc"/>', b"abc"),
        ("<origin-id xmlns='urn:xmpp:sid:0' id='a'/>", b"a"),
        ("<origin-id xmlns='urn:xmpp:sid:0' id=''/>", None),
        ("<origin-id xmlns='urn:xmpp:sid:0'/>", None),
        ("<origin-id xmlns='urn:xmpp:sid:0' id='a&amp;b'/>", b"a&b"),
        (f"<origin-id xmlns='urn:xmpp:sid:0' id='{'x' * 1024}'/>", b"x" * 1024),
        (f"<origin-id xmlns='urn:xmpp:sid:0' id='{'x' * 1025}'/>", None),
        ("<origin-id xmlns='urn:xmpp:sid:0' id='é'/>", "é".encode()),
        ("<origin-id xmlns='urn:other' id='abc'/>", None),
        ("<x xmlns='urn:x'><origin-id id='no'/></x><origin-id xmlns='urn:xmpp:sid:0' id='yes'/>", b"yes"),
    ],
)
def test_a_retry_is_known_by_the_id_that_its_sender_gave_it(inside: str, origin: bytes | None) -> None:
    desk = Desk()
    append = desk.append(inside, Someone(f"{ADA}/phone", desk.ada), desk.ben, Keep.ARCHIVE)
    assert append.origin == origin
    assert append.retries == (is_retry, distinct_origin)


def test_without_an_id_the_key_of_the_sender_counts() -> None:
    desk = Desk()
    sender = Someone(f"{ADA}/phone", desk.ada, b"key")
    assert desk.append(BODY, sender, desk.ben, Keep.ARCHIVE).origin == b"key"
    own = "<origin-id xmlns='urn:xmpp:sid:0' id='own'/>"
    assert desk.append(BODY + own, sender, desk.ben, Keep.ARCHIVE).origin == b"own"


def test_ids_grow_and_a_message_is_stored_as_it_is_delivered() -> None:
    desk = Desk()
    sender = Someone(f"{ADA}/phone", desk.ada)
    one, other = (desk.append(BODY, sender, desk.ben, Keep.ARCHIVE) for _ in range(2))
    assert 0 < one.id < other.id
    assert one.stanza == f"<message from='{ADA}/phone' to='{BEN}' type='chat'>{BODY}</message>".encode()
    one.done(None, None)
    (envelope,) = desk.after.delivered
    assert (envelope.id, envelope.data, envelope.sender) == (one.id, one.stanza, sender)
    assert (str(envelope.to), envelope.delivered_to) == (BEN, [])
    assert envelope.stanza.to_bytes() == one.stanza


def test_a_sender_is_acknowledged_once_whatever_the_store_says() -> None:
    desk = Desk()
    sender = Someone(f"{ADA}/phone", desk.ada)
    appends = [desk.append(BODY, sender, desk.ben, Keep.ARCHIVE) for _ in range(3)]
    assert sender.commits == 0
    appends[0].done(None, None)
    assert (sender.commits, len(desk.after.delivered), desk.after.failed) == (1, 1, [])
    appends[1].done(17, None)  # a retry: nobody gets it again
    assert (sender.commits, len(desk.after.delivered), desk.after.failed) == (2, 1, [])
    assert [envelope.id for envelope in desk.after.retries] == [appends[1].id]
    error = OSError("the disk")
    appends[2].done(None, error)
    assert (sender.commits, len(desk.after.delivered)) == (3, 1)
    ((envelope, why),) = desk.after.failed
    assert (envelope.id, why) == (appends[2].id, error)


def test_each_account_gets_a_message_under_the_id_of_its_own_log() -> None:
    desk = Desk()
    append = desk.append(BODY, Someone(f"{ADA}/phone", desk.ada), desk.ben, Keep.ARCHIVE)
    append.done(None, None)
    (envelope,) = desk.after.delivered
    for bare in (BEN, "o'neil@localhost", BEN):
        by = bare.replace("'", "&apos;")
        expected = f"<stanza-id xmlns='urn:xmpp:sid:0' id='{to_text(append.id)}' by='{by}'/>"
        assert stanza_id(append.id, bare).decode() == expected
        assert envelope.for_owner(bare) == append.stanza[:-10] + expected.encode() + b"</message>"
    assert envelope.for_owner(BEN) is envelope.for_owner(BEN)  # made once for many sessions
    unlogged = Envelope(0, append.stanza, envelope.stanza, envelope.to, None)
    assert unlogged.for_owner(BEN) == append.stanza


def test_all_who_are_asked_have_to_want_a_message_in_the_archive() -> None:
    desk = Desk((ADA, BEN))
    assert not desk.log.wants(desk.ada, BEN)
    assert desk.log.wants(desk.ada, EVE)
    assert desk.log.wants(desk.ben, ADA)
