"""Wakes native apps by the push services of their systems, if the operator has keys for them."""

from __future__ import annotations

import re

from kith.base.clock import Clock
from kith.config import Config
from kith.core.hooks.feature import Feature
from kith.core.hooks.parts import Unfit
from kith.push import apns, fcm
from kith.push.apns import Apns
from kith.push.fcm import Fcm
from kith.push.native import NativeError
from kith.push.pushing import Pushing
from kith.push.registration import Registration
from kith.push.web_push import check_keys

CARRIERS = (fcm.CARRIER, apns.CARRIER)
#: Tokens as the services make them: FCM's are at most 4096 characters, those of APNs are hexadecimal.
_FCM_TOKEN = re.compile(r"[A-Za-z0-9_:.%-]{20,4096}")
_APNS_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")


def carriers(config: Config, clock: Clock) -> list[Fcm | Apns]:
    """The carriers that are set up. Raises NativeError."""
    found: list[Fcm | Apns] = []
    if config.push_fcm_key is not None:
        found.append(Fcm(config, clock))
    if config.push_apns_key is not None:
        found.append(Apns(config, clock))
    return found


class NativeApps(Feature):
    """Adds the carriers that the settings name. Raises Unfit if a key can't be used."""

    def __init__(self, config: Config, clock: Clock, pushing: Pushing) -> None:
        try:
            self._carriers = carriers(config, clock)
        except NativeError as error:
            raise Unfit(str(error)) from None
        for one in self._carriers:
            pushing.carriers[one.name] = one

    async def stop(self) -> None:
        for one in self._carriers:
            await one.stop()

    @property
    def services(self) -> list[str]:
        """The names under which apps register."""
        return [one.name for one in self._carriers]

    def registration(
        self, device: str, service: str, token: str, sandbox: bool, key: bytes = b"", auth: bytes = b""
    ) -> Registration:
        """The registration of an app's token. Raises ValueError with a reason for people.

        ``key``, ``auth``: as those of Web Push, if the app wants to be told what the service can't read.
        """
        if service not in self.services:
            raise ValueError(f"this server does not push by {service}")
        pattern = _APNS_TOKEN if service == apns.CARRIER else _FCM_TOKEN
        if not pattern.fullmatch(token):
            raise ValueError(f"this is no token of {service}")
        if key or auth:
            check_keys(key, auth)
        if service == apns.CARRIER:
            service, token = apns.SANDBOX if sandbox else apns.PRODUCTION, token.lower()
            return Registration(apns.CARRIER, service, token, device, key=key, auth=auth)
        return Registration(fcm.CARRIER, service, token, device, key=key, auth=auth)
