"""People who ask to become members of a group, and the answers of its admins (XEP-0045 §9.9).

All admins get a form, also those who are away. The first who submits it decides. What is asked is stored with
the group until then, so nobody becomes a member who has not asked.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import LATER, Work
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.features.forms import Field, Form, build_form, to_boolean
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.names import GROUPS, MUC
from kith.groups.nicknames import free_nick
from kith.groups.senders import deliver
from kith.groups.service import GroupService
from kith.ports.store import DocumentStore
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

FORM = f"{MUC}#register"
_NICK, _ALLOW = "muc#register_roomnick", "muc#register_allow"
#: The bare address of the person who asks.
_PERSON = f"{{{GROUPS}}}jid"
#: The space of a group's documents: by bare address, the nickname that somebody wants.
_SPACE = "requests"
#: How many people may wait for an answer of one group.
_MOST = 256


class Requests(Feature):
    """Asks the admins of groups, and does what they answer."""

    service = "groups"

    def __init__(
        self, store: DocumentStore, accounts: Accounts, router: Router, post: Post, groups: GroupService
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._router = router
        self._post = post
        self._groups = groups
        groups.forms[FORM] = self._answer

    async def ask(self, group: Group, bare: str, nick: str) -> None:
        """Stores a request, and sends it to the admins. Raises StanzaError."""
        waiting = await self._store.documents(group.id, _SPACE)
        if len(waiting) >= _MOST and all(document.key != bare for document in waiting):
            raise StanzaError("resource-constraint", "too many people wait for an answer")
        await self._store.put(group.id, _SPACE, bare, nick.encode())
        fields = [
            Field(_PERSON, (bare,), "hidden"),
            Field(_NICK, (nick,), "text-single", f"Nickname of {bare}"),
            Field(_ALLOW, ("0",), "boolean", f"Let {bare} become a member?"),
        ]
        form = build_form("form", FORM, fields, f"{bare} asks to become a member")
        for member in list(group.members):
            if member.affiliation >= Affiliation.ADMIN:
                await self._tell(group, parse_jid(member.jid), form)

    async def _tell(self, group: Group, to: JID, content: Element) -> None:
        stanza = Stanza.build("message", {"from": group.jid, "to": to.bare}, content)
        try:
            await deliver(self._router, self._post, stanza, group.address, to)
        except StanzaError:
            return  # such as an admin who has blocked the group; the others decide

    def _answer(self, group: Group, sender: Sender, form: Form) -> Work:
        return LATER if sender.committing else self._decide(group, sender, form)

    async def _decide(self, group: Group, sender: Sender, form: Form) -> None:
        """Does what an admin has submitted. Raises StanzaError."""
        author = self._groups.messages.author_of(group, sender)
        if author is None or author.affiliation < Affiliation.ADMIN:
            raise StanzaError("forbidden", "only admins approve members")
        bare = form.one(_PERSON)
        asked = await self._store.document(group.id, _SPACE, bare)
        if asked is None:
            raise StanzaError("item-not-found", "this person does not ask any more")
        try:
            allowed = to_boolean(form.one(_ALLOW, "0"))
        except ValueError:
            raise StanzaError("bad-request", _ALLOW) from None
        if allowed and group.members.get(bare) is None:
            account = await self._accounts.id_of(parse_jid(bare)) or 0
            wanted = form.one(_NICK) or asked.value.decode()
            member = Member(bare, Affiliation.MEMBER, account, free_nick(group, wanted, bare, set()))
            self._groups.administration.check_limits(group, {bare: member})
            await self._groups.changes.members(group, author.bare, [member], author.nick)
        await self._store.remove(group.id, _SPACE, bare)
