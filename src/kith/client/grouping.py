"""The part of `kith.client.Client` about groups: making, joining and changing them."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Literal
from xml.etree.ElementTree import Element, SubElement

from kith.client import sendable
from kith.client.addresses import bare
from kith.client.answers import answer
from kith.client.errors import NoSuchGroup, NotSendable, Refused, ServerLacks
from kith.client.groups import wire
from kith.client.groups.values import Affiliation, Group, Receipt
from kith.client.lifecycle import Lifecycle
from kith.client.message import Message
from kith.client.profile import image_type
from kith.client.stanzas import parse_time

#: How many people one message invites at most.
_MOST_INVITED = 20
_VCARD = "vcard-temp"


class Grouping(Lifecycle):
    """Groups are on the server, so all devices of an account are in the same."""

    def groups(self) -> list[Group]:
        """The groups that we are in or invited to, by name. Reads the local copy."""
        return self._groups.all()

    def group(self, group: str) -> Group:
        """A group, also one that we have left. Raises NoSuchGroup."""
        found = self._groups.find(bare(group))
        if found is None:
            raise NoSuchGroup(f"There is no group {group} on this device.")
        return found

    async def make_group(
        self, name: str, members: Iterable[str] = (), *, description: str = "", **settings: object
    ) -> Group:
        """Makes a group of people, with us as its owner. ``settings``: those of `Settings`.

        Who does not let themselves be added is invited, and who can't be added is missing in the returned
        group. Raises NotOnline, Refused, ServerLacks, InvalidAddress, BadCharacters, and ValueError for a
        setting that there is none.
        """
        self._require_groups()
        sendable.check_characters(name + description)
        members = [bare(member) for member in members]
        request = wire.people("create", members, id=secrets.token_hex(16))
        _set_texts(request, name, description or None)
        if settings:
            request.append(wire.settings_element(settings))
        found = await self._ask("set", self._group_sync.service, request, "The group could not be made")
        made = found.find(wire.tag("create"))
        jid = "" if made is None else made.get("jid", "")
        if not self._group_sync.is_group(jid):
            raise Refused("The group could not be made: the answer of the server names no group.", {})
        self._groups.list_group(jid, name)
        return self._invite(await self._updated(jid), members)

    async def add_members(self, group: str, *people: str) -> dict[str, str]:
        """Adds people to a group. Returns those who could not be added, with the condition of each error.

        Raises NotOnline, Refused, InvalidAddress.
        """
        self._require_groups()
        people = tuple(bare(one) for one in people)
        request = wire.people("add", people)
        found = await self._ask("set", bare(group), request, "Nobody could be added")
        self._invite(await self._updated(bare(group)), people)
        added = found.find(wire.tag("add"))
        return {} if added is None else wire.refused(added)

    async def remove_members(self, group: str, *people: str) -> None:
        """Removes people from a group, which admins may. They keep what they have, and get nothing more.

        Raises NotOnline, Refused.
        """
        await self.set_affiliation(group, Affiliation.NONE, *people)

    async def set_affiliation(self, group: str, affiliation: Affiliation, *people: str) -> None:
        """Makes people admins, owners or members, removes or bans them. Raises NotOnline, Refused."""
        self._require_groups()
        request = wire.affiliations([bare(one) for one in people], affiliation)
        await self._ask("set", bare(group), request, "The members could not be changed")
        await self._updated(bare(group))

    async def join_group(self, group: str) -> Group:
        """Accepts the invitation to a group. Raises NotOnline, Refused."""
        self._require_groups()
        await self._ask("set", bare(group), Element(wire.tag("accept")), "You could not join the group")
        return await self._updated(bare(group))

    async def leave_group(self, group: str) -> None:
        """Leaves a group, or declines an invitation. What was said before stays here.

        Raises NotOnline; Refused, above all if nobody else owns the group: make somebody its owner before, or
        destroy it.
        """
        self._require_groups()
        request = wire.affiliations([self.jid], Affiliation.NONE)
        await self._ask("set", bare(group), request, "You could not leave the group")
        self._groups.leave(bare(group))
        self._db.commit()

    async def destroy_group(self, group: str, reason: str = "") -> None:
        """Ends a group of ours for everybody (XEP-0045 §10.9). Raises NotOnline, Refused, BadCharacters."""
        self._require_groups()
        sendable.check_characters(reason)
        request = Element(f"{{{wire.MUC_OWNER}}}query")
        destroy = SubElement(request, f"{{{wire.MUC_OWNER}}}destroy")
        if reason:
            SubElement(destroy, f"{{{wire.MUC_OWNER}}}reason").text = reason
        await self._ask("set", bare(group), request, "The group could not be destroyed")
        self._groups.leave(bare(group))
        self._db.commit()

    async def change_group(
        self, group: str, *, name: str | None = None, description: str | None = None, **settings: object
    ) -> Group:
        """Changes name, description or settings (those of `Settings`) of a group.

        Raises NotOnline, Refused, BadCharacters, and ValueError for a setting that there is none.
        """
        self._require_groups()
        sendable.check_characters((name or "") + (description or ""))
        request = Element(wire.tag("group"))
        _set_texts(request, name, description)
        if settings:
            request.append(wire.settings_element(settings))
        await self._ask("set", bare(group), request, "The group could not be changed")
        self._groups.set_unread(bare(group))
        return await self._updated(bare(group))

    async def set_group_nickname(self, group: str, nickname: str) -> str:
        """Changes how a group calls us. Returns the name that it uses. Raises NotOnline, Refused."""
        self._require_groups()
        sendable.check_characters(nickname)
        request = Element(wire.tag("nick"))
        request.text = nickname
        found = await self._ask("set", bare(group), request, "The nickname could not be changed")
        await self._updated(bare(group))
        return found.findtext(wire.tag("nick")) or nickname

    async def group_picture(self, group: str) -> bytes:
        """The picture of a group; empty if it has none. Raises NotOnline, Refused."""
        self._require_groups()
        request = Element(f"{{{_VCARD}}}vCard")
        found = await self._ask("get", bare(group), request, "The picture could not be read")
        text = found.findtext(f"{{{_VCARD}}}vCard/{{{_VCARD}}}PHOTO/{{{_VCARD}}}BINVAL") or ""
        try:
            return b64decode("".join(text.split()), validate=True)
        except ValueError:
            return b""

    async def set_group_picture(self, group: str, picture: bytes) -> None:
        """Changes the picture of a group, a PNG, JPEG or WebP file; empty: it has none any more.

        Raises NotOnline, Refused, InvalidProfile.
        """
        self._require_groups()
        card = Element(f"{{{_VCARD}}}vCard")
        if picture:
            photo = SubElement(card, f"{{{_VCARD}}}PHOTO")
            SubElement(photo, f"{{{_VCARD}}}TYPE").text = image_type(picture)
            SubElement(photo, f"{{{_VCARD}}}BINVAL").text = b64encode(picture).decode()
        await self._ask("set", bare(group), card, "The picture could not be changed")

    async def receipts(self, message: Message) -> list[Receipt]:
        """Who has received and read a message of ours in a group, and when. Raises NotOnline, Refused."""
        self._require_groups()
        id = self._history.group_id(self._history.get(message.row)) if message.group else None
        if id is None or message.incoming:
            raise NotSendable("Only the author of a message that a group has is told who has read it.")
        request = Element(wire.tag("receipts"), id=id)
        found = await self._ask("get", message.peer, request, "It is not known who has read the message")
        return [
            Receipt(one.get("jid", ""), parse_time(one.get("delivered")), parse_time(one.get("read")))
            for one in found.iter(wire.tag("receipt"))
        ]

    def _invite(self, group: Group, people: Iterable[str]) -> Group:
        """Sends an invitation to those who are not in the group before they have accepted it."""
        members = [group.member(one) for one in people]
        invited = [member.jid for member in members if member is not None and member.invited]
        for start in range(0, len(invited), _MOST_INVITED):
            stanza = self._stream.make_message(group.jid, mtype="normal")
            stanza.append(wire.invitations(invited[start : start + _MOST_INVITED]))
            stanza.send()
        return group

    async def _ask(self, kind: Literal["get", "set"], to: str, request: Element, failed: str) -> Element:
        found: Element = await answer(self._group_sync.request(kind, to, request), failed)
        return found

    async def _updated(self, group: str) -> Group:
        """The group as the server has it now. Raises NotOnline, Refused."""
        await answer(self._group_sync.update(group), "The group could not be read")
        return self.group(group)

    def _require_groups(self) -> None:
        self._require_server()
        if not self._group_sync.supported:
            raise ServerLacks("The server has no groups that this client can use.")


def _set_texts(request: Element, name: str | None, description: str | None) -> None:
    for tag, text in (("name", name), ("description", description)):
        if text is not None:
            SubElement(request, wire.tag(tag)).text = text
