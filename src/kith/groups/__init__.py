"""Groups: rooms of XEP-0045 whose members get everything, whether they are present or not.

`ALL` lists the features that a server with groups has in addition to `kith.features.ALL`.
"""

from __future__ import annotations

from kith.core.hooks.feature import Feature
from kith.groups.adding import Adding
from kith.groups.clients import GroupClients
from kith.groups.expiry import GroupExpiry
from kith.groups.key_parts import KeyParts
from kith.groups.key_requests import KeyRequests
from kith.groups.links import GroupLinks
from kith.groups.newcomers import Newcomers
from kith.groups.rooms import ROOMS
from kith.groups.service import GroupService

ALL: tuple[type[Feature], ...] = (
    *(Adding, GroupService, GroupClients, GroupLinks, GroupExpiry, KeyRequests, KeyParts, Newcomers),
    *ROOMS,
)
