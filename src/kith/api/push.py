"""``/api/push``: how a device is woken by the push service of its browser (Web Push)."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kith.accounts.errors import Refused
from kith.api.endpoint import Call, endpoint
from kith.api.types import whole
from kith.core.actors.accounts import Accounts
from kith.push.native_apps import CARRIERS, NativeApps
from kith.push.pushing import Pushing
from kith.push.registration import Registration
from kith.push.web_push import CARRIER, WebPush
from kith.wire.errors import StanzaError

_Base64 = Annotated[str, Meta(pattern=whole("[A-Za-z0-9_-]{1,120}={0,2}"), max_length=128)]


class PushKeys(msgspec.Struct):
    """The keys of a subscription (RFC 8291), as `PushSubscription.toJSON` has them."""

    p256dh: Annotated[_Base64, Meta(description="The client's public key, in base64url.")]
    auth: Annotated[_Base64, Meta(description="The client's authentication secret, in base64url.")]


class Subscription(msgspec.Struct):
    """A subscription, as `PushSubscription.toJSON` has it."""

    endpoint: Annotated[
        str, Meta(max_length=2048, description="The URL that the push service has made for this client.")
    ]
    keys: PushKeys


class NativeToken(msgspec.Struct):
    """A token that the push service of a system has given to a native app."""

    service: Annotated[
        Literal["fcm", "apns"],
        Meta(description="Firebase Cloud Messaging, or the Apple Push Notification service."),
    ]
    token: Annotated[
        str,
        Meta(min_length=20, max_length=4096, description="The app's token; that of APNs in hexadecimal."),
    ]
    sandbox: Annotated[bool, Meta(description="Whether the token is of APNs for apps in development.")] = (
        False
    )
    keys: Annotated[
        PushKeys | None,
        Meta(
            description="Keys as those of Web Push (RFC 8291), if the app wants to know whether a call is"
            " among what is new. Without them a push contains nothing at all."
        ),
    ] = None


class PushState(msgspec.Struct):
    """What a client needs to know to subscribe, and whether it has."""

    public_key: Annotated[
        str,
        Meta(
            description="The `applicationServerKey` to subscribe with (RFC 8292), in base64url. If a"
            " subscription was made with another one, subscribe anew."
        ),
    ]
    endpoint: Annotated[str, Meta(description="The URL that this device is woken by; empty if by none.")]
    native: Annotated[
        list[str], Meta(description="By which of `fcm` and `apns` this server can wake native apps.")
    ] = []
    token: Annotated[str, Meta(description="The token that a native app is woken by; empty if by none.")] = ""


class Push:
    """The endpoints. Each device changes its own subscription only."""

    def __init__(self, accounts: Accounts, pushing: Pushing, web: WebPush, native: NativeApps) -> None:
        self._accounts = accounts
        self._pushing = pushing
        self._web = web
        self._native = native

    @endpoint("GET", "/api/push", "Get how this device is woken")
    async def get(self, call: Call) -> PushState:
        caller = call.device
        found = [
            one.service
            for one in self._pushing.registered(caller.record.id)
            if (one.carrier, one.device) == (CARRIER, caller.entry.device.id)
            and one.generation == self._web.vapid.generation
        ]
        tokens = [
            one.node
            for one in self._pushing.registered(caller.record.id)
            if one.carrier in CARRIERS and one.device == caller.entry.device.id
        ]
        return PushState(
            self._web.vapid.public_key,
            found[-1] if found else "",
            self._native.services,
            tokens[-1] if tokens else "",
        )

    @endpoint(
        "PUT",
        "/api/push",
        "Have this device woken",
        status=204,
        refusals=("invalid-subscription", "not-found", "too-many"),
    )
    async def put(self, call: Call, request: Subscription) -> None:
        """The device is woken by the push service of its browser when something comes while it is not
        connected: messages and calls. A push contains nothing about them. A new subscription replaces the
        device's former one.
        """
        device = call.device.entry.device.id
        try:
            key, auth = _decoded(request.keys.p256dh), _decoded(request.keys.auth)
            registration = self._web.subscription(device, request.endpoint, key, auth)
        except ValueError as error:
            raise Refused("invalid-subscription", f"This is no subscription: {error}.") from None
        await self._register(call, registration)

    async def _register(self, call: Call, registration: Registration) -> None:
        """A device is woken in one way: its other registrations of native apps and of browsers end."""
        device = call.device.entry.device.id
        account = await self._accounts.load(call.device.record.jid)
        if account is None:
            raise Refused("not-found", "There is no such account.")
        try:
            await self._pushing.register(account, registration)
        except StanzaError:
            raise Refused("too-many", "This account has too many registrations for push.") from None
        await self._remove(account.id, device, but=registration.id)

    @endpoint(
        "PUT",
        "/api/push/native",
        "Have this device's native app woken",
        status=204,
        refusals=("invalid-subscription", "not-found", "too-many"),
    )
    async def put_native(self, call: Call, request: NativeToken) -> None:
        """The device is woken by the push service of its system, as by that of a browser. To be called at
        each start of the app, and whenever the system has given it another token.
        """
        keys, device = request.keys, call.device.entry.device.id
        try:
            key, auth = (_decoded(keys.p256dh), _decoded(keys.auth)) if keys is not None else (b"", b"")
            registration = self._native.registration(
                device, request.service, request.token, request.sandbox, key, auth
            )
        except ValueError as error:
            raise Refused("invalid-subscription", f"The token can't be used: {error}.") from None
        await self._register(call, registration)

    @endpoint("DELETE", "/api/push", "Do not have this device woken any more", status=204)
    async def delete(self, call: Call) -> None:
        await self._remove(call.device.record.id, call.device.entry.device.id)

    async def _remove(self, account: int, device: str, but: str = "") -> None:
        gone = [
            one.id
            for one in self._pushing.registered(account)
            if one.carrier in (CARRIER, *CARRIERS) and one.device == device and one.id != but
        ]
        await self._pushing.unregister(account, gone)


def _decoded(text: str) -> bytes:
    """Bytes in base64url, with or without padding. Raises ValueError."""
    try:
        return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        raise ValueError("the keys are not in base64url") from None
