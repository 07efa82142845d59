"""The part of `kith.client.Client` about other people: contacts, blocking, presence, profiles."""

from __future__ import annotations

from kith.client import profile, sendable
from kith.client.addresses import bare
from kith.client.answers import answer
from kith.client.events import ContactChanged
from kith.client.lifecycle import Lifecycle
from kith.client.message import Contact
from kith.client.presence import Availability, Presence
from kith.client.profile import Profile


class People(Lifecycle):
    """Contacts are in the roster on the server, so all devices of an account have the same."""

    def contacts(self) -> list[Contact]:
        """All contacts, by name. Raises NotOnline before the first connection."""
        return sorted(self._contacts.everybody(), key=lambda one: (one.name or one.peer).casefold())

    def requests(self) -> list[str]:
        """The addresses of people who ask to be a contact and were not answered."""
        return list(self._contacts.requests)

    async def accept(self, peer: str) -> None:
        """Lets the peer see when we are online and what we have read, and asks the same. Raises NotOnline."""
        self._require_server()
        peer = bare(peer)
        self._contacts.accept(peer, self._nickname)
        self._history.note_written(peer)
        self._db.commit()
        self._outbox.wake()
        self._healing.wake()
        self._publish(ContactChanged(peer))

    async def decline(self, peer: str) -> None:
        """Refuses a contact request. Raises NotOnline."""
        self._require_server()
        self._contacts.decline(bare(peer))

    async def add_contact(self, peer: str, name: str = "") -> None:
        """Adds a peer to the roster and asks to see when they are online.

        Raises NotOnline, Refused, InvalidAddress, and BadCharacters for the name.
        """
        self._require_server()
        peer = bare(peer)
        if name:
            await self.rename_contact(peer, name)
        self._contacts.add(peer, self._nickname)

    async def rename_contact(self, peer: str, name: str) -> None:
        """Sets our own name for a peer, on all our devices. Raises what `add_contact` raises."""
        self._require_server()
        peer = bare(peer)
        sendable.check_characters(name)
        await self._contacts.rename(peer, name)
        self._history.update_chat(peer, name=name)
        self._db.commit()

    async def remove_contact(self, peer: str) -> None:
        """Removes a peer from the roster: neither side sees any more when the other is online.

        The chat stays. Raises NotOnline, Refused.
        """
        self._require_server()
        peer = bare(peer)
        await self._contacts.remove(peer)
        self._publish(ContactChanged(peer))

    async def block(self, peer: str, report: bool = False) -> None:
        """Blocks a peer (XEP-0191). ``report``: also reports them to the operator as spam (XEP-0377).

        Raises NotOnline, and Refused if the server refuses.
        """
        self._require_server()
        peer = bare(peer)
        await self._contacts.block(peer, report)
        self._publish(ContactChanged(peer))

    async def unblock(self, peer: str) -> None:
        """Lets a blocked peer write to us again. Raises NotOnline, Refused."""
        self._require_server()
        peer = bare(peer)
        await self._contacts.unblock(peer)
        self._publish(ContactChanged(peer))

    async def blocked(self) -> list[str]:
        """The addresses that we have blocked, on any device. Raises NotOnline, Refused."""
        self._require_server()
        return await self._contacts.blocked()

    # presence

    def online(self, peer: str) -> bool:
        """Whether the peer is known to be online."""
        return self._contacts.online(bare(peer))

    def presence(self, peer: str) -> Presence:
        """What the peer shows of themselves: the most available of their devices."""
        return self._contacts.presence(bare(peer))

    def set_presence(self, availability: Availability = Availability.ONLINE, status: str = "") -> None:
        """Sets what contacts see of us, now and after each reconnect, until the client is closed.

        ``status``: a text beside it. Raises BadCharacters.
        """
        sendable.check_characters(status)
        self._contacts.own = Presence(availability, status)
        if self._stream.is_connected():
            self._contacts.send_presence()

    # profiles

    async def profile(self, peer: str | None = None) -> Profile:
        """The profile of a peer, as far as we may see it, or our own. Raises NotOnline, InvalidAddress."""
        self._require_server()
        who = bare(peer) if peer else self.jid
        return await answer(profile.read(self._stream, who), f"The profile of {who} can't be read")

    async def set_profile(self, shown: Profile) -> None:
        """Publishes our profile.

        Raises NotOnline, Refused, and InvalidProfile or BadCharacters for what is not allowed.
        """
        self._require_server()
        sendable.check_characters(shown.name + shown.about)
        await answer(profile.write(self._stream, shown), "The profile could not be published")
        self._db.set("nickname", shown.name)
        self._db.commit()

    def name(self, peer: str, name: str) -> None:
        """Sets our own name for a peer, on this device. An empty name only creates the chat."""
        self._history.update_chat(bare(peer), **({"name": name} if name else {}))
        self._db.commit()
