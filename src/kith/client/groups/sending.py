"""What the outbox needs for messages to groups: their encryption, and when it has to be done anew.

A message names the number of the members that it is encrypted for. If the group has another number by the
time it gets the message, it refuses it, and the message is encrypted again, under the same origin id. It
leaves the queue when it comes back from the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqTimeout

from kith.client.errors import NotSendable
from kith.client.groups import wire
from kith.client.groups.content import GroupContent
from kith.client.groups.records import GroupRecords
from kith.client.key_work import Interrupted, KeyWork
from kith.client.message import Kind, Message

if TYPE_CHECKING:
    from kith.client.groups.encryption import GroupEncryption


class GroupSending:
    """Encrypts messages to groups."""

    __slots__ = ("_content", "_encryption", "_key_work", "_records")

    def __init__(
        self,
        records: GroupRecords,
        content: GroupContent,
        encryption: GroupEncryption,
        key_work: KeyWork,
    ) -> None:
        self._records = records
        self._content = content
        self._encryption = encryption
        self._key_work = key_work

    def must_wait(self, group: str) -> bool:
        """Whether the members are not known, so that nothing can be encrypted for them now."""
        number, wanted = self._records.numbers(group)
        return wanted > number

    def is_outdated(self, message: Message, content: Sequence[Element]) -> bool:
        """Whether the content was encrypted for other members than there are now."""
        number = wire.made_for(content)
        return number is not None and number != self._records.numbers(message.peer)[0]

    async def content(self, message: Message) -> list[Element]:
        """The children of the stanza. Raises NotEncrypted, NotSendable, Interrupted."""
        group = self._records.find(message.peer)
        if group is None or not group.belongs:
            raise NotSendable("You are not in this group any more.")
        text = self._content.plaintext(message)
        if not message.encrypted or not (text or message.kind is Kind.HEARD):
            return self._content.elements(message, None)
        members = [member.jid for member in group.members if member.belongs]
        try:
            encrypted, key = await self._key_work.run(self._encryption.encrypt(group.jid, members, text))
        except IqTimeout:
            raise Interrupted from None
        self._content.note_number(message, group.number)
        return self._content.elements(message, encrypted, key, group.number)
