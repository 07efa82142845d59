"""The sender of text messages that the settings ask for at the moment."""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.config import Config
from kith.ports.sms import SMS
from kith.sms.console import ConsoleSMS
from kith.sms.http import HTTPGateway


class TextMessages:
    """A `kith.ports.sms.SMS`: the HTTP gateway of the settings; without one, the console.

    It follows the settings when they change while the server runs. Messages on their way to the gateway of
    before get there.
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
