"""Chooses how text messages are sent, by the current settings."""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.config import Config
from kith.ports.sms import SMS
from kith.sms.console import ConsoleSMS
from kith.sms.http import HTTPGateway


class TextMessages:
    """Sends text messages with the HTTP gateway of the settings, or to the console if they name none.

    When the settings change while the server runs, later messages use the new ones. Messages that are being
    sent are not affected.
    """

    def __init__(self, config: Config, clock: Clock, randomness: Randomness) -> None:
        self._config = config
        self._clock = clock
        self._randomness = randomness
        self._senders: dict[tuple[object, ...], SMS] = {}  # by settings

    async def send(self, number: str, text: str) -> None:
        config = self._config
        headers = tuple(config.sms_headers.items())
        key = (config.sms_url, config.sms_method, headers, config.sms_body, config.sms_success_pattern)
        if (sender := self._senders.get(key)) is None:
            sender = self._senders[key] = self._make()
        await sender.send(number, text)

    async def close(self) -> None:
        for sender in self._senders.values():
            await sender.close()

    def _make(self) -> SMS:
        config = self._config
        if not config.sms_url:
            return ConsoleSMS(as_json=config.log_format == "json")
        return HTTPGateway(
            config.sms_url,
            self._clock,
            self._randomness,
            config.sms_method,
            config.sms_headers,
            config.sms_body,
            config.sms_success_pattern,
        )
