"""What a store holds, in memory: the durable part of `tests.simulation.store`.

The rules of `kith.ports.store`, written down once more as plainly as can be. Each method is one operation,
done at once; when an operation is committed, and who learns of it, is the store's affair.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kith.base.slots import slot_of
from kith.ports.store import (
    INCOMING,
    OUTGOING,
    SHARED,
    UNARCHIVED,
    UNDELIVERED,
    AccountRecord,
    Append,
    Document,
    Entry,
    Keys,
    Logged,
    LogQuery,
    Outgoing,
    Overview,
    Page,
    Queued,
    Usage,
    Write,
)

#: A page ends with the entry that passes so many bytes.
PAGE_BYTES = 1024 * 1024
#: What a retry is known by: who has sent it (the account's id, or the address), to whom, and the origin.
Key = tuple[int | str, str, bytes]


@dataclass(slots=True)
class Account:
    id: int
    jid: str
    keys: dict[str, Keys]
    delivered: int
    is_group: bool = False
    is_side_log: bool = False


@dataclass(slots=True)
class Message:
    """One message, in one or several logs, under one id. Another log may have another one under that id."""

    id: int
    stanza: bytes
    key: Key | None


@dataclass(slots=True)
class Row:
    """An entry of one account's log."""

    message: Message
    peer: str
    flags: int


@dataclass(slots=True)
class Share:
    """An entry that a group has shared with an account, which gets ``own`` of it alone."""

    message: Message
    group: int
    own: bytes


@dataclass(slots=True)
class Known:
    """A message that a log holds, or held and delivered; ``stanza`` is empty then."""

    message: Message
    stanza: bytes


@dataclass(slots=True)
class Log:
    """``known``: by the key, all messages that were sent under it."""

    rows: dict[int, Row] = field(default_factory=dict)
    known: dict[Key, list[Known]] = field(default_factory=dict)


