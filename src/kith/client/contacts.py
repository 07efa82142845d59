"""Contacts: the roster (RFC 6121), presence, and requests to become a contact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from kith.client.answers import answer
from kith.client.events import ContactChanged, ContactRequest, Event
from kith.client.message import Contact
from kith.client.presence import Availability, Presence, best
from kith.client.stanzas import NICK
from kith.client.stream import Stream

BLOCKING = "urn:xmpp:blocking"  # XEP-0191
REPORTING = "urn:xmpp:reporting:1"  # XEP-0377


class Contacts:
    """Presence subscriptions always go both ways: adding somebody also lets them see us, and vice versa."""

    __slots__ = (
        "_auto_accept",
        "_on_request_made",
        "_online",
        "_publish",
        "_roster",
        "_stream",
        "own",
        "requests",
    )

    def __init__(
        self,
        stream: Stream,
        auto_accept: bool,
        publish: Callable[[Event], None],
        on_request: Callable[[str, str], None],
    ) -> None:
        """``on_request(peer, nickname)`` is called when somebody asks to be a contact."""
        self._on_request_made = on_request
        self._roster: set[str] = set()
        self._stream = stream
        self._auto_accept = auto_accept
        self._publish = publish
        self._online: dict[str, dict[str, Presence]] = {}
        self.own = Presence(Availability.ONLINE)
        """What contacts see of us."""
        self.requests: list[str] = []
        """The bare addresses of people who wait for `accept` or `decline`."""
        stream.add_event_handler("presence_subscribe", self._on_request)
        for kind in ("available", "chat", "away", "xa", "dnd", "unavailable"):  # slixmpp's: type or <show/>
            stream.add_event_handler(f"presence_{kind}", self._on_presence)
        stream.add_event_handler("roster_update", self._on_roster)
        stream.add_event_handler("disconnected", lambda _: self._online.clear())

    async def load(self) -> None:
        """Fetches the roster. Raises IqError, IqTimeout."""
        await self._stream.get_roster(timeout=self._stream.timeout)

    def _item(self, peer: str) -> Any | None:
        roster = self._stream.client_roster
        return roster[peer] if roster.has_jid(peer) else None

    def all(self) -> dict[str, str]:
        """The names in the roster, which may be empty, by bare address."""
        roster = self._stream.client_roster
        own = str(self._stream.boundjid.bare)
        return {str(jid): str(roster[jid]["name"] or "") for jid in roster if str(jid) != own}

    def everybody(self) -> list[Contact]:
        """Everybody in the roster."""
        roster = self._stream.client_roster
        found = []
        for peer in self._roster:
            item: Any = roster[peer]
            found.append(
                Contact(
                    peer=peer,
                    name=str(item["name"] or ""),
                    sees_us=bool(item["from"]),
                    shows_us=bool(item["to"]),
                    asked=bool(item["pending_out"]),
                    presence=self.presence(peer),
                )
            )
        return found

    def presence(self, peer: str) -> Presence:
        """What the peer's most available device shows."""
        return best(self._online.get(peer, {}).values())

    def send_presence(self) -> None:
        """Tells the server, and through it our contacts, what `own` says."""
        show = self.own.availability
        if show is Availability.OFFLINE:
            self._stream.send_presence(ptype="unavailable", pstatus=self.own.status or None)
            return
        shown = None if show is Availability.ONLINE else show.value
        self._stream.send_presence(pshow=shown, pstatus=self.own.status or None)

    def online(self, peer: str) -> bool:
        """Whether a device of the peer is known to be online now."""
        return bool(self._online.get(peer))

    def known(self, peer: str) -> bool:
        """Whether we are subscribed to the peer's presence, or have asked to be."""
        item = self._item(peer)
        return item is not None and (item["to"] or item["pending_out"])

    def sees_us(self, peer: str) -> bool:
        """Whether the peer is subscribed to our presence, and so sees our profile."""
        item = self._item(peer)
        return item is not None and bool(item["from"])

    def is_mutual(self, peer: str) -> bool:
        """Whether the peer sees us, and we see them."""
        item = self._item(peer)
        return item is not None and bool(item["from"]) and bool(item["to"])

    def contains(self, peer: str) -> bool:
        """Whether the peer is in the roster, according to the server."""
        return peer in self._roster

    def add(self, peer: str, nickname: str) -> None:
        """Asks for a subscription to the peer's presence, and approves the peer's in advance.

        ``nickname``: our nickname (XEP-0172), for somebody who does not know us.
        """
        self._presence(peer, "subscribed")
        self._presence(peer, "subscribe", nickname)

    async def block(self, peer: str, report: bool) -> None:
        """Blocks a peer (XEP-0191), and reports them as a spammer if wanted. Raises Refused, NotOnline."""
        iq: Any = self._stream.make_iq_set()
        block = Element(f"{{{BLOCKING}}}block")
        item = SubElement(block, f"{{{BLOCKING}}}item", jid=peer)
        if report:
            SubElement(item, f"{{{REPORTING}}}report", reason="urn:xmpp:reporting:spam")
        iq.append(block)
        await self._ask(iq, f"{peer} could not be blocked")
        self._drop_request(peer)

    async def unblock(self, peer: str) -> None:
        """Unblocks a peer. Raises Refused, NotOnline."""
        iq: Any = self._stream.make_iq_set()
        unblock = Element(f"{{{BLOCKING}}}unblock")
        SubElement(unblock, f"{{{BLOCKING}}}item", jid=peer)
        iq.append(unblock)
        await self._ask(iq, f"{peer} could not be unblocked")

    async def blocked(self) -> list[str]:
        """The addresses that are blocked. Raises Refused, NotOnline."""
        iq: Any = self._stream.make_iq_get()
        iq.append(Element(f"{{{BLOCKING}}}blocklist"))
        reply = await self._ask(iq, "The list of blocked people can't be read")
        return sorted(item.get("jid", "") for item in reply.xml.iter(f"{{{BLOCKING}}}item"))

    async def rename(self, peer: str, name: str) -> None:
        """Sets the name of a peer in the roster. Raises Refused, NotOnline."""
        await self._set_item(peer, {"name": name}, f"{peer} could not be renamed")

    async def remove(self, peer: str) -> None:
        """Removes a peer from the roster, which ends both subscriptions. Raises Refused, NotOnline."""
        await self._set_item(peer, {"subscription": "remove"}, f"{peer} could not be removed")
        self._drop_request(peer)

    async def _set_item(self, peer: str, item: dict[str, str], failed: str) -> None:
        iq: Any = self._stream.make_iq_set()
        iq["roster"]["items"] = {peer: item}
        await self._ask(iq, failed)

    async def _ask(self, iq: Any, failed: str) -> Any:
        return await answer(iq.send(timeout=self._stream.timeout), failed)

    def accept(self, peer: str, nickname: str = "") -> None:
        """Approves a request, and asks for the same the other way round."""
        self._drop_request(peer)
        self._presence(peer, "subscribed")
        if not self.known(peer):
            self._presence(peer, "subscribe", nickname)

    def decline(self, peer: str) -> None:
        """Refuses a request."""
        self._drop_request(peer)
        self._presence(peer, "unsubscribed")

    def _drop_request(self, peer: str) -> None:
        if peer in self.requests:
            self.requests.remove(peer)

    def _presence(self, peer: str, kind: str, nickname: str = "") -> None:
        presence: Any = self._stream.make_presence(ptype=kind, pto=peer)  # type: ignore[arg-type]
        if nickname:
            name = Element(f"{{{NICK}}}nick")
            name.text = nickname
            presence.append(name)
        presence.send()

    def _on_request(self, presence: Any) -> None:
        peer = str(presence["from"].bare)
        self._on_request_made(peer, presence.xml.findtext(f"{{{NICK}}}nick") or "")
        if self._auto_accept or self.known(peer):
            self.accept(peer)
        elif peer not in self.requests:
            self.requests.append(peer)
            self._publish(ContactRequest(peer))

    def _on_presence(self, presence: Any) -> None:
        peer, resource = str(presence["from"].bare), str(presence["from"].resource)
        before = self.presence(peer)
        devices = self._online.setdefault(peer, {})
        if presence["type"] == "unavailable":
            devices.pop(resource, None)
        else:
            devices[resource] = Presence.of(str(presence["show"] or ""), str(presence["status"] or ""))
        if not devices:
            del self._online[peer]
        if self.presence(peer) != before:
            self._publish(ContactChanged(peer))

    def _on_roster(self, iq: Any) -> None:
        items = iq["roster"]["items"]
        if iq["type"] == "result" and items:
            self._roster.clear()
        for jid, item in items.items():
            if item["subscription"] == "remove":
                self._roster.discard(str(jid))
            else:
                self._roster.add(str(jid))
            self._publish(ContactChanged(str(jid)))
