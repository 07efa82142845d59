"""``/api/admin/invitations``: links with which people can create accounts."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.errors import Refused
from kith.admin.targets import account_address
from kith.api.endpoint import Call, endpoint
from kith.api.qr import svg
from kith.api.types import moment, whole
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.numbers import canonical
from kith.base.randomness import Randomness
from kith.config import Config
from kith.ports.store import Store
from kith.records.audit import Audit
from kith.records.invites import ID_LENGTH, Invite, Invites, Taken, page_url, uri
from kith.wire.jid import prepare_local

_ID = {"id": {"type": "string", "pattern": whole("[0-9a-f]{16}")}}
_DAY = 86400.0


class Invitation(msgspec.Struct):
    """An open invitation, without the link, of which only a hash is stored."""

    id: str
    name: Annotated[str, Meta(description="The only user name that may be chosen; empty: any.")]
    contact: Annotated[str, Meta(description="Whose contact the new account becomes; empty: nobody's.")]
    maker: Annotated[str, Meta(description="The account that has made it; empty: an operator.")]
    register: Annotated[
        bool, Meta(description="Whether it can be used to create an account; else, only to become a contact.")
    ]
    expires: str


class InvitationList(msgspec.Struct):
    """All open invitations, the oldest first."""

    invitations: list[Invitation]
    usable: Annotated[
        bool, Meta(description="Whether the setting `registration` lets people create accounts with them.")
    ]


class NewInvitation(msgspec.Struct, forbid_unknown_fields=True):
    """An invitation to make."""

    contact: Annotated[
        str, Meta(max_length=1100, description="An account that becomes a contact of the new one.")
    ] = ""
    name: Annotated[str, Meta(max_length=64, description="The only user name that may be chosen.")] = ""
    days: Annotated[float, Meta(ge=0.01, le=365)] = 7.0


class MadeInvitation(msgspec.Struct):
    """A new invitation. The link is shown only once."""

    id: str
    url: Annotated[str, Meta(description="A page for people.")]
    uri: Annotated[str, Meta(description="The same for clients (XEP-0401 §3.1).")]
    qr: Annotated[str, Meta(description="The page's address as a QR code, in SVG.")]
    expires: str


class InvitationsResource:
    """The endpoints."""

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        randomness: Randomness,
        store: Store,
        audit: Audit,
    ) -> None:
        self._config = config
        self._domain = domain
        self._clock = clock
        self._store = store
        self._audit = audit
        self._invites = Invites(store, clock, randomness)

    @endpoint("GET", "/api/admin/invitations", "List open invitations")
    async def list(self, call: Call) -> InvitationList:
        found = await self._invites.all()
        shown = [
            Invitation(id, one.name, one.contact, one.maker, one.register, moment(one.expires))
            for id, one in found
        ]
        return InvitationList(shown, self._config.invites)

    @endpoint(
        "POST",
        "/api/admin/invitations",
        "Make an invitation",
        status=201,
        refusals=("conflict", "not-found"),
    )
    async def make(self, call: Call, request: NewInvitation) -> MadeInvitation:
        """For one account. It needs the setting `registration` to be `invite` or `open`."""
        contact, name = await self._contact(request.contact), await self._name(request.name)
        made = Invite(self._clock.now() + request.days * _DAY, contact, name)
        try:
            token = await self._invites.create(made)
        except (OverflowError, Taken) as error:
            raise Refused("conflict", f"{error}.") from None
        await self._audit.note(
            call.actor, "invitation.create", contact, f"for the name {name}" if name else ""
        )
        url = page_url(self._config, token)
        id = self._invites.id(token)
        return MadeInvitation(id, url, uri(self._domain.name, token, made), svg(url), moment(made.expires))

    @endpoint(
        "DELETE",
        "/api/admin/invitations/{id}",
        "Revoke an invitation",
        status=204,
        refusals=("not-found",),
        parameters=_ID,
    )
    async def revoke(self, call: Call) -> None:
        id = call.path["id"]
        revoked = await self._invites.revoke(id) if len(id) == ID_LENGTH else None
        if revoked is None:
            raise Refused("not-found", "There is no such invitation.")
        await self._audit.note(call.actor, "invitation.revoke", revoked.contact, revoked.name)

    async def _contact(self, text: str) -> str:
        if not text:
            return ""
        try:
            bare = account_address(self._domain.name, text)
        except ValueError as error:
            raise Refused("bad-request", f"{error}.") from None
        if await self._store.account(bare) is None:
            raise Refused("not-found", f"There is no account {bare}.")
        return bare

    async def _name(self, text: str) -> str:
        try:
            name = canonical(prepare_local(text)) if text else ""
        except ValueError:
            raise Refused("bad-request", f"{text!r} can't be a user name.") from None
        if name and await self._store.account(f"{name}@{self._domain.name}") is not None:
            raise Refused("conflict", f"There is an account {name}@{self._domain.name} already.")
        return name
