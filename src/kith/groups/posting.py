"""A message of a group on its way into the logs, and from there to whoever is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from kith.base.clock import Clock
from kith.base.figures import Figures
from kith.base.ids import Ids, to_text
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.actors.refused import stanza_refused
from kith.core.actors.sender import Sender
from kith.core.log.own import bytes_after, content, with_own
from kith.core.log.retries import distinct_origin, is_retry_in_group
from kith.core.routing.hosts import Hosts
from kith.groups.group import Group
from kith.groups.receiving import receives
from kith.ports.store import UNARCHIVED, Append, LogStore, Retries, Shared, Unavailable, Write
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

_START, _END = b"<message", b"</message>"
_RETRIES = Retries(is_retry_in_group, distinct_origin)


class Posting:
    """A message that the group has put in its order. ``recipients``: the members at that moment.

    ``confined``: it is for its recipients alone.
    """

    __slots__ = (
        "_poster",
        "confined",
        "data",
        "done",
        "group",
        "id",
        "own",
        "recipients",
        "sender",
        "stanza",
    )

    def __init__(
        self,
        poster: Poster,
        group: Group,
        id: int,
        data: bytes,
        own: Mapping[int, bytes],
        sender: Sender | None,
        stanza: Stanza | None,
        recipients: Mapping[str, int],
        confined: bool,
    ) -> None:
        self._poster = poster
        self.confined = confined
        self.group = group
        self.id = id
        self.data = data
        self.own = own
        self.recipients = recipients
        self.sender = sender
        self.stanza = stanza
        self.done: asyncio.Future[None] | None = None

    def committed(self, existing: int | None, error: BaseException | None) -> None:
        """Handles the store's answer (`kith.ports.store.Append.done`)."""
        if error is not None:
            self._poster.unstored(self, error)
        elif existing is None:
            self._poster.deliver(self)
        if self.done is not None and not self.done.done():
            if error is not None:
                self.done.set_exception(error)
            else:
                self.done.set_result(None)
        if self.sender is not None:
            self.sender.committed()


