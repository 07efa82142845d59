"""What the server serves over HTTP: invitations, both APIs, the web app, and commands on the same machine."""

from __future__ import annotations

from kith.accounts.codes import Codes
from kith.accounts.leaving import Leaving
from kith.accounts.left import Left
from kith.accounts.moving import Moving
from kith.accounts.proof import Proofs
from kith.api.admin.resources import admin_api
from kith.api.api import API, DeviceAdmission
from kith.api.credentials import Credentials
from kith.api.local import LocalSocket
from kith.api.resources import API_PARTS, DOCUMENT, RESOURCES
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.config import Config
from kith.core.node import Node
from kith.core.sessions.bans import Bans
from kith.edge.edge import Edge
from kith.edge.http import Web
from kith.edge.invites import GroupLink, InvitePages
from kith.edge.webapp import WebApp
from kith.features.operator_notices import OperatorNotices
from kith.features.vcard import VCard
from kith.groups.card import RoomCard
from kith.groups.links import GroupLinks
from kith.media.jobs.faces import Faces
from kith.ports.directory import Directory
from kith.ports.pictures import Pictures
from kith.ports.sms import SMS
from kith.records.invites import Invites
from kith.sms.choice import TextMessages
from kith.wire.jid import parse_jid


class Site:
    """Builds all this, and the parts behind it.

    ``directory``: that of the organisation, ``app``: the web app; None if there is none. ``web`` is what the
    server's HTTP ports lead to. ``pictures`` prepares the pictures of pages.
    """

    def __init__(
        self,
        config: Config,
        node: Node,
        edge: Edge,
        directory: Directory | None,
        app: WebApp | None,
        pictures: Pictures,
    ) -> None:
        self._config = config
        self._node = node
        self._sms = TextMessages(config, node.clock, node.get(Randomness), node.get(Figures))
        invites = Invites(node.store, node.clock, node.get(Randomness), node.get(Bans).voids)
        self._faces = Faces(pictures)
        has_app = app is not None
        pages = InvitePages(node.domain, invites, config.invites, self._group_link, self._find_face, has_app)
        apis = self._api(edge, directory), admin_api(node.parts, edge)
        self.web = Web(edge, [pages, *apis, *([app] if app is not None else [])])
        node.parts.build((LocalSocket,))
        self._local = node.get(LocalSocket)

    async def start(self) -> None:
        """Has to be awaited while the data folder is locked."""
        await self._local.start()
        await self.web.start()

    async def stop(self) -> None:
        await self._local.stop()
        await self.web.stop()
        await self._sms.close()

    async def _group_link(self, name: str, token: str) -> GroupLink | None:
        """What the page of a link to a group shows, or None if the link is not valid."""
        found = await self._node.get(GroupLinks).page(name, token)
        if found is None:
            return None
        picture = await self._node.get(RoomCard).picture(name)
        return GroupLink(*found, await self._faces.uri(picture) if picture else "")

    async def _find_face(self, address: str) -> str:
        """A data URI of the avatar of an account; empty if not everybody may see it."""
        avatar = await self._node.get(VCard).public_avatar(parse_jid(address))
        return await self._faces.uri(avatar.data) if avatar is not None else ""

    def _api(self, edge: Edge, directory: Directory | None) -> API:
        """The API of accounts."""
        parts, repeat = self._node.parts, self._node.tasks.repeat
        parts.add({SMS: self._sms})
        parts.build(API_PARTS)
        parts.get(Codes).budget.alarm = parts.get(OperatorNotices).tell
        repeat(parts.get(Codes).sweep, 3600.0)
        repeat(parts.get(Proofs).sweep, 3600.0)
        repeat(parts.get(Moving).clean, 86400.0)
        repeat(parts.get(Leaving).clean, 600.0)
        if directory is not None:
            parts.build((Left,))
            repeat(parts.get(Left).check, self._config.ldap_check_seconds)
        resources = parts.build(RESOURCES)
        admission = DeviceAdmission(edge, parts.get(Credentials), parts.get(Bans))
        return API(self._config, self._node.tasks, admission, resources, DOCUMENT)
