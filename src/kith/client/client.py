"""The client: one account on this device. `kith.client` shows the shortest program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from kith.client.addresses import bare
from kith.client.changing import Changing
from kith.client.grouping import Grouping
from kith.client.groups.values import Group
from kith.client.key_checks import KeyChecks
from kith.client.message import Chat, Message, Replies
from kith.client.people import People
from kith.client.pinning import Pinning
from kith.client.statuses import Statuses


class Client(Statuses, Changing, Pinning, Grouping, People, KeyChecks):
    """An account on this device. As an async context manager it connects, and stays connected.

    Without a ``password`` it logs in as the device that `kith login` or `kith link` has set up here.
    ``data``: folder for keys and history. ``host`` and ``port``: the server; by default KITH_HOST and
    KITH_PORT of the environment, else what DNS says. ``direct_tls``: TLS from the first byte instead of
    STARTTLS, by default on port 5223. ``insecure``: no TLS, for tests on loopback addresses. ``pin``: the
    SHA-256 fingerprint of a self-signed certificate; without it, the first one seen is remembered.
    ``auto_accept``: accept every contact request. ``calls``: calls ring here (`CallRinging`), which needs
    the extra ``calls``. ``trust_policy``: decides about new keys
    (`kith.client.policies`). ``proxy``: the URL of a proxy, like ``socks5://127.0.0.1:9050``. ``timeout``:
    how long the server may take to answer a request, in seconds.

    Raises InvalidAddress and InvalidSetting. Entering raises LoginFailed, CertificateInvalid,
    CertificateChanged, AccountInUse, DataUnusable, and ServerUnreachable if this account was never online
    here. If it was, it can start offline.
    """

    def _replies(self) -> Replies:
        return self

    # reading

    async def messages(self) -> AsyncIterator[Message]:
        """Every readable message of peers and of our other devices: once, in order, also across restarts.

        What arrived while nobody iterated comes first. A message counts as handled when the next one is
        asked for.
        """
        if self._closed:
            return
        row = int(self._db.get("iterated") or 0)
        while not self._closed:
            self._arrived.clear()
            for message in self._history.since(row):
                yield message
                if self._closed:
                    return
                row = message.row
                self._db.set("iterated", str(row))
                self._db.commit()
                self._arrived.set()
            if self._error is not None:
                raise self._error
            await self._arrived.wait()

    def history(self, peer: str, before: Message | None = None, limit: int = 50) -> list[Message]:
        """The newest messages with a peer, or those before a message, oldest first. Reads the local copy.

        Those of a group are in the order that is the same for all, with notices (``message.change``).
        """
        return self._history.page(bare(peer), before, limit)

    def find(self, peer: str, id: str) -> Message | None:
        """The message that an id means, like `Message.reply_to`; None if it is not here."""
        peer = bare(peer)
        if self._groups.knows(peer):
            return self._history.group_target(peer, id)
        return self._history.target(peer, True, id) or self._history.target(peer, False, id)

    def search(self, text: str, limit: int = 50) -> list[Message]:
        """The messages of the local copy that contain the text, newest first."""
        return self._history.search(text, limit)

    def chats(self) -> list[Chat]:
        """All chats and contacts, the one with the newest message first."""
        groups = self._groups.by_address()
        found = self._history.chats()
        seen = {chat.peer for chat in found}
        found += [
            self._history.chat(group.jid)
            for group in groups.values()
            if group.affiliation.belongs and group.jid not in seen
        ]
        completed = [self._completed(chat, groups.get(chat.peer)) for chat in found]
        return sorted(completed, key=_newest, reverse=True)

    def chat(self, peer: str) -> Chat:
        """The chat with a peer; an empty one if there is none yet."""
        found = self._history.chat(bare(peer))
        return self._completed(found, self._groups.find(found.peer))

    def _completed(self, chat: Chat, group: Group | None) -> Chat:
        accepted = not group.invited if group is not None else self.accepted(chat.peer)
        return replace(chat, accepted=accepted, group=group)

    def queued(self) -> int:
        """How many messages the server has not acknowledged yet."""
        return self._history.count_queued()

    def reconnect(self) -> None:
        """Tries to connect now instead of waiting for the next attempt."""
        self._connection.retry_now()


def _newest(chat: Chat) -> float:
    """When something happened last in a chat, in seconds since 1970."""
    moment = chat.last.time if chat.last else chat.group.created if chat.group else None
    return moment.timestamp() if moment else 0.0
