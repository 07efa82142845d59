"""The Apple Push Notification service: its HTTP/2 API with tokens, for native apps on iOS and macOS.

The server identifies itself with a JSON Web Token that it signs itself, and that is used for 50 minutes: APNs
accepts none that is older than an hour, and not many new ones. An app's token is registered at
``/api/push/native``.
"""

from __future__ import annotations

import json

from kith.base.clock import Clock
from kith.config import Config
from kith.push.carrier import Gone, Later, Wake
from kith.push.native import COLLAPSE, TTL, Answer, Line, NativeError, read_key, sealed, signed
from kith.push.registration import Registration
from kith.push.tokens import Tokens

CARRIER = "apns"
#: The services of a registration: that for apps of the App Store, and that for apps in development.
PRODUCTION, SANDBOX = "apns", "apns-sandbox"
#: A token of ours is used for so long, and a refused one is renewed at most once in so many seconds.
_USED, _PAUSE = 50 * 60.0, 20 * 60.0
#: Reasons that say that a token will never work.
_ENDS = ("BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken")
#: Reasons that say that the operator's settings are wrong, or a clock, and not the registration.
_SETTINGS = ("InvalidProviderToken", "MissingProviderToken", "TopicDisallowed", "BadTopic", "MissingTopic")
_EXPIRED = "ExpiredProviderToken"
#: A token that no app has.
_NOBODY = "0" * 64
#: What a phone shows if the app's extension can't fetch what has come: the same text for everything.
_FALLBACK = "New message"


class Apns:
    """The carrier of pushes to Apple's devices. Raises NativeError if the key can't be used."""

    name = CARRIER

    def __init__(self, config: Config, clock: Clock) -> None:
        assert config.push_apns_key is not None
        self._key = read_key("push_apns_key", config.push_apns_key)
        self._key_id, self._team, self.topic = (
            config.push_apns_key_id,
            config.push_apns_team_id,
            config.push_apns_topic,
        )
        self._clock = clock
        self._sign()  # whether the key can be used
        self._urls = {
            PRODUCTION: config.push_apns_url.rstrip("/"),
            SANDBOX: config.push_apns_sandbox_url.rstrip("/"),
        }
        self._line = Line(config, clock, "APNs")
        self._tokens = Tokens(self._make, clock, _PAUSE)

    async def stop(self) -> None:
        await self._line.close()

    def place(self, registration: Registration) -> str:
        return registration.service

    async def push(self, owner: str, registration: Registration, wake: Wake) -> None:
        body = {"aps": {"alert": {"body": _FALLBACK}, "mutable-content": 1, "sound": "default"}, "kith": 1}
        if found := sealed(registration, wake):
            body["push"] = found
        try:
            answer = await self._send(registration.service, registration.node, body)
        except NativeError as error:
            raise Later(str(error)) from None
        if answer.status == 200:
            return
        reason = _reason(answer)
        said = f"APNs answers {answer.status} {reason}".rstrip()
        if (answer.status == 410 or reason in _ENDS) and not self._is_newer(registration, answer):
            raise Gone(said)
        fault = answer.status in (400, 404, 405, 410, 413) and reason not in _SETTINGS
        raise Later(said, answer.wait, mistake=fault)

    async def check(self) -> str:
        """Pushes to nobody, which shows whether the key is accepted."""
        answer = await self._send(PRODUCTION, _NOBODY, {"aps": {}})
        reason = _reason(answer)
        if answer.status == 403 or reason in _SETTINGS:
            raise NativeError(f"APNs refuses the key or the topic: {reason}")
        if answer.status in (200, 400, 410):
            return f"APNs accepts the key for {self.topic}"
        raise Later(f"APNs answers {answer.status} {reason}".rstrip())

    def _is_newer(self, registration: Registration, answer: Answer) -> bool:
        """Whether the app has registered its token after the time at which APNs found that it was gone."""
        at = answer.body.get("timestamp")
        return isinstance(at, int) and registration.made > at / 1000

    async def _send(self, service: str, device: str, body: dict[str, object]) -> Answer:
        """Raises Later, NativeError. A token of ours that has expired is renewed once."""
        token: str | None = await self._tokens.get()
        answer = await self._post(service, device, body, str(token))
        expired = answer.status == 403 and _reason(answer) == _EXPIRED
        if expired and (token := await self._tokens.after(str(token))) is not None:
            answer = await self._post(service, device, body, token)
        return answer

    async def _post(self, service: str, device: str, body: dict[str, object], token: str) -> Answer:
        if service not in self._urls:
            raise Later(f"there is no service {service}", mistake=True)
        headers = {
            "authorization": f"bearer {token}",
            "apns-topic": self.topic,
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-expiration": str(int(self._clock.now()) + TTL),
            "apns-collapse-id": COLLAPSE,
            "content-type": "application/json",
        }
        return await self._line.post(
            f"{self._urls[service]}/3/device/{device}", headers, json.dumps(body).encode()
        )

    def _sign(self) -> str:
        claims = {"iss": self._team, "iat": int(self._clock.now())}
        return signed(claims, self._key, "ES256", {"kid": self._key_id})

    async def _make(self) -> tuple[str, float]:
        return self._sign(), _USED


def _reason(answer: Answer) -> str:
    reason = answer.body.get("reason")
    return reason[:100] if isinstance(reason, str) else ""
