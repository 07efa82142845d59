"""The fake server: accounts in memory, a port on the loopback, and the routing between its streams."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from xml.etree.ElementTree import Element, SubElement

from kith.client.client import Client
from kith.client.groups.wire import GROUPS
from kith.client.testing.accounts import CLIENT, Account, Contact
from kith.client.testing.groups import FakeGroup, FakeGroups
from kith.client.testing.people import Person
from kith.client.testing.session import Session
from kith.client.testing.uploads import Uploads, start_uploads

if TYPE_CHECKING:
    from kith.client.bot import Bot

_CARBONS, _FORWARD, _SID = "urn:xmpp:carbons:2", "urn:xmpp:forward:0", "urn:xmpp:sid:0"


class FakeServer:
    """A server for tests, as an async context manager. ``domain``: that of its accounts.

    Accounts are made by `client`, `person` and `account`, and are there from then on.
    """

    def __init__(self, domain: str = "localhost") -> None:
        self.domain = domain
        self.accounts: dict[str, Account] = {}
        self.groups = FakeGroups(self)
        self.port = 0
        self.uploads: Uploads | None = None
        """The files that were uploaded; None if the libraries of the extra ``media`` are missing."""

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self.uploads = await start_uploads(self._stack, self.domain)
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="kith-test-")))
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        await self.stop()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Session(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Takes the server away, and cuts all connections, until `restart`. What it has is kept."""
        self._server.close()
        self.cut()
        await asyncio.sleep(0)

    async def restart(self) -> None:
        """Brings the server back after `stop`, on the same port."""
        await self._listen()

    def cut(self) -> None:
        """Cuts all connections, as a lost network does. Clients connect again by themselves."""
        for account in self.accounts.values():
            for session in list(account.sessions):
                session.abort()

    # who is there

    def client(self, name: str, device: str = "phone", **settings: Any) -> Client:
        """A client of an account, not open yet. The same name and device find their keys again."""
        account = self.account(name)
        chosen: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "insecure": True,
            "auto_accept": True,
            "data": self._folder / f"{name}-{device}",
        } | settings
        return Client(account.jid, account.password, **chosen)

    def account(self, name: str) -> Account:
        """The account with a name, or an address; a new one if there is none."""
        jid = name if "@" in name else f"{name}@{self.domain}"
        return self.accounts.setdefault(jid, Account(jid, "secret"))

    async def person(self, name: str, peer: str, **settings: Any) -> Person:
        """A person who is online until the server ends, and talks to ``peer``."""
        client = self.client(name, **settings)
        await self._stack.enter_async_context(client)
        return Person(client, peer)

    @asynccontextmanager
    async def running(self, bot: Bot) -> AsyncIterator[Bot]:
        """Runs a bot for the time of an ``async with`` block. What it fails with is raised at the end.

        If its client is for another server, it gets one for this one, with the same name.
        """
        if bot.client._server != ("127.0.0.1", self.port):
            bot.client = self.client(bot.client.jid.partition("@")[0])
        async with bot.client:
            task = asyncio.create_task(bot.run_until_closed())
            try:
                yield bot
            finally:
                failed = task.done()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    if failed:
                        task.result()
                    await task

    # routing

    def message(self, sender: Session, message: Element) -> None:
        """Delivers and archives a message of one of the accounts (XEP-0313, XEP-0280)."""
        to = message.get("to", sender.account.jid).partition("/")[0]
        if self.groups.holds(to):
            if refused := self.groups.message(sender, message):
                sender.write(_error(message, refused, self.groups.all.get(to)))
            return
        recipient = self.accounts.get(to)
        if recipient is None or sender.account.jid in recipient.blocked:
            sender.write(_error(message, "service-unavailable"))
            return
        if message.get("type") == "error":
            return
        kept = any(child.tag.rpartition("}")[2] not in _FLEETING for child in message)
        if kept:
            sender.account.keep(message)
        received = deepcopy(message)
        if kept and recipient is not sender.account:
            id = recipient.keep(message)
            SubElement(received, f"{{{_SID}}}stanza-id", by=recipient.jid, id=id)
        if recipient is not sender.account:
            for session in recipient.available():
                session.write(received)
        for session in sender.account.available():
            if session is not sender and session.carbons:
                session.write(_carbon(message, session))

    def presence(self, sender: Session, presence: Element) -> None:
        """Broadcasts presence, or handles a subscription (RFC 6121 §3 and §4)."""
        kind, to = presence.get("type", ""), presence.get("to", "").partition("/")[0]
        if kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            presence.set("from", sender.account.jid)
            self._subscription(sender.account, kind, to, presence)
            return
        first = sender.presence is None
        sender.presence = None if kind == "unavailable" else presence
        self.broadcast(sender, presence)
        if first and sender.presence is not None:
            for jid, contact in sender.account.roster.items():
                if contact.to and jid in self.accounts:
                    for session in self.accounts[jid].available():
                        sender.write(session.presence)
                    self.last_events(self.accounts[jid], sender)
            self.last_events(sender.account, sender)
            waiting, sender.account.waiting = sender.account.waiting, []
            for one in waiting:
                sender.write(one)

    def broadcast(self, sender: Session, presence: Element) -> None:
        """Shows a stream's presence to everybody who may see it."""
        seen = [jid for jid, contact in sender.account.roster.items() if contact.sees]
        for jid in [*seen, sender.account.jid]:
            for session in self.accounts[jid].available() if jid in self.accounts else ():
                session.write(presence)

    def _subscription(self, account: Account, kind: str, to: str, presence: Element) -> None:
        other = self.accounts.get(to)
        mine = account.roster.setdefault(to, Contact())
        if other is None or account.jid in other.blocked:
            return
        theirs = other.roster.get(account.jid) or Contact()
        if kind == "subscribe":
            mine.asked = not mine.to
        elif kind == "subscribed":
            mine.sees = True
            if theirs.asked:
                theirs.to, theirs.asked = True, False
        elif kind == "unsubscribe":
            mine.to = mine.asked = theirs.sees = False
        else:
            mine.sees = theirs.to = theirs.asked = False
        account.push(to)
        if account.jid in other.roster:
            other.push(account.jid)
        if kind == "subscribe" and theirs.sees:
            mine.to, mine.asked = True, False
            account.push(to)
            self._show(other, account)
        elif kind == "subscribe" and not any(True for _ in other.available()):
            other.waiting.append(presence)
        for session in other.available():
            session.write(presence)
        if mine.sees and theirs.to:
            self._show(account, other)

    def _show(self, account: Account, to: Account) -> None:
        """Shows somebody the presence and the events of an account, which they may see from now on."""
        for seer in to.available():
            for session in account.available():
                seer.write(session.presence)
            self.last_events(account, seer)

    def hide(self, account: Account, to: Account) -> None:
        """Tells somebody that the account is not online, as far as they may know."""
        for seer in to.available():
            for session in account.available():
                seer.write(Element(f"{{{CLIENT}}}presence", {"type": "unavailable", "from": session.jid}))

    # personal events (XEP-0163)

    def published(self, account: Account, node: str, id: str) -> None:
        """Tells of a new item everybody who may see it."""
        seen = [jid for jid, contact in account.roster.items() if contact.sees]
        for jid in [*seen, account.jid]:
            for session in self.accounts[jid].available() if jid in self.accounts else ():
                session.write(_event(account, node, id, session))

    def last_events(self, account: Account, to: Session) -> None:
        """Tells somebody who has come online of the last item of each node."""
        for node, items in account.nodes.items():
            if items and ".bundles:" not in node:
                to.write(_event(account, node, next(reversed(items)), to))


