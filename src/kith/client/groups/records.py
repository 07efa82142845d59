"""The groups of the local copy: what they are, and who is in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from kith.client.database import Database
from kith.client.groups.values import Affiliation, Change, Group, Member, MemberChange, Settings
from kith.client.groups.wire import GroupState, Summary

_COLUMNS = "jid, name, description, affiliation, invited, number, settings, creator, created, destroyed"
_MEMBER_COLUMNS = "jid, affiliation, nick, invited, since, by"
#: The condition of groups that we are in or invited to.
_LISTED = "affiliation IN ('owner', 'admin', 'member')"
_ORDER = {Affiliation.OWNER: 0, Affiliation.ADMIN: 1}


class GroupRecords:
    """Reads and writes groups. ``own`` is our bare address. Callers commit (`Database.commit`).

    A group's ``number`` is that of its members as they are here; ``wanted`` is the greatest that the server
    has named; ``unread`` means that something else of it has to be asked for. Each member has the number by
    which they ``joined``, as far as is known.
    """

    __slots__ = ("_cached", "_db", "_own")

    def __init__(self, database: Database, own: str) -> None:
        self._db = database
        self._own = own
        self._cached: dict[str, tuple[Member, ...]] = {}  # the members of groups that were read
        database.on_rollback(self._cached.clear)

    # reading

    def knows(self, jid: str) -> bool:
        """Whether this device knows a group, also one that we have left."""
        return bool(self._db.sql.execute("SELECT 1 FROM groups WHERE jid = ?", (jid,)).fetchone())

    def is_ours(self, jid: str) -> bool:
        """Whether an address is of a group that we are in."""
        found = self._db.sql.execute(
            f"SELECT 1 FROM groups WHERE jid = ? AND {_LISTED} AND NOT invited", (jid,)
        )
        return found.fetchone() is not None

    def find(self, jid: str) -> Group | None:
        """A group, with its members."""
        row = self._db.sql.execute(f"SELECT {_COLUMNS} FROM groups WHERE jid = ?", (jid,)).fetchone()
        return None if row is None else self._group(row)

    def all(self) -> list[Group]:
        """All groups that we are in or invited to, by name."""
        return [group for group in self.by_address().values() if group.affiliation.belongs]

    def by_address(self) -> dict[str, Group]:
        """All groups that this device knows, also those that we have left, by name."""
        rows = self._db.sql.execute(f"SELECT {_COLUMNS} FROM groups").fetchall()
        found = sorted(map(self._group, rows), key=lambda group: group.title.casefold())
        return {group.jid: group for group in found}

    def _group(self, row: tuple[Any, ...]) -> Group:
        return Group(
            jid=row[0],
            name=row[1],
            description=row[2],
            affiliation=Affiliation(row[3]),
            invited=bool(row[4]),
            number=row[5],
            settings=Settings(**json.loads(row[6])),
            members=self._members(row[0]),
            creator=row[7],
            created=None if row[8] is None else datetime.fromtimestamp(row[8], UTC),
            destroyed=bool(row[9]),
        )

    def _members(self, jid: str) -> tuple[Member, ...]:
        found = self._cached.get(jid)
        if found is None:
            found = self._cached[jid] = self._read_members(jid)
        return found

    def _read_members(self, jid: str) -> tuple[Member, ...]:
        rows = self._db.sql.execute(f"SELECT {_MEMBER_COLUMNS} FROM group_members WHERE chat = ?", (jid,))
        found = map(_member, rows)
        return tuple(sorted(found, key=lambda one: (_ORDER.get(one.affiliation, 2), one.name.casefold())))

    def numbers(self, jid: str) -> tuple[int, int]:
        """The number of the members that are known, and the greatest that was heard of."""
        row = self._db.sql.execute("SELECT number, wanted FROM groups WHERE jid = ?", (jid,)).fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def lifetime(self, jid: str) -> int:
        """After how many seconds messages of a group disappear; 0: never."""
        row = self._db.sql.execute("SELECT settings FROM groups WHERE jid = ?", (jid,)).fetchone()
        return 0 if row is None else int(json.loads(row[0]).get("expire", 0))

    def outdated(self) -> list[str]:
        """The groups that have to be asked for what has changed."""
        found = self._db.sql.execute(
            f"SELECT jid FROM groups WHERE (wanted > number OR unread) AND {_LISTED}"
        )
        return [str(jid) for (jid,) in found]

    def listed(self) -> set[str]:
        """The addresses of the groups that we are in or invited to."""
        return {str(jid) for (jid,) in self._db.sql.execute(f"SELECT jid FROM groups WHERE {_LISTED}")}

    def name_of(self, jid: str, member: str) -> str:
        """How a group calls somebody; their address if it does not know them."""
        row = self._db.sql.execute(
            "SELECT nick FROM group_members WHERE chat = ? AND jid = ?", (jid, member)
        ).fetchone()
        return str(row[0]) if row is not None and row[0] else member

    def shared(self, member: str) -> bool:
        """Whether somebody is in a group together with us."""
        found = self._db.sql.execute(
            "SELECT 1 FROM group_members m JOIN groups g ON g.jid = m.chat WHERE m.jid = ? AND NOT m.invited"
            " AND g.affiliation IN ('owner', 'admin', 'member') AND NOT g.invited LIMIT 1",
            (member,),
        )
        return found.fetchone() is not None

    def was_there(self, jid: str, member: str, number: int) -> bool:
        """Whether somebody is a member, and was one already at a number of the group."""
        row = self._db.sql.execute(
            "SELECT joined FROM group_members WHERE chat = ? AND jid = ? AND NOT invited", (jid, member)
        ).fetchone()
        return row is not None and int(row[0]) <= number

    # writing

    def want(self, jid: str, number: int) -> None:
        """The server has named a number of a group."""
        self._db.sql.execute("UPDATE groups SET wanted = max(wanted, ?) WHERE jid = ?", (number, jid))

    def forget_number(self, jid: str) -> None:
        """The server counts otherwise than this device, so everything has to be asked for again."""
        self._db.sql.execute("UPDATE groups SET number = 0, wanted = 1, unread = 1 WHERE jid = ?", (jid,))

    def set_unread(self, jid: str, unread: bool = True) -> None:
        """Something of a group but its members has changed; or the group is about to be asked."""
        self._db.sql.execute("UPDATE groups SET unread = ? WHERE jid = ?", (unread, jid))

    def list_groups(self, listed: Iterable[Summary]) -> list[str]:
        """Takes the list of all our groups. Returns the addresses of those that have changed."""
        changed = []
        seen = set()
        for one in listed:
            seen.add(one.jid)
            before = self._row(one.jid)
            if before != (one.affiliation.value, one.invited, one.name):
                changed.append(one.jid)
            self._put(one)
            self.want(one.jid, one.number)
        for jid in sorted(self.listed() - seen):
            self.leave(jid)
            changed.append(jid)
        return changed

    def _row(self, jid: str) -> tuple[str, bool, str] | None:
        row = self._db.sql.execute(
            "SELECT affiliation, invited, name FROM groups WHERE jid = ?", (jid,)
        ).fetchone()
        return None if row is None else (str(row[0]), bool(row[1]), str(row[2]))

    def _put(self, one: Summary) -> None:
        self._db.sql.execute(
            "INSERT INTO groups (jid, name, affiliation, invited) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (jid) DO UPDATE SET name = excluded.name, affiliation = excluded.affiliation,"
            " invited = excluded.invited, destroyed = 0",
            (one.jid, one.name, one.affiliation.value, one.invited),
        )

    def put(self, state: GroupState) -> None:
        """Takes what a group has answered about itself, unless more is known already."""
        jid, number = state.summary.jid, state.summary.number
        if number < self.numbers(jid)[0]:
            return
        self._put(state.summary)
        self._db.sql.execute(
            "UPDATE groups SET description = ?, settings = ?, creator = ?, created = ?, number = ?,"
            " wanted = max(wanted, ?) WHERE jid = ?",
            (
                state.description,
                json.dumps(asdict(state.settings)),
                state.creator,
                state.created.timestamp() if state.created else None,
                *(number, number, jid),
            ),
        )
        before = self._joined(jid)
        if state.complete:
            self._cached.pop(jid, None)
            self._db.sql.execute("DELETE FROM group_members WHERE chat = ?", (jid,))
        for member in state.members:
            since, joined = before.get(member.jid, (None, number))
            same = since is not None and member.since is not None and since >= member.since.timestamp() - 1
            self._put_member(jid, member, joined if same else number)

    def _joined(self, jid: str) -> dict[str, tuple[float | None, int]]:
        rows = self._db.sql.execute(
            "SELECT jid, since, joined FROM group_members WHERE chat = ? AND NOT invited", (jid,)
        )
        return {str(row[0]): (row[1], int(row[2])) for row in rows}

    def _put_member(self, jid: str, member: Member, joined: int) -> None:
        self._cached.pop(jid, None)
        self._db.sql.execute(
            "INSERT OR REPLACE INTO group_members VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(jid, member.jid, member.affiliation.value, member.nick, member.invited),
                member.since.timestamp() if member.since else None,
                *(member.by, joined),
            ),
        )

    def apply(self, jid: str, number: int, change: Change, time: datetime) -> None:
        """Takes a notice of a group, in the order of the log.

        Members are only changed if nothing is missing between what is known and the notice; otherwise the
        group has to be asked for.
        """
        known, _ = self.numbers(jid)
        if not self.knows(jid):
            self._put(Summary(jid, "", number, Affiliation.NONE, False))
        self.want(jid, number)
        if change.name is not None:
            self._db.sql.execute("UPDATE groups SET name = ? WHERE jid = ?", (change.name, jid))
        if change.description is not None:
            values = (change.description, jid)
            self._db.sql.execute("UPDATE groups SET description = ? WHERE jid = ?", values)
        if change.settings:
            self.set_unread(jid)
        if number <= known and change.members:
            return  # that was known before: from the group itself, or from an earlier notice
        if change.destroyed:
            self._db.sql.execute("UPDATE groups SET destroyed = 1 WHERE jid = ?", (jid,))
            self.leave(jid)
        for one in change.members:
            if one.jid == self._own:
                self._change_own(jid, one, known)
        if change.members and known and number == known + 1:
            for one in change.members:
                self._change_member(jid, one, number, change.by, time)
            self._db.sql.execute("UPDATE groups SET number = ? WHERE jid = ?", (number, jid))

    def _change_own(self, jid: str, one: MemberChange, known: int) -> None:
        if not one.now.belongs:
            self.leave(jid)
            return
        self._db.sql.execute(
            "UPDATE groups SET affiliation = ?, invited = ?, destroyed = 0 WHERE jid = ?",
            (one.now.value, one.invited, jid),
        )

    def _change_member(self, jid: str, one: MemberChange, number: int, by: str, time: datetime) -> None:
        if not one.now.belongs:
            self._cached.pop(jid, None)
            self._db.sql.execute("DELETE FROM group_members WHERE chat = ? AND jid = ?", (jid, one.jid))
            return
        if one.moved:
            self._db.sql.execute(
                "UPDATE OR REPLACE group_members SET jid = ? WHERE chat = ? AND jid = ?",
                (one.jid, jid, one.moved),
            )
        row = self._db.sql.execute(
            f"SELECT {_MEMBER_COLUMNS}, joined FROM group_members WHERE chat = ? AND jid = ?", (jid, one.jid)
        ).fetchone()
        before = None if row is None else _member(row)
        member = before or Member(one.jid, one.now, one.nick, one.invited, time, by)
        member = replace(member, affiliation=one.now, nick=one.nick or member.nick, invited=one.invited)
        if before is not None and not before.invited:
            self._put_member(jid, member, int(row[6]))
        else:  # new, or has accepted an invitation
            self._put_member(jid, replace(member, since=time), number)

    def list_group(self, jid: str, name: str) -> None:
        """A group that we have made a moment ago, and know nothing else about yet."""
        self._put(Summary(jid, name, 0, Affiliation.OWNER, False))

    def leave(self, jid: str) -> None:
        """We are not in the group any more. What we know of its members is not kept in step from here on."""
        self._db.sql.execute(
            "UPDATE groups SET affiliation = 'none', invited = 0, number = 0, wanted = 0 WHERE jid = ?",
            (jid,),
        )
        self._cached.pop(jid, None)
        self._db.sql.execute("DELETE FROM group_members WHERE chat = ?", (jid,))


def _member(row: tuple[Any, ...]) -> Member:
    """A row of `_MEMBER_COLUMNS`, perhaps with more columns."""
    since = None if row[4] is None else datetime.fromtimestamp(row[4], UTC)
    return Member(row[0], Affiliation(row[1]), row[2], bool(row[3]), since, row[5])
