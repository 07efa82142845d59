"""slixmpp with slixmpp-omemo, as its authors show it: OMEMO keys in memory, every device trusted."""

from __future__ import annotations

from typing import Any

from omemo.storage import Just, Maybe, Nothing, Storage
from slixmpp import JID
from slixmpp.plugins import register_plugin
from slixmpp_omemo import XEP_0384

from tests.interop.slix import Slix

PLUGINS = ("xep_0004", "xep_0045", "xep_0380")
_ITEM = "{http://jabber.org/protocol/muc#user}x/{http://jabber.org/protocol/muc#user}item"


class Keys(Storage):
    """Keys in a dictionary, which outlives a client."""

    def __init__(self, kept: dict[str, Any]) -> None:
        super().__init__()
        self._kept = kept

    async def _load(self, key: str) -> Maybe[Any]:
        return Just(self._kept[key]) if key in self._kept else Nothing()

    async def _store(self, key: str, value: Any) -> None:
        self._kept[key] = value

    async def _delete(self, key: str) -> None:
        self._kept.pop(key, None)


class Omemo(XEP_0384):  # type: ignore[misc]
    """The plugin with the storage of its configuration."""

    name = "xep_0384"
    default_config = {**XEP_0384.default_config, "kept": None}  # noqa: RUF012

    def plugin_init(self) -> None:
        self._keys = Keys(self.kept)
        super().plugin_init()

    @property
    def storage(self) -> Storage:
        return self._keys

    @property
    def _btbv_enabled(self) -> bool:
        return True

    async def _devices_blindly_trusted(self, devices: Any, identifier: str | None) -> None:
        pass

    async def _prompt_manual_trust(self, devices: Any, identifier: str | None) -> None:
        raise AssertionError("nothing is decided by hand")


class Member:
    """Somebody with that client in a group. ``kept``: the keys of the device, and what it has read."""

    def __init__(self, client: Slix, kept: dict[str, Any], group: str) -> None:
        self.client = client
        self.group = JID(group)
        register_plugin(Omemo)
        client.register_plugin("xep_0384", {"kept": kept})
        self._omemo: Any = client["xep_0384"]
        self._read: set[str] = kept.setdefault("read", set())

    async def enter(self, nick: str) -> None:
        """Publishes the keys of this device, and enters the group as a room."""
        await self._omemo.get_session_manager()
        await self.client["xep_0045"].join_muc_wait(self.group, nick, maxstanzas=0, timeout=20)

    async def say(self, text: str) -> None:
        """Encrypts for all members, as clients do: by the lists of affiliations."""
        found: set[JID] = set()
        for affiliation in ("owner", "admin", "member"):
            found |= {
                JID(jid)
                for jid in await self.client["xep_0045"].get_affiliation_list(self.group, affiliation)
            }
        stanza = self.client.make_message(mto=self.group, mtype="groupchat", mbody=text)
        encrypted, errors = await self._omemo.encrypt_message(
            stanza, {jid for jid in found if jid.bare != self.client.boundjid.bare}
        )
        assert encrypted is not None
        assert not errors
        encrypted["to"], encrypted["type"] = self.group, "groupchat"
        encrypted.send()

    async def read(self) -> tuple[str, str]:
        """The next encrypted message of somebody else: who has written it, and its text."""
        while True:
            stanza = await self.client.message()
            if stanza["type"] == "groupchat" and self._omemo.is_encrypted(stanza):
                author, text = await self.decrypt(stanza)
                if author != self.client.boundjid.bare:
                    return author, text

    async def decrypt(self, stanza: Any) -> tuple[str, str]:
        """Who has written a message of the group, which the group says, and its text."""
        item = stanza.xml.find(_ITEM)
        assert item is not None
        author = JID(item.get("jid")).bare
        if author == self.client.boundjid.bare:
            return author, ""
        roster = self.client["xep_0045"].rooms[None][self.group]
        roster.setdefault(stanza["from"].resource, {})["jid"] = JID(author)
        message, _ = await self._omemo.decrypt_message(stanza)
        self._read.add(stanza["id"])
        return author, str(message["body"])

    async def read_archive(self) -> list[tuple[str, str]]:
        """The messages of others in the archive of the group that it has not read (XEP-0313 on rooms)."""
        found = []
        results = self.client["xep_0313"].retrieve(jid=self.group, iterator=True, timeout=20)
        async for page in results:
            for result in page["mam"]["results"]:
                stanza = result["mam_result"]["forwarded"]["stanza"]
                if self._omemo.is_encrypted(stanza) and stanza["id"] not in self._read:
                    author, text = await self.decrypt(stanza)
                    if text:
                        found.append((author, text))
        return found