#: What is not archived: chat states and hints about them.
_FLEETING = frozenset({"composing", "active", "paused", "inactive", "gone", "no-store", "origin-id"})


def _event(account: Account, node: str, id: str, to: Session) -> Element:
    event = "http://jabber.org/protocol/pubsub#event"
    attributes = {"from": account.jid, "to": to.jid, "type": "headline"}
    message = Element(f"{{{CLIENT}}}message", attributes)
    items = SubElement(SubElement(message, f"{{{event}}}event"), f"{{{event}}}items", node=node)
    SubElement(items, f"{{{event}}}item", id=id).append(deepcopy(account.nodes[node][id]))
    return message


def _carbon(message: Element, to: Session) -> Element:
    attributes = {"from": to.account.jid, "to": to.jid, "type": "chat"}
    copy = Element(f"{{{CLIENT}}}message", attributes)
    sent = SubElement(copy, f"{{{_CARBONS}}}sent")
    SubElement(sent, f"{{{_FORWARD}}}forwarded").append(deepcopy(message))
    return copy


def _error(message: Element, condition: str, group: FakeGroup | None = None) -> Element:
    attributes = {"type": "error", "from": message.get("to", ""), "to": message.get("from", "")}
    answer = Element(f"{{{CLIENT}}}message", attributes)
    if message.get("id"):
        answer.set("id", message.get("id", ""))
    error = SubElement(answer, f"{{{CLIENT}}}error", type="cancel")
    SubElement(error, f"{{urn:ietf:params:xml:ns:xmpp-stanzas}}{condition}")
    if condition == "conflict" and group is not None:
        SubElement(error, f"{{{GROUPS}}}stale", number=str(group.number))
    return answer