class Poster:
    """Puts messages into the order of their group, and delivers them after the commit."""

    def __init__(
        self,
        store: LogStore,
        ids: Ids,
        clock: Clock,
        accounts: Accounts,
        hosts: Hosts,
        figures: Figures,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._accounts = accounts
        self._hosts = hosts
        self._figures = figures
        self._tasks = tasks
        #: Called with each posting that was delivered.
        self.delivered: list[Callable[[Posting], None]] = []

    def post(
        self,
        group: Group,
        make: Callable[[int], bytes],
        author: str,
        *,
        sender: Sender | None = None,
        stanza: Stanza | None = None,
        origin: bytes | None = None,
        own: Mapping[int, bytes] | None = None,
        documents: Sequence[Write] = (),
        recipients: Mapping[str, int] | None = None,
        confined: bool = False,
        since: float | None = None,
        ended: Sequence[int] = (),
        rewrites: Sequence[tuple[int, bytes]] = (),
    ) -> Posting:
        """Queues a message for the group's log and the logs of all members.

        ``make`` makes the stored message, given its id. ``author``: a bare address. ``documents`` are written
        in the same commit, and messages replaced (``rewrites``: their ids, and what they become).
        ``recipients``: the accounts that get it, by address, if these are others than the members;
        ``confined``: nobody else does, neither occupants nor whoever reads the group's archive. ``since``:
        the time from which on it counts when it disappears, if that is not now. ``ended``: the ids of
        accounts that get nothing more.
        """
        id = self._ids.next(group.slot)
        data = make(id)
        audience = group.members.audience if recipients is None else tuple(recipients.values())
        if recipients is None:
            recipients = group.members.recipients
        posting = Posting(self, group, id, data, own or {}, sender, stanza, recipients, confined)
        expire = group.config.expire
        shared = Shared(
            group.id,
            audience,
            posting.own,
            int(self._clock.now() if since is None else since) + expire if expire else None,
            ended,
        )
        self._store.append(
            Append(
                id,
                data,
                [(group.id, author, UNARCHIVED if confined else 0)],
                posting.committed,
                author,
                group.jid,
                origin,
                _RETRIES,
                shared,
                documents,
                rewrites,
            )
        )
        return posting

    async def notice(
        self,
        group: Group,
        make: Callable[[int], bytes],
        author: str,
        documents: Sequence[Write],
        recipients: Mapping[str, int] | None = None,
        confined: bool = False,
        since: float | None = None,
        ended: Sequence[int] = (),
        rewrites: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        """Posts something that the group itself says, with documents, as `post` does.

        Returns after the commit.
        """
        posting = self.post(
            *(group, make, author),
            documents=documents,
            recipients=recipients,
            confined=confined,
            since=since,
            ended=ended,
            rewrites=rewrites,
        )
        posting.done = asyncio.get_running_loop().create_future()
        await posting.done

    async def is_stored(self, group: Group, author: str, origin: bytes, stanza: bytes) -> bool:
        """Whether a message is a retry of one that the group has."""
        entry = Append(0, stanza, [(group.id, author, 0)], _nobody, author, group.jid, origin, _RETRIES)
        return await self._store.stored(entry) is not None

    # -- after the commit --------------------------------------------------------------------------

    def deliver(self, posting: Posting) -> None:
        """Sends a committed message to the devices of members that want it, and to occupants."""
        get, own, id = self._accounts.get, posting.own, -posting.id
        # the parts of all accounts are put at the same place
        place = len(posting.data) - (bytes_after(next(iter(own.values()))) if own else len(_END))
        before, after = posting.data[len(_START) : place], posting.data[place : -len(_END)]
        end, delivered = _own_id(posting.id), 0
        for jid, account_id in posting.recipients.items():
            account = get(jid)
            if account is None:
                continue
            data = b""
            for session in account.sessions.values():
                if receives(session):
                    if not data:
                        name = _escaped(jid)
                        mine = content(own.get(account_id, b""))
                        data = b"<message to='%b'%b%b%b%b%b'/></message>" % (
                            *(name, before, mine, after, end, name),
                        )
                    session.push(data, id)
                    delivered += 1
        self._figures.delivered += delivered
        if not posting.confined:
            self._to_occupants(posting.group, posting.data, posting.own, posting.recipients)
        for listener in self.delivered:
            listener(posting)

    def broadcast(self, group: Group, stored: bytes) -> None:
        """Sends something that is not kept, such as a typing notification, to the same devices."""
        recipients = group.members.recipients
        for jid in recipients:
            account = self._accounts.get(jid)
            if account is not None and account.sessions:
                for session in account.sessions.values():
                    if receives(session):
                        session.push(addressed(stored, jid))
        self._to_occupants(group, stored, {}, recipients)

    def _to_occupants(
        self, group: Group, stored: bytes, own: Mapping[int, bytes], served: Mapping[str, int]
    ) -> None:
        """Sends a message to the occupants. ``served``: members whose receiving devices have it already."""
        get, rest, delivered = self._accounts.get, stored[len(_START) :], 0
        for occupant, client in group.occupants.clients():
            account = get(client.bare)
            session = account.sessions.get(client.resource) if account is not None else None
            if account is not None and session is not None:
                if account.jid not in served or not receives(session):
                    if (part := own.get(account.id)) is None:
                        session.push(b"<message to='%b'%b" % (_escaped(session.full), rest))
                    else:
                        session.push(addressed(with_own(stored, part), session.full))
                    delivered += 1
            elif account is None:
                stanza = Stanza.from_bytes(addressed(stored, str(client)))
                with contextlib.suppress(StanzaError):  # it reads the archive when it comes back
                    self._hosts.find(client.domain).receive(stanza, group.at(occupant.nick), client)
        self._figures.delivered += delivered

    def unstored(self, posting: Posting, error: BaseException) -> None:
        """Answers with an error a message that could not be stored, so that its sender may try again."""
        self._tasks.failed("message not stored", error)
        condition = error.condition if isinstance(error, Unavailable) else "internal-server-error"
        refusal = StanzaError(condition, type="wait")
        refusal.__cause__ = error
        if posting.sender is not None and posting.stanza is not None:
            stanza_refused(self._figures, posting.stanza, refusal)
            posting.sender.refuse(posting.stanza, refusal)


def addressed(stored: bytes, to: str) -> bytes:
    """A stored message with the address of its recipient."""
    return b"<message to='%b'%b" % (_escaped(to), stored[len(_START) :])


@lru_cache(20_000)
def _escaped(address: str) -> bytes:
    """An address as it stands in an attribute: those of members and occupants come with each message."""
    return escape_attribute(address).encode()


def _own_id(id: int) -> bytes:
    """The beginning of the stanza id of a member's own log, up to the member's address (XEP-0359 §3.1)."""
    return f"<stanza-id xmlns='{ns.STANZA_ID}' id='{to_text(id)}' by='".encode()


def _nobody(existing: int | None, error: BaseException | None) -> None:
    """Nothing is appended, so nobody is told."""
