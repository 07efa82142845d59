"""Lists the resources of the admin API, and the parts that only they use."""

from __future__ import annotations

from kith.admin.exclusions import Exclusions
from kith.admin.people import Live, People
from kith.admin.trace import LiveTraces, Traces
from kith.api.admin.access import AccessResource
from kith.api.admin.admission import OperatorAdmission
from kith.api.admin.announcements import AnnouncementsResource
from kith.api.admin.bans import BansResource
from kith.api.admin.health import HealthResource
from kith.api.admin.invitations import InvitationsResource
from kith.api.admin.log import LogResource
from kith.api.admin.me import MeResource
from kith.api.admin.people import LiveAccounts, PeopleResource
from kith.api.admin.reports import ReportsResource
from kith.api.admin.trace import TraceResource
from kith.api.api import API
from kith.api.description import Document
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.hooks.parts import Parts
from kith.edge.edge import Edge
from kith.records.admin_tokens import AdminTokens

#: Parts that the resources need in addition to those of a node and of `kith.api.resources`.
_PARTS: tuple[type[object], ...] = (
    *(AdminTokens, Exclusions, People, Traces, LiveTraces, OperatorAdmission),
)
#: All resources, in the order of the API's description.
_RESOURCES: tuple[type[object], ...] = (
    *(
        MeResource,
        HealthResource,
        PeopleResource,
        AccessResource,
        BansResource,
        InvitationsResource,
        ReportsResource,
    ),
    *(AnnouncementsResource, TraceResource, LogResource),
)

_ABOUT = """\
For the operators of a Kith server: people, devices, bans, invitations, reports, announcements, and what
became of messages. It never shows what people have written.

Requests authenticate with `Authorization: Bearer TOKEN`. The token is either one that
`kith admin token create` has made, or the credential of a device (as for the API of accounts) whose account
is in the setting `operators`. A token may be restricted to reading. Everything that changes something is in
the audit log."""
#: What the API's description says besides its endpoints.
_DOCUMENT = Document("/api/admin/openapi.json", "Kith administration", _ABOUT, "operator", ("too-many",))


def admin_api(parts: Parts, edge: Edge) -> API:
    """Builds the admin API of a server. ``parts``: those of the node, and of the API of accounts."""
    parts.add({Edge: edge})
    parts.build((LiveAccounts,))
    parts.add({Live: parts.get(LiveAccounts)})
    parts.build(_PARTS)
    resources = parts.build(_RESOURCES)
    return API(parts.get(Config), parts.get(Tasks), parts.get(OperatorAdmission), resources, _DOCUMENT)
