"""XEP-0157: Contact Addresses for XMPP Services. How to contact the operators of the server."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.config import Config
from kith.core.hooks.feature import Feature
from kith.features.forms import Field, build_form

SERVER_INFO = "http://jabber.org/network/serverinfo"


class ContactAddresses(Feature):
    """Announces the setting ``contacts`` as a form of the domain (XEP-0128)."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def disco_forms(self) -> Sequence[Element]:
        contacts = self._config.contacts
        fields = [
            Field(f"{kind}-addresses", tuple(addresses.split()), "list-multi")
            for kind, addresses in sorted(contacts.items())
        ]
        return (build_form("result", SERVER_INFO, fields),) if fields else ()
