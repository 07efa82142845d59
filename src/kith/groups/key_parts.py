"""Keys of a message to a large group, sent before it, since all together would exceed the limit of a stanza.

A message for 2400 devices contains half a megabyte of keys. A client sends them in parts, each in a request
of its own, and then the message, which names the parts (docs/protocol.md, Groups). They wait in memory: if
the server is restarted in between, the message is refused, and the client sends the parts again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.groups.group import Group
from kith.groups.keys import Key, keys_in
from kith.groups.names import GROUPS
from kith.groups.service import GroupService
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

KEYS = ns.tag(GROUPS, "keys")
#: How long parts wait for their message, in seconds.
_SECONDS = 300.0
#: Limits for one message, and for all that wait: bytes. A key has about 200.
_MAX_BYTES = 1024 * 1024
_MAX_WAITING = 32 * 1024 * 1024
#: For how many messages of one person keys wait. Those of the oldest go first.
_MAX_MESSAGES = 8


#: The group, the author and the id of a message.
_Name = tuple[str, str, str]


class _Parts:
    """The keys for one message of one person."""

    __slots__ = ("at", "keys", "size")

    def __init__(self, at: float) -> None:
        self.at = at
        self.keys: dict[int, bytes] = {}
        self.size = 0


class KeyParts(Feature):
    """Keeps parts until their message comes."""

    service = "groups"

    def __init__(self, clock: Clock, groups: GroupService) -> None:
        self._clock = clock
        self._service = groups
        self._waiting: OrderedDict[_Name, _Parts] = OrderedDict()
        self._names: dict[str, list[_Name]] = {}  # by author, the oldest first
        self._size = 0
        groups.messages.key_parts = self.take

    @handles_iq("set", GROUPS, "keys", to="place")
    async def keys(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Takes a part."""
        group = await self._service.load(to, sender)
        author = self._service.messages.author_of(group, sender)
        if author is None:
            raise StanzaError("forbidden", "only those who are in the group may write to it")
        request = iq.child(KEYS)
        id = request.get("id", "") if request is not None else ""
        if not 1 <= len(id) <= 100:
            raise StanzaError("bad-request", "id is a text of 1 to 100 characters")
        keys = dict(keys_in(iq.inner))
        if not keys:
            raise StanzaError("bad-request", "keys are missing")
        self._add((group.jid, sender.bare, id), keys)
        return ()

    def _add(self, name: _Name, keys: Mapping[int, bytes]) -> None:
        now = self._clock.steady()
        while self._waiting and next(iter(self._waiting.values())).at < now - _SECONDS:
            self._drop(next(iter(self._waiting)))
        parts = self._waiting.get(name) or _Parts(now)
        size = sum(len(key) - len(parts.keys.get(device, b"")) for device, key in keys.items())
        if parts.size + size > _MAX_BYTES or self._size + size > _MAX_WAITING:
            self._drop(name)
            raise StanzaError("resource-constraint", "too many keys wait for their message", type="wait")
        if name not in self._waiting:
            names = self._names.setdefault(name[1], [])
            names.append(name)
            self._waiting[name] = parts
            if len(names) > _MAX_MESSAGES:
                self._drop(names[0])
        parts.keys |= keys
        parts.size += size
        self._size += size

    def _drop(self, name: _Name) -> None:
        parts = self._waiting.pop(name, None)
        if parts is None:
            return
        self._size -= parts.size
        names = self._names[name[1]]
        names.remove(name)
        if not names:
            del self._names[name[1]]

    def take(self, group: Group, author: str, id: str) -> list[Key] | None:
        """The keys for a message, or None if they are not there. They stay for a retry, for a while."""
        parts = self._waiting.get((group.jid, author, id))
        return list(parts.keys.items()) if parts is not None else None
