"""A gateway for text messages beside the first one: a table of the setting ``sms_gateways``."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one gateway is asked, in the same way as by the settings ``sms_url`` to ``sms_success_pattern``.

    ``countries``: two letters each (ISO 3166-1). Messages to them go to this gateway first, and messages to
    other countries never. If it is empty, the gateway gets what the ones before it did not accept.
    """

    url: str
    method: Literal["POST", "GET", "PUT"] = "POST"
    headers: dict[str, str] = {}
    body: str = ""
    success_pattern: str = ""
    countries: list[str] = []

    @property
    def host(self) -> str:
        """The host of the URL, as log and metrics name the gateway."""
        return urlsplit(self.url).hostname or ""
