"""Wakes devices: keeps their registrations, hears what happens to accounts, and hands pushes to carriers.

The log is the only queue. What a device still has to be woken for after a restart is read from the log,
after the device's mark.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

import structlog

from kith.base.clock import Clock
from kith.base.figures import Figures
from kith.base.ids import Ids, from_text, to_text
from kith.base.slots import slot_of
from kith.base.tasks import Tasks
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.log.envelope import Envelope
from kith.core.routing.post import Post
from kith.features.pubsub import Pep
from kith.groups.posting import Posting
from kith.groups.service import GroupService
from kith.ports.store import Document, Entry, Store, Unavailable
from kith.push.carrier import Carrier, Gone, Later, Wake
from kith.push.registration import MARKS, MOST, SPACE, Marks, Registration, decode, decode_marks, encode
from kith.push.rules import Urgency, next_attempt, urgency
from kith.push.sleepers import Missed, Sleeper, Sleepers
from kith.records.devices import Devices
from kith.records.readable import readable
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")
#: How often changed marks are written, in seconds. If one is lost, a device may be woken needlessly.
_EVERY = 2.0
#: After a restart, connected devices are given so many seconds to come back before they are woken.
_GRACE = 10.0
#: After how many seconds it is tried again to read registrations, if the store did not answer.
_RETRY = 5.0
#: After a push of which it is not known whether it has left, the device is given so many seconds to come.
_UNSURE = 60.0
#: How many pushes may be on their way, in all and to one host.
_ALL, _ONE_HOST = 256, 48
#: How often in a row a service may call pushes wrong, or refuse them, until the registration ends.
_MISTAKES, _FAILURES = 5, 60
#: After a restart: how many accounts are looked at with one query, the logs of how many are read at once, and
#: how many entries of each.
_PAGE, _AT_ONCE = 500, 16
_MOST_ENTRIES = 2000
_DISPLAYED_NODE = "urn:xmpp:mds:displayed:0"
_STANZA_ID = ns.tag(ns.STANZA_ID, "stanza-id")
_ITEM = f"{ns.tag(ns.MUC_USER, 'x')}/{ns.tag(ns.MUC_USER, 'item')}"


class Pushing(Feature):
    """The devices of all accounts that want to be woken. ``carriers``: by name; features add theirs."""

    def __init__(
        self,
        clock: Clock,
        tasks: Tasks,
        figures: Figures,
        ids: Ids,
        store: Store,
        accounts: Accounts,
        devices: Devices,
        post: Post,
        pep: Pep | None,
        groups: GroupService | None,
    ) -> None:
        self.now = clock.now
        self._steady = clock.steady
        self._tasks = tasks
        self._figures = figures
        self._ids = ids
        self._store = store
        self._accounts = accounts
        self._devices = devices
        self._inside = pep.inside if pep is not None else None
        post.unloaded.append(self._unloaded)
        if pep is not None:
            pep.listeners.append(self._published)
        if groups is not None:
            groups.poster.delivered.append(self._posted)
            groups.receipts.readers.append(self._read_in_group)
        self.carriers: dict[str, Carrier] = {}
        self.restored = False  # whether all registrations were read
        self._sleepers: dict[int, Sleepers] = {}  # by account
        self._addresses: set[str] = set()  # of these accounts
        self._dirty: dict[Sleeper, Sleepers] = {}
        self._gate = asyncio.Semaphore(_ALL)
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._waiting: Counter[str] = Counter()  # pushes by host

    # -- registrations -----------------------------------------------------------------------------

    async def register(self, account: Account, registration: Registration) -> None:
        """Adds a registration, or replaces the one with the same service and node.

        Raises StanzaError if the account has too many.
        """
        sleepers = self._sleepers.get(account.id)
        if sleepers is None:
            sleepers = self._sleepers[account.id] = Sleepers(self, account.id, account.jid)
            self._addresses.add(account.jid)
        known = sleepers.devices.get(registration.id)
        if known is None and len(sleepers.devices) >= MOST:
            raise StanzaError("resource-constraint", "too many registrations for push")
        sleeper = Sleeper(registration, known.marks if known is not None else Marks())
        if known is not None:
            known.ended = True
        else:
            sleeper.marks.settled = self._ids.next(account.slot)
        registration.made = self.now()
        sleepers.devices[registration.id] = sleeper
        account.waking = sleepers
        self._store.put_soon(account.id, MARKS, registration.id, encode(sleeper.marks))
        await self._store.put(account.id, SPACE, registration.id, encode(registration))

    def registered(self, account: int) -> list[Registration]:
        """The registrations of an account."""
        sleepers = self._sleepers.get(account)
        return [one.registration for one in sleepers.devices.values()] if sleepers is not None else []

    async def unregister(self, account: int, ids: Sequence[str]) -> int:
        """Removes registrations. Returns how many there were."""
        sleepers = self._sleepers.get(account)
        if sleepers is None:
            return 0
        found = [id for id in ids if id in sleepers.devices]
        for id in found:  # before anything is awaited: somebody else may remove them too
            sleepers.devices.pop(id).ended = True
        if not sleepers.devices:
            self._drop(account)
        for id in found:
            await self._store.remove(account, SPACE, id)
            await self._store.remove(account, MARKS, id)
        return len(found)

    def _drop(self, id: int) -> None:
        sleepers = self._sleepers.pop(id, None)
        if sleepers is None:
            return
        self._addresses.discard(sleepers.jid)
        for sleeper in sleepers.devices.values():
            sleeper.ended = True
        account = self._accounts.get(sleepers.jid)
        if account is not None and account.waking is sleepers:
            account.waking = None

    @property
    def count(self) -> int:
        """How many registrations there are."""
        return sum(len(sleepers.devices) for sleepers in self._sleepers.values())

    # -- the life of the feature ---------------------------------------------------------------------

    async def start(self) -> None:
        self._tasks.spawn(self._restore())
        self._tasks.repeat(self._write, _EVERY)

    async def stop(self) -> None:
        await self._write()

    async def _restore(self) -> None:
        """Reads all registrations, and from the log what they have missed."""
        after = ""
        while not self.restored:
            try:
                page = await self._store.overview((SPACE, MARKS), after, _PAGE)
                having = [found for found in page if found.documents[SPACE]]
                for start in range(0, len(having), _AT_ONCE):
                    await asyncio.gather(
                        *(
                            self._restore_account(found.id, found.jid, found.documents)
                            for found in having[start : start + _AT_ONCE]
                        )
                    )
                self.restored = not page
                after = page[-1].jid if page else after
            except Exception as error:  # whoever is not read is not woken
                self._tasks.failed("push registrations are not read yet", error)
                await asyncio.sleep(_RETRY)

    async def _restore_account(self, id: int, jid: str, kept: Mapping[str, Sequence[Document]]) -> None:
        marks = {document.key: mark for document, mark in readable(kept[MARKS], decode_marks, "push mark")}
        sleepers = self._sleepers.get(id) or Sleepers(self, id, jid)
        for document, registration in readable(kept[SPACE], decode, "push registration"):
            if document.key not in sleepers.devices:
                sleepers.devices[document.key] = Sleeper(registration, marks.get(document.key, Marks()))
        if not sleepers.devices:
            return  # no registration could be read
        self._sleepers[id] = sleepers
        self._addresses.add(sleepers.jid)
        account = self._accounts.get(jid)
        if account is not None and account.id == id:
            account.waking = sleepers
        sleepers.recovered(await self._missed(sleepers))

    async def _missed(self, sleepers: Sleepers) -> list[Missed]:
        """What the log has that deserves waking, after the earliest mark of a device."""
        since = upto = min(sleeper.marks.settled for sleeper in sleepers.devices.values())
        found: list[Missed] = []
        came, read = self.now() + _GRACE, 0
        while read < _MOST_ENTRIES:
            entries = await self._store.undelivered(sleepers.account, upto, 200, since, True)
            if not entries:
                break
            found += [one for entry in entries if (one := _missed_entry(entry, sleepers.jid, came))]
            upto, read = entries[-1].id, read + len(entries)
        return found

    async def _write(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for sleeper, sleepers in dirty.items():
            if not sleeper.ended:
                data = encode(sleeper.marks)
                self._store.put_soon(sleepers.account, MARKS, sleeper.registration.id, data)

    # -- for the accounts' devices (`kith.push.sleepers.Keeper`) --------------------------------------

    def lost_since(self, session: Session) -> float:
        return self.now() - (self._steady() - session.lost_at)

    def opened(self, session: Session) -> tuple[int, float]:
        opened = session.state.get(Pushing)
        return opened if isinstance(opened, tuple) else (0, 0.0)

    def sessions(self, bare: str) -> Sequence[Session]:
        return self._accounts.sessions(bare)

    def later(self, seconds: float, sleepers: Sleepers) -> None:
        self._tasks.later(seconds, sleepers.on_time)

    def changed(self, sleepers: Sleepers, sleeper: Sleeper) -> None:
        self._dirty[sleeper] = sleepers

    def wake(self, sleepers: Sleepers, sleeper: Sleeper, upto: int, count: int, call: bool) -> None:
        sleeper.busy = True
        self._tasks.spawn(self._wake(sleepers, sleeper, upto, Wake(count, call, sleeper.registration.id)))

    async def _wake(self, sleepers: Sleepers, sleeper: Sleeper, upto: int, wake: Wake) -> None:
        """Wakes a device. That it is about to be woken is durable before anything leaves the server.

        So if the server is killed in between, the device is woken again only if it has not come within a
        minute.
        """
        marks, registration = sleeper.marks, sleeper.registration
        before = marks.pushed
        try:
            marks.pushed, marks.at, marks.tries = max(upto, before), self.now(), marks.tries + 1
            marks.again = marks.at + _UNSURE
            await self._store.put(sleepers.account, MARKS, registration.id, encode(marks))
            await self._hand_over(sleepers, sleeper, upto, wake)
        except Unavailable:
            marks.pushed, marks.tries, marks.again = before, max(marks.tries - 1, 0), self.now() + _GRACE
        finally:
            sleeper.busy = False
            if not sleeper.ended:
                self.changed(sleepers, sleeper)
                sleepers.look()

    async def _hand_over(self, sleepers: Sleepers, sleeper: Sleeper, upto: int, wake: Wake) -> None:
        marks, registration = sleeper.marks, sleeper.registration
        try:
            carrier = self.carriers.get(registration.carrier)
            if carrier is None:
                raise Later("this server can't push in this way any more", mistake=True)
            if registration.device and await self._devices.get(sleepers.account, registration.device) is None:
                raise Gone("the device was revoked")
            await self._through_gates(carrier, sleepers, sleeper, upto, wake)
        except Gone as error:
            self._figures.pushes[registration.carrier, "ended"] += 1
            logger.info("push registration ended", account=sleepers.jid, reason=str(error))
            if not sleeper.ended:
                await self.unregister(sleepers.account, [registration.id])
        except Later as error:
            self._figures.pushes[registration.carrier, "failed"] += 1
            logger.info("push failed", account=sleepers.jid, reason=str(error), failures=marks.failures + 1)
            marks.failures += 1
            marks.tries = max(marks.tries - 1, 0)
            marks.again = self.now() + next_attempt(marks.failures, error.seconds)
            if marks.failures >= (_MISTAKES if error.mistake else _FAILURES) and not sleeper.ended:
                await self.unregister(sleepers.account, [registration.id])
        else:
            marks.again, marks.failures = 0.0, 0

    async def _through_gates(
        self, carrier: Carrier, sleepers: Sleepers, sleeper: Sleeper, upto: int, wake: Wake
    ) -> None:
        """Hands a push over when it is its turn, unless the device has come in the meantime."""
        place = carrier.place(sleeper.registration)
        gate = self._gates.setdefault(place, asyncio.Semaphore(_ONE_HOST))
        self._waiting[place] += 1
        try:
            async with gate, self._gate:
                if sleeper.ended or sleeper.marks.settled >= upto:
                    return
                await carrier.push(sleepers.jid, sleeper.registration, wake)
                self._figures.pushes[sleeper.registration.carrier, "sent"] += 1
        finally:
            self._waiting[place] -= 1
            if not self._waiting[place]:
                del self._waiting[place], self._gates[place]

    async def test(self, bare: str, registration: Registration) -> str:
        """Wakes a device at once. Returns why that failed; empty if it did not."""
        carrier = self.carriers.get(registration.carrier)
        if carrier is None:
            return "this server can't push in this way any more"
        try:
            await carrier.push(bare, registration, Wake(1, False, registration.id))
        except (Gone, Later) as error:
            return str(error) or type(error).__name__
        return ""

    # -- what happens ----------------------------------------------------------------------------------

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        self._attach(account)

    async def account_moved(self, account: Account, left: Account) -> None:
        self._attach(account)

    def _attach(self, account: Account) -> None:
        """Lets an account find its devices. Accounts keep their ids when their addresses change."""
        account.waking = sleepers = self._sleepers.get(account.id)
        if sleepers is not None:
            self._addresses.discard(sleepers.jid)
            self._addresses.add(account.jid)
            sleepers.jid = account.jid

    async def account_deleted(self, account: JID) -> None:
        found = self._accounts.get(account.bare)
        if found is not None:
            self._drop(found.id)

    def slot_lost(self, slot: int) -> None:
        for id in [id for id, sleepers in self._sleepers.items() if slot_of(sleepers.jid) == slot]:
            self._drop(id)

    async def device_revoked(self, account: Account, keys: Sequence[int]) -> None:
        """Ends the registrations of devices that are not there any more.

        Which client without a device id has lost its access can't be told, so those that are not connected
        have to register again.
        """
        there = set(await self._devices.all(account.id))
        online = set(account.sessions)
        gone = [
            one.id
            for one in self.registered(account.id)
            if (one.device not in there if one.device else one.resource not in online)
        ]
        await self.unregister(account.id, gone)

    def session_opened(self, session: Session) -> None:
        if session.account.waking is not None:
            session.state[Pushing] = (self._ids.next(session.account.slot), self.now())

    def session_resumed(self, session: Session) -> None:
        if (sleepers := self._sleepers.get(session.account.id)) is not None:
            session.state[Pushing] = (self._ids.next(session.account.slot), self.now())
            sleepers.is_here(session)

    def session_available(self, session: Session) -> None:
        if (sleepers := self._sleepers.get(session.account.id)) is not None:
            sleepers.is_here(session)

    def session_closed(self, session: Session) -> None:
        if (sleepers := self._sleepers.get(session.account.id)) is not None:
            sleepers.left(session)

    def _unloaded(self, envelope: Envelope) -> None:
        # before all registrations were read, what has come since is read from the log
        if envelope.to.bare in self._addresses:
            self._tasks.spawn(self._load(envelope))

    async def _load(self, envelope: Envelope) -> None:
        account = await self._accounts.load(envelope.to.bare)
        if account is not None and account.waking is not None:
            account.waking.received(envelope.id, envelope.stanza)

    def _posted(self, posting: Posting) -> None:
        """A group has shared a message with its members, most of whom may not be in memory."""
        stanza = posting.stanza
        if stanza is None or not self._sleepers or not (worth := urgency(stanza)):
            return
        author = posting.sender.bare if posting.sender is not None else ""
        ref = to_text(posting.id)
        for id in self._sleepers.keys() & set(posting.recipients.values()):
            sleepers = self._sleepers[id]
            if sleepers.jid != author:
                sleepers.missed(posting.id, posting.group.jid, ref, worth)
            else:
                sleepers.sent(stanza, posting.group.address)

    def _read_in_group(self, bare: str, group: str, id: int) -> None:
        account = self._accounts.get(bare)
        sleepers = self._sleepers.get(account.id) if account is not None else None
        if sleepers is not None:
            sleepers.read_upto(group, id)

    async def _published(self, owner: JID, account: int, node: str) -> None:
        """A device has noted up to where it has shown chats (XEP-0490)."""
        sleepers = self._sleepers.get(account) if node == _DISPLAYED_NODE else None
        if sleepers is None or self._inside is None:
            return
        for peer in sleepers.waiting_peers:
            item = (await self._inside.items(account, node)).get(peer)
            if item is not None and item.element is not None:
                sleepers.read_upto(peer, _displayed(item.element))


def _displayed(element: Element) -> int:
    """The log id of the message that a chat is read up to; 0 if that is none of the log."""
    for stanza_id in element.iter(_STANZA_ID):
        try:
            return from_text(stanza_id.get("id", ""))
        except ValueError:
            continue
    return 0


def _missed_entry(entry: Entry, owner: str, came: float) -> Missed | None:
    """An entry of the log as a message that a device may miss; None if it deserves no waking."""
    if not entry.stanza:
        return None
    stanza = Stanza.from_bytes(entry.stanza)
    worth = urgency(stanza)
    peer = stanza.attrs.get("from", "").partition("/")[0]
    if not worth or peer == owner:
        return None
    ref = stanza.id
    if stanza.type == "groupchat":
        ref = to_text(entry.id)
        author = stanza.element.find(_ITEM)
        if author is not None and author.get("jid") == owner:
            return None
    return Missed(entry.id, peer, ref, came, worth is Urgency.CALL)
