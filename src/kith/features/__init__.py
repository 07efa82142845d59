"""The features, one file each.

`ALL` lists those of a server, in the order in which their hooks are called.
"""

from __future__ import annotations

from kith.core.hooks.feature import Feature
from kith.features.addresses_seen import AddressesSeen
from kith.features.announcements import Announcing
from kith.features.archive import Archive
from kith.features.archive_preferences import ArchivePreferences
from kith.features.blocking import Blocking
from kith.features.bookmarks import Bookmarks
from kith.features.caps import Caps
from kith.features.carbons import Carbons
from kith.features.commands import Commands
from kith.features.components import Components
from kith.features.contact_addresses import ContactAddresses
from kith.features.correspondents import Correspondents
from kith.features.csi import ClientState
from kith.features.device_activity import DeviceActivity
from kith.features.device_keys import DeviceKeys
from kith.features.disco import Disco
from kith.features.entity_time import EntityTime
from kith.features.foreign_interests import ForeignInterests
from kith.features.hints import Hints
from kith.features.invitations import Invitations
from kith.features.last_activity import LastActivity
from kith.features.markers import Markers
from kith.features.moved import Moved
from kith.features.operator_commands import OperatorCommands
from kith.features.operator_facts import OperatorFacts
from kith.features.operator_notices import OperatorNotices
from kith.features.operator_suspensions import OperatorSuspensions
from kith.features.ping import Ping
from kith.features.privacy import PrivacySettings
from kith.features.private_storage import PrivateStorage
from kith.features.pubsub import Pep, PubSubService
from kith.features.registration import Registration
from kith.features.reports import SpamReports
from kith.features.retraction import Retraction
from kith.features.roster import Rosters
from kith.features.session_establishment import SessionEstablishment
from kith.features.strangers import Strangers
from kith.features.stream_limits import StreamLimits
from kith.features.subscription_floods import SubscriptionFloods
from kith.features.vcard import VCard
from kith.features.vcard4 import VCard4
from kith.features.version import Version

ALL: tuple[type[Feature], ...] = (
    SessionEstablishment,
    StreamLimits,
    Disco,
    Ping,
    EntityTime,
    Version,
    ContactAddresses,
    PrivacySettings,
    LastActivity,
    Rosters,
    Blocking,  # before features that would tell blocked people a new address
    Moved,
    Correspondents,
    SpamReports,
    Strangers,
    SubscriptionFloods,
    PrivateStorage,
    Registration,
    Caps,
    ForeignInterests,
    Pep,
    DeviceKeys,
    DeviceActivity,
    AddressesSeen,
    VCard,
    VCard4,
    Bookmarks,
    Hints,
    Markers,
    Retraction,
    Announcing,
    Commands,
    OperatorCommands,
    OperatorFacts,
    OperatorSuspensions,
    OperatorNotices,
    Invitations,
    Archive,
    ArchivePreferences,
    Carbons,
    ClientState,
    Components,
    PubSubService,
)
