"""People who ask to come into a group, and the answers of its admins.

They have a link to a group where admins approve who comes (`kith.groups.links`), or register with it
(`kith.groups.registering`). All is one list, kept with the group until the first admin decides: nobody
becomes a member who has not asked. Admins see it and decide in Kith's namespace (docs/protocol.md, Groups),
and learn of each request by a notice. Other clients get a form instead, which they submit (XEP-0045 §9.9).
Who asks for voice (`kith.groups.voice`) is in the list as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.base.clock import Clock
from kith.base.ids import stamp
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import LATER, Work
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.features.forms import Field, Form, build_form, to_boolean
from kith.groups.adding import Adding
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.messages import Author
from kith.groups.names import CHANGE, GROUPS, MUC
from kith.groups.nicknames import free_nick
from kith.groups.senders import deliver
from kith.groups.service import GroupService
from kith.groups.voice import VoiceRequests
from kith.ports.store import DocumentStore, Write
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.ns import tag
from kith.wire.stanza import Stanza

FORM = f"{MUC}#register"
_NICK, _ALLOW = "muc#register_roomnick", "muc#register_allow"
#: The bare address of the person who asks.
_PERSON = f"{{{GROUPS}}}jid"
_ASKING, _ASKS, _VOICE = (tag(GROUPS, name) for name in ("asking", "asks", "voice"))
#: The space of a group's documents with the requests; the keys are addresses.
_SPACE = "asking"
#: How many people may wait for an answer of one group.
_MOST = 200


class _Request(msgspec.Struct, omit_defaults=True):
    """Who asks: the id of the account, the time in milliseconds, and the nickname that they want."""

    account: int
    at: int
    nick: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Request).decode


class Requests(Feature):
    """Keeps the list, tells admins, and does what they decide."""

    service = "groups"

    def __init__(
        self,
        clock: Clock,
        store: DocumentStore,
        accounts: Accounts,
        router: Router,
        post: Post,
        groups: GroupService,
        voice: VoiceRequests,
        adding: Adding,
    ) -> None:
        self._adding = adding
        self._clock = clock
        self._store = store
        self._accounts = accounts
        self._router = router
        self._post = post
        self._groups = groups
        self._voice = voice
        groups.forms[FORM] = self._answer

    # -- asking -----------------------------------------------------------------------------------------

    async def ask(self, group: Group, bare: str, nick: str = "") -> None:
        """Notes that somebody asks to come in, and tells the admins, once. Raises StanzaError.

        ``nick``: the nickname that they want; without one, it is what they call themselves.
        """
        waiting = await self._waiting(group)
        before = waiting.get(bare)
        if before is None and len(waiting) >= _MOST:
            raise StanzaError("resource-constraint", "too many people wait already", type="wait")
        account = await self._accounts.id_of(parse_jid(bare)) or 0
        nick = nick or (before.nick if before else "")
        if not nick and not group.config.anonymous:
            nick = await self._adding.name(parse_jid(bare), account, group.jid)
        if before is not None and (before.account, before.nick) == (account, nick):
            return
        write = Write(group.id, _SPACE, bare, _encode(_Request(account, int(self._clock.now() * 1000), nick)))
        change = Element(CHANGE, {"by": bare, "number": str(group.state.number)})
        SubElement(change, _ASKS, {"jid": bare} | ({"nick": nick} if nick else {}))
        admins = [member for member in group.members.belonging() if member.affiliation >= Affiliation.ADMIN]
        here = {member.jid: member.account for member in admins if member.account}
        await self._groups.changes.tell(group, bare, change, [write], here, confined=True)
        form = _form(bare, nick)
        for admin in admins:
            await self._tell(group, parse_jid(admin.jid), form)

    async def _waiting(self, group: Group) -> dict[str, _Request]:
        """Who waits for an answer. Who has come in meanwhile does not any more."""
        found: dict[str, _Request] = {}
        for document in await self._store.documents(group.id, _SPACE):
            if group.members.affiliation(document.key) is Affiliation.NONE:
                found[document.key] = _decode(document.value)
            else:
                await self._store.remove(group.id, _SPACE, document.key)
        return found

    async def _tell(self, group: Group, to: JID, form: Element) -> None:
        stanza = Stanza.build("message", {"from": group.jid, "to": to.bare}, form)
        try:
            await deliver(self._router, self._post, stanza, group.address, to)
        except StanzaError:
            return  # such as an admin who has blocked the group; the others decide

    # -- deciding ---------------------------------------------------------------------------------------

    @handles_iq("get", GROUPS, "asking", to="place")
    async def asking(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Who asks to come in, and who asks for voice; for admins."""
        return await self._groups.in_turn(to, lambda group: self._list(group, sender), sender)

    async def _list(self, group: Group, sender: Sender) -> Sequence[Element]:
        self._admin(group, sender)
        result = Element(_ASKING)
        for bare, request in (await self._waiting(group)).items():
            at = stamp(datetime.fromtimestamp(request.at / 1000, UTC))
            SubElement(
                result, _ASKS, {"jid": bare, "at": at} | ({"nick": request.nick} if request.nick else {})
            )
        for occupant in self._voice.waiting(group):
            SubElement(result, _VOICE, {"jid": occupant.bare, "nick": occupant.nick})
        return (result,)

    @handles_iq("set", GROUPS, "approve", to="place")
    async def approve(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Gives somebody what they have asked for."""
        return await self._decided(sender, iq, to, "approve", True)

    @handles_iq("set", GROUPS, "decline", to="place")
    async def decline(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Forgets that somebody has asked."""
        return await self._decided(sender, iq, to, "decline", False)

    async def _decided(
        self, sender: Sender, iq: Stanza, to: JID, name: str, allowed: bool
    ) -> Sequence[Element]:
        request = iq.child(tag(GROUPS, name))
        assert request is not None
        bare = request.get("jid", "")

        async def decide(group: Group) -> None:
            author = self._admin(group, sender)
            if not self._voice.decide(group, bare, allowed):
                await self._decide(group, author, bare, allowed)

        await self._groups.in_turn(to, decide, sender)
        return ()

    def _answer(self, group: Group, sender: Sender, form: Form) -> Work:
        return LATER if sender.committing else self._submitted(group, sender, form)

    async def _submitted(self, group: Group, sender: Sender, form: Form) -> None:
        """Does what an admin has submitted in a form. Raises StanzaError."""
        author = self._admin(group, sender)
        try:
            allowed = to_boolean(form.one(_ALLOW, "0"))
        except ValueError:
            raise StanzaError("bad-request", _ALLOW) from None
        await self._decide(group, author, form.one(_PERSON), allowed, form.one(_NICK))

    def _admin(self, group: Group, sender: Sender) -> Author:
        author = self._groups.messages.author_of(group, sender)
        if author is None or author.affiliation < Affiliation.ADMIN:
            raise StanzaError("forbidden", "only admins let people in")
        return author

    async def _decide(self, group: Group, author: Author, bare: str, allowed: bool, nick: str = "") -> None:
        """Lets somebody in who has asked, or not. ``nick``: the nickname that an admin gives them.

        Raises StanzaError.
        """
        request = (await self._waiting(group)).get(bare)
        if request is None:
            raise StanzaError("item-not-found", "nobody with this address asks to come in")
        if not allowed:
            await self._store.remove(group.id, _SPACE, bare)
            return
        jid = parse_jid(bare)
        if (await self._accounts.id_of(jid) or 0) != request.account:
            await self._store.remove(group.id, _SPACE, bare)
            raise StanzaError("item-not-found", "the account that has asked does not exist any more")
        wanted = nick or request.nick
        if wanted:
            nick = free_nick(group, wanted, bare, set())
        else:
            nick = await self._adding.nick(group, jid, request.account, set())
        member = Member(bare, Affiliation.MEMBER, request.account, nick)
        self._groups.administration.check_limits(group, {bare: member})
        await self._groups.changes.members(group, author.bare, [member], author.nick)
        await self._store.remove(group.id, _SPACE, bare)


def _form(bare: str, nick: str) -> Element:
    """What admins fill in (XEP-0045 §9.9)."""
    fields = [
        Field(_PERSON, (bare,), "hidden"),
        Field(_NICK, (nick,) if nick else (), "text-single", f"Nickname of {bare}"),
        Field(_ALLOW, ("0",), "boolean", f"Let {bare} become a member?"),
    ]
    return build_form("form", FORM, fields, f"{bare} asks to become a member")