@dataclass(slots=True)
class Disk:
    """All that is committed."""

    accounts: dict[str, Account] = field(default_factory=dict)
    by_id: dict[int, Account] = field(default_factory=dict)
    logs: dict[int, Log] = field(default_factory=dict)
    #: By account and id.
    shares: dict[int, dict[int, Share]] = field(default_factory=dict)
    #: The groups that have ever shared something with an account.
    sources: dict[int, set[int]] = field(default_factory=dict)
    #: When a message that a group has shared goes: time, id, group.
    expiry: list[tuple[int, int, int]] = field(default_factory=list)
    documents: dict[tuple[int, str], dict[str, Document]] = field(default_factory=dict)
    sequence: int = 0
    last_account: int = 0
    #: The greatest id that each slot has had.
    last: dict[int, int] = field(default_factory=dict)
    #: What was not stored, at least once: the texts of messages.
    refused: set[bytes] = field(default_factory=set)

    def copy(self) -> Disk:
        """Another disk with the same on it; for disks without messages."""
        assert not self.logs, "messages are not copied"
        made = Disk(sequence=self.sequence, last_account=self.last_account)
        for account in self.accounts.values():
            twin = Account(account.id, account.jid, account.keys, account.delivered)
            made.accounts[twin.jid] = made.by_id[twin.id] = twin
        made.documents = {key: dict(found) for key, found in self.documents.items()}
        return made

    # -- accounts -------------------------------------------------------------------------------------

    def record(self, jid: str) -> AccountRecord | None:
        found = self.accounts.get(jid)
        return AccountRecord(found.id, found.jid, found.keys, found.delivered) if found is not None else None

    def create_accounts(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        created = []
        for jid, keys in accounts:
            if jid not in self.accounts:
                self._account(jid, keys)
                created.append(jid)
        return created

    def _account(self, jid: str, keys: dict[str, Keys]) -> None:
        self.last_account += 1
        made = Account(self.last_account, jid, keys, self.last_id(slot_of(jid)))
        self.accounts[jid] = self.by_id[made.id] = made

    def create_group(
        self, jid: str, documents: Sequence[tuple[str, str, bytes]], others: Sequence[Write]
    ) -> int | None:
        if jid in self.accounts:
            return None
        self._account(jid, {})
        made = self.accounts[jid]
        made.is_group = True
        for space, key, value in documents:
            self.put(made.id, space, key, value)
        self._write(others)
        return made.id

    def _write(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if write.value is not None:
                self.put(write.account, write.space, write.key, write.value)
            else:
                self.remove(write.account, write.space, write.key)

    def names(self, groups: bool) -> list[str]:
        return sorted(
            jid for jid, found in self.accounts.items() if found.is_group == groups and not found.is_side_log
        )

    def side_log(self, account: int, name: str, create: bool = True) -> int:
        jid = f"{account}/{name}"
        if jid not in self.accounts and not create:
            return 0
        if jid not in self.accounts:
            self._account(jid, {})
            self.accounts[jid].is_side_log = True
        return self.accounts[jid].id

    def side_logs(self, name: str, jids: Sequence[str]) -> dict[str, tuple[int, int]]:
        found = {jid: self.accounts[jid] for jid in jids if jid in self.accounts}
        return {
            jid: (account.id, self.side_log(account.id, name))
            for jid, account in found.items()
            if not account.is_group and not account.is_side_log
        }

    def audience(self, ids: Sequence[int]) -> list[int]:
        return [account for account, shares in self.shares.items() if not shares.keys().isdisjoint(ids)]

    def groups_of(self, account: int) -> list[tuple[int, str]]:
        return [(id, self.by_id[id].jid) for id in self.sources.get(account, ())]

    def set_keys(self, jid: str, keys: dict[str, Keys]) -> bool:
        found = self.accounts.get(jid)
        if found is not None:
            found.keys = keys
        return found is not None

    def upgrade_keys(self, jid: str, was: dict[str, Keys], keys: dict[str, Keys]) -> bool:
        found = self.accounts.get(jid)
        return found is not None and found.keys == was and self.set_keys(jid, keys)

    def rename_account(self, jid: str, new: str) -> bool:
        if new in self.accounts or jid not in self.accounts:
            return False
        found = self.accounts[new] = self.accounts.pop(jid)
        found.jid = new
        self._used(slot_of(new), max(self._log(found.id).rows, default=0))
        self._account(jid, {})
        return True

    def delete_account(self, jid: str) -> list[int]:
        """Returns its id, and those of its side logs. Its logs stay: see `empty_log`."""
        found = self.accounts.pop(jid, None)
        if found is None:
            return []
        prefix = f"{found.id}/"
        side = [name for name, log in self.accounts.items() if log.is_side_log and name.startswith(prefix)]
        logs = [found.id, *(log for name in side for log in self.delete_account(name))]
        del self.by_id[found.id]
        for key in [key for key in self.documents if key[0] == found.id]:
            del self.documents[key]
        return logs

    def empty_log(self, account: int) -> None:
        self.shares.pop(account, None)
        self.sources.pop(account, None)
        self._drop(account, list(self._log(account).rows))

    # -- the log --------------------------------------------------------------------------------------

    def _log(self, account: int) -> Log:
        log = self.logs.get(account)
        if log is None:
            log = self.logs[account] = Log()
        return log

    def last_id(self, slot: int) -> int:
        return self.last.get(slot, 0)

    def _used(self, slot: int, id: int) -> None:
        self.last[slot] = max(self.last.get(slot, 0), id)

    def _key(self, entry: Append) -> Key | None:
        if entry.origin is None:
            return None
        account = self.accounts.get(entry.sender)
        return account.id if account is not None else entry.sender, entry.recipient, entry.origin

    def _holds(self, account: int, entry: Append, key: Key) -> Known | None:
        """What a log has, or had, of the same message."""
        retries = entry.retries
        for known in self._log(account).known.get(key, ()):
            if retries is None or retries.is_retry(known.stanza, entry.stanza):
                return known
        return None

    def append(self, entry: Append) -> int | None:
        """Returns the id under which the message is held already, or None if it is new."""
        key, existing = self._key(entry), None
        owners = list(entry.owners)
        if key is not None:
            held = {account: found for account, _, _ in owners if (found := self._holds(account, entry, key))}
            if held:
                existing = next(iter(held.values())).message.id
                owners = [owner for owner in owners if not owner[2] & INCOMING and owner[0] not in held]
        message = Message(entry.id, entry.stanza, key)
        accounts = {account for account, _, _ in owners}
        if len(accounts) < len(owners) or any(entry.id in self._log(account).rows for account in accounts):
            raise ValueError(f"two messages of one log have the id {entry.id}")
        for account, peer, flags in owners:
            log = self._log(account)
            log.rows[entry.id] = Row(message, peer, flags)
            if key is not None:
                log.known.setdefault(key, []).append(Known(message, entry.stanza))
            if (owner := self.by_id.get(account)) is not None:
                self._used(slot_of(owner.jid), entry.id)
        if owners:
            self._share(entry, message)
            self._write(entry.documents)
            for id, stanza in entry.rewrites:
                self.rewrite(id, stanza)
        return existing

    def _share(self, entry: Append, message: Message) -> None:
        shared = entry.shared
        if shared is None:
            return
        for account in shared.audience:
            own = shared.own.get(account, b"")
            self.shares.setdefault(account, {})[entry.id] = Share(message, shared.group, own)
            self.sources.setdefault(account, set()).add(shared.group)
        if shared.expires is not None:
            self.expiry.append((shared.expires, entry.id, shared.group))

    def existing(self, entry: Append) -> int | None:
        key = self._key(entry)
        if key is not None:
            for account, _, _ in entry.owners:
                if (found := self._holds(account, entry, key)) is not None:
                    return found.message.id
        return None

    def expire_shared(self, now: int) -> int:
        due = [one for one in self.expiry if one[0] <= now]
        self.expiry = [one for one in self.expiry if one[0] > now]
        for _, id, group in due:
            if id in self._log(group).rows:
                self._drop(group, [id])
        return len(due)

    def _entries(self, query: LogQuery) -> list[int]:
        found = [
            id
            for id, row in self._log(query.account).rows.items()
            if not row.flags & UNARCHIVED and (query.peer is None or row.peer == query.peer)
        ]
        if query.shared:
            found += [
                id
                for id, share in self.shares.get(query.account, {}).items()
                if query.peer is None or query.peer == self.by_id[share.group].jid
            ]
        return [
            id
            for id in sorted(found)
            if (query.ids is None or id in query.ids)
            and (query.after is None or id > query.after)
            and (query.before is None or id < query.before)
        ]

    def _portion(self, account: int, ids: Sequence[int], limit: int) -> list[Entry]:
        rows, shares = self._log(account).rows, self.shares.get(account, {})
        found: list[Entry] = []
        size = 0
        for id in ids[:limit]:
            if size >= PAGE_BYTES:
                break
            if id in rows:
                found.append(Entry(id, rows[id].message.stanza, rows[id].flags))
            else:
                found.append(Entry(id, shares[id].message.stanza, SHARED, shares[id].own))
            size += len(found[-1].stanza)
        return found

    def page(self, query: LogQuery) -> Page:
        ids = self._entries(query)
        if query.backwards:
            ids.reverse()
        entries = self._portion(query.account, ids, query.limit)
        complete = len(entries) == len(ids)
        if query.reader is not None:
            shares = self.shares.get(query.reader, {})
            entries = [e._replace(own=shares[e.id].own if e.id in shares else b"") for e in entries]
        if query.backwards:
            entries.reverse()
        return Page(entries, complete)

    def count(self, query: LogQuery) -> int:
        return len(self._entries(query))

    def peers(self, account: int) -> list[str]:
        return list(dict.fromkeys(row.peer for row in self._log(account).rows.values()))

    def bounds(self, account: int, shared: bool = False) -> tuple[int, int] | None:
        ids = self._entries(LogQuery(account, shared=shared))
        return (ids[0], ids[-1]) if ids else None

    def _waits(self, account: int, id: int, since: int | None = None) -> bool:
        mark = self.by_id[account].delivered if account in self.by_id else 0
        flags = self._log(account).rows[id].flags
        if since is not None:
            mark = min(mark, since)
        return bool(flags & (INCOMING if id > mark else UNDELIVERED))

    def undelivered(
        self, account: int, after: int, limit: int, since: int | None = None, shared: bool = False
    ) -> list[Entry]:
        if account not in self.by_id:
            return []
        ids = [id for id in self._log(account).rows if id > after and self._waits(account, id, since)]
        if shared and since is not None:
            ids += [id for id in self.shares.get(account, {}) if id > max(after, since)]
        return self._portion(account, sorted(ids), limit)

    def overview(self, spaces: Sequence[str], after: str, limit: int) -> list[Overview]:
        shown = [jid for jid in self.names(groups=False) if jid > after]
        accounts = [self.accounts[jid] for jid in shown]
        return [
            Overview(
                account.id,
                account.jid,
                bool(account.keys),
                {space: self.all_documents(account.id, space) for space in spaces},
            )
            for account in accounts[:limit]
        ]

    def usage(self, account: int) -> Usage:
        rows = self._log(account).rows
        kept = [one for key, space in self.documents.items() if key[0] == account for one in space.values()]
        return Usage(
            len(rows),
            sum(len(row.message.stanza) for row in rows.values()),
            sum(self._waits(account, id) for id in rows),
            sum(bool(row.flags & OUTGOING) for row in rows.values()),
            len(kept),
            sum(len(document.value) for document in kept),
        )

    def logged(self, account: int, before: int, limit: int, peer: str) -> list[Logged]:
        found: list[Logged] = []
        for id, row in sorted(self._log(account).rows.items(), reverse=True):
            if sum(len(one.stanza) for one in found) >= PAGE_BYTES:
                break
            if id < before and peer in ("", row.peer) and account in self.by_id:
                other = self.accounts.get(row.peer)
                same = self._log(other.id).rows.get(id) if other is not None else None
                found.append(
                    Logged(
                        id,
                        row.peer,
                        row.flags,
                        row.message.stanza,
                        self.by_id[account].delivered,
                        other.delivered if other is not None else None,
                        same.flags if same is not None else None,
                    )
                )
        return found[:limit]

    def undelivered_of_all(self) -> int:
        return sum(self._waits(account, id) for account in self.by_id for id in self._log(account).rows)

    def mark_delivered(self, account: int, upto: int, late: Sequence[int]) -> None:
        found = self.by_id.get(account)
        if found is not None:
            found.delivered = max(found.delivered, upto)
        rows = self._log(account).rows
        for id in late:
            if id in rows:
                rows[id].flags &= ~UNDELIVERED
        self._drop(account, [id for id in rows if self._is_done(account, id)], remember=True)

    def _is_done(self, account: int, id: int) -> bool:
        """Whether it was kept for delivery only, and is delivered and handed on."""
        flags = self._log(account).rows[id].flags
        return (
            bool(flags & UNARCHIVED) and not flags & (UNDELIVERED | OUTGOING) and not self._waits(account, id)
        )

    def mark_undelivered(self, account: int, ids: Sequence[int]) -> None:
        rows = self._log(account).rows
        for id in ids:
            if id in rows and rows[id].flags & INCOMING:
                rows[id].flags |= UNDELIVERED

    def outbox(self, slot: int | None, after: int, limit: int, domain: str | None = None) -> list[Outgoing]:
        found = [
            Outgoing(account.id, id, row.peer, row.message.stanza, row.flags)
            for account in self.by_id.values()
            if slot is None or slot_of(account.jid) == slot
            for id, row in self._log(account.id).rows.items()
            if row.flags & OUTGOING and id > after and domain in (None, _domain(row.peer))
        ]
        found.sort(key=lambda entry: (entry.id, entry.account))
        size = 0
        for count, entry in enumerate(found[:limit]):
            if size >= PAGE_BYTES:
                return found[:count]
            size += len(entry.stanza)
        return found[:limit]

    def outbox_sizes(self) -> list[Queued]:
        found: dict[tuple[int, str], list[int]] = {}
        for entry in self.outbox(None, 0, sys.maxsize):
            found.setdefault((entry.account, _domain(entry.peer)), []).append(len(entry.stanza))
        return [Queued(*key, len(sizes), sum(sizes)) for key, sizes in found.items()]

    def handed_on(self, account: int, ids: Sequence[int]) -> None:
        rows = self._log(account).rows
        there = [id for id in ids if id in rows]
        for id in there:
            rows[id].flags &= ~OUTGOING
        self._drop(account, [id for id in there if self._is_done(account, id)], remember=True)

    def turned_away(self, account: int, ids: Sequence[int]) -> None:
        rows = self._log(account).rows
        self._drop(account, [id for id in ids if id in rows and rows[id].flags & OUTGOING])

    def rewrite(self, id: int, stanza: bytes) -> None:
        for shares in self.shares.values():
            if id in shares:
                shares[id].own = b""
        for log in self.logs.values():
            if (row := log.rows.get(id)) is not None:
                row.message.stanza = stanza
                for known in log.known.get(row.message.key, ()) if row.message.key else ():
                    if known.message is row.message:
                        known.stanza = stanza

    def forget_origins(self, before: int) -> int:
        forgotten: dict[int, Message] = {}
        for log in self.logs.values():
            for key, found in list(log.known.items()):
                forgotten |= {id(one.message): one.message for one in found if one.message.id < before}
                log.known[key] = [one for one in found if one.message.id >= before]
        return len(forgotten)

    def expire(self, before: int) -> int:
        total = 0
        for account, log in self.logs.items():
            exists = account in self.by_id
            done = [
                id
                for id, row in log.rows.items()
                if id < before
                and not row.flags & (UNDELIVERED | OUTGOING)
                and not (exists and self._waits(account, id))
            ]
            self._drop(account, done)
            total += len(done)
        return total

    def _drop(self, account: int, ids: Sequence[int], remember: bool = False) -> None:
        """Removes entries that exist. ``remember``: retries of them are known."""
        log = self._log(account)
        for id in ids:
            message = log.rows.pop(id).message
            for shares in self.shares.values():
                if id in shares and shares[id].message is message:
                    del shares[id]
            if message.key is None or message.key not in log.known:
                continue
            known = log.known[message.key]
            if remember:
                for one in known:
                    one.stanza = b"" if one.message is message else one.stanza
            else:
                log.known[message.key] = [one for one in known if one.message is not message]

    # -- documents ------------------------------------------------------------------------------------

    def all_documents(self, account: int, space: str) -> list[Document]:
        found = self.documents.get((account, space), {})
        return sorted(found.values(), key=lambda document: document.seq)

    def document(self, account: int, space: str, key: str) -> Document | None:
        return self.documents.get((account, space), {}).get(key)

    def put(self, account: int, space: str, key: str, value: bytes) -> int:
        self.sequence += 1
        self.documents.setdefault((account, space), {})[key] = Document(key, value, self.sequence)
        return self.sequence

    def put_if(self, account: int, space: str, key: str, value: bytes, seq: int) -> int:
        found = self.document(account, space, key)
        return self.put(account, space, key, value) if (found.seq if found else 0) == seq else 0

    def remove(self, account: int, space: str, key: str | None) -> int:
        if key is None:
            return len(self.documents.pop((account, space), {}))
        return int(self.documents.get((account, space), {}).pop(key, None) is not None)

    def take(self, space: str, slot: int | None, may: Callable[[int], bool]) -> list[tuple[str, Document]]:
        taken = []
        for account in self.by_id.values():
            if (slot is None or slot_of(account.jid) == slot) and may(account.id):
                found = self.all_documents(account.id, space)
                taken += [(account.jid, document) for document in found]
                self.remove(account.id, space, None)
        return taken

    def spaces(self, account: int, prefix: str) -> list[str]:
        return sorted(
            space
            for (owner, space), found in self.documents.items()
            if owner == account and space.startswith(prefix) and found
        )


def _domain(bare: str) -> str:
    return bare.rpartition("@")[2]
