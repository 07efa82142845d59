"""Lists the resources of the HTTP API, and the parts that only they use."""

from __future__ import annotations

from kith.accounts.apps import Apps
from kith.accounts.codes import Codes
from kith.accounts.contacts import Contacts as People
from kith.accounts.devices import Logins
from kith.accounts.discovery import Discovery
from kith.accounts.enrolment import Enrolment
from kith.accounts.leaving import Leaving
from kith.accounts.links import Links as Boxes
from kith.accounts.moving import Moving
from kith.accounts.password_login import PasswordLogin
from kith.accounts.pin import Pins
from kith.accounts.proof import Proofs
from kith.accounts.registration import Registration
from kith.api.account import Accounts
from kith.api.app_passwords import AppPasswords
from kith.api.contacts import Contacts
from kith.api.credentials import Credentials
from kith.api.description import Document
from kith.api.devices import Devices
from kith.api.group_calls import GroupCallsResource
from kith.api.links import Links
from kith.api.login import PasswordLogins
from kith.api.pin import Pin
from kith.api.privacy import PrivacyResource
from kith.api.push import Push
from kith.api.register import Register
from kith.api.relays import Relays

#: Parts that the resources need in addition to those of a node (`kith.core.node`).
API_PARTS: tuple[type[object], ...] = (
    *(Codes, Pins, Proofs, Logins, Enrolment, PasswordLogin, Leaving, Moving, Registration),
    *(Boxes, Discovery, People, Apps, Credentials),
)
#: All resources, in the order of the API's description.
RESOURCES: tuple[type[object], ...] = (
    *(
        Register,
        PasswordLogins,
        Devices,
        Pin,
        Accounts,
        Links,
        Contacts,
        PrivacyResource,
        AppPasswords,
        Relays,
        GroupCallsResource,
        Push,
    ),
)

_ABOUT = """\
Manages the accounts of a Kith server: registration with a phone number, devices, and settings of an account.
Messages are not sent with this API, but over XMPP.

A device authenticates with `Authorization: Bearer CREDENTIAL`. The credential is the base64url encoding
(RFC 4648, §5) of `LOCAL:AGENT:TOKEN`: the part of the account's address before the @, the client's user-agent
id (a UUID), and the device's token. The same token is used to log in over XMPP (XEP-0484). When the server
sends a new token over XMPP, the credential is made of that one."""
#: What the API's description says besides its endpoints.
DOCUMENT = Document("/api/openapi.json", "Kith", _ABOUT, "device")
