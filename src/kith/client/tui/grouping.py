"""The part of the terminal client's app about groups: making one, and looking at its members."""

from __future__ import annotations

from textual import work

from kith.client.errors import ClientError
from kith.client.groups.values import Affiliation
from kith.client.tui.members import Members, NewGroup, Wish, not_added
from kith.client.tui.messaging import Messaging
from kith.client.tui.screens import Question
from kith.terminal import one_line


class Grouping(Messaging):
    """`ChatApp` is built on it."""

    async def _open(self, peer: str) -> None:
        """Shows the chat with a peer or group."""
        raise NotImplementedError

    @work
    async def action_new_group(self) -> None:
        answer = await self.push_screen_wait(NewGroup(self.client.jid.partition("@")[2]))
        if answer is None:
            return
        name, people = answer
        try:
            group = await self.client.make_group(name, people)
        except ClientError as error:
            self._complain(error)
            return
        missing = [jid for jid in people if group.member(jid) is None and jid != self.client.jid]
        if missing:
            self.notify(not_added([(jid, "item-not-found") for jid in missing]), markup=False)
        await self._open(group.jid)

    @work
    async def action_members(self) -> None:
        chat = None if self._current is None else self.client.chat(self._current)
        if chat is None or chat.group is None:
            self.notify("Open a group first. F5 makes one.")
            return
        wish = await self.push_screen_wait(Members(chat.group, self.client.jid))
        if wish is None:
            return
        try:
            await self._grant(chat.group.jid, wish)
        except ClientError as error:
            self._complain(error)
        self._show_chats()

    async def _grant(self, group: str, wish: Wish) -> None:
        """Does what the user wants of a group. Raises ClientError."""
        if wish.what == "add":
            refused = await self.client.add_members(group, *wish.people)
            if refused:
                self.notify(not_added(list(refused.items())), severity="warning", markup=False)
        elif wish.what == "remove":
            names = ", ".join(map(one_line, wish.people))
            question = Question(f"Remove {names}?", "They keep what was said so far.", "Remove")
            if await self.push_screen_wait(question):
                await self.client.remove_members(group, *wish.people)
        elif wish.what in ("admin", "member"):
            await self.client.set_affiliation(group, Affiliation(wish.what), *wish.people)
        elif wish.what == "rename":
            await self.client.change_group(group, name=wish.name)
        elif await self.push_screen_wait(
            Question("Leave this group?", "You keep what was said so far, and get nothing more.", "Leave")
        ):
            await self.client.leave_group(group)
