"""Chooses by which gateway a text message is sent, by the current settings."""

from __future__ import annotations

import structlog

from kith.base.clock import Clock
from kith.base.figures import Figures
from kith.base.numbers import country_of
from kith.base.randomness import Randomness
from kith.config import Config
from kith.config.gateways import GatewaySettings
from kith.ports.sms import SMSError
from kith.sms.console import ConsoleSMS
from kith.sms.http import ATTEMPTS, HTTPGateway

#: Seconds for which a gateway that did not answer is asked after the others.
AVOIDED = 60.0
logger = structlog.get_logger("kith")
#: What identifies a gateway that was made: all its settings.
_Key = tuple[object, ...]


class TextMessages:
    """Sends text messages with the HTTP gateways of the settings, or to the console if they name none.

    A message goes to the gateways that are for its country, then to ``sms_url``, then to those without
    countries, until one accepts it. When the settings change while the server runs, later messages use the
    new ones. Messages that are being sent are not affected.
    """

    def __init__(
        self, config: Config, clock: Clock, randomness: Randomness, figures: Figures | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._randomness = randomness
        self._results = (figures or Figures()).sms_gateways
        self._console: dict[bool, ConsoleSMS] = {}
        self._gateways: dict[_Key, HTTPGateway] = {}
        self._failed: dict[_Key, float] = {}  # when a gateway last did not answer, by the steady clock

    async def send(self, number: str, text: str) -> None:
        """Sends ``text`` to ``number`` (E.164) by the first gateway that accepts it.

        All but the last of them have one attempt each. Raises SMSError, with the reasons of all, if none
        accepts it.
        """
        gateways = self._in_order(country_of(number))
        if not gateways:
            await self._to_console().send(number, text)
            return
        reasons: list[str] = []
        wait = 0.0
        for index, settings in enumerate(gateways):
            last = index == len(gateways) - 1
            try:
                await self._gateway(settings).send(number, text, ATTEMPTS if last else 1)
            except SMSError as error:
                self._results[settings.host, "failed"] += 1
                if not error.refused:
                    self._failed[_key(settings)] = self._clock.steady()
                reasons.append(str(error) if len(gateways) == 1 else f"{settings.host}: {error}")
                wait = min(wait or error.wait, error.wait)
                if not last:
                    logger.warning(
                        "gateway failed, the next is asked", gateway=settings.host, error=str(error)
                    )
            else:
                self._results[settings.host, "sent"] += 1
                self._failed.pop(_key(settings), None)
                return
        raise SMSError("; ".join(reasons), wait)

    async def close(self) -> None:
        for gateway in self._gateways.values():
            await gateway.close()

    def _in_order(self, country: str) -> list[GatewaySettings]:
        """The gateways for a country, in the order in which they are asked."""
        config = self._config
        if not config.sms_url:
            return []
        first = GatewaySettings(
            url=config.sms_url,
            method=config.sms_method,
            headers=config.sms_headers,
            body=config.sms_body,
            success_pattern=config.sms_success_pattern,
        )
        more = config.sms_gateways
        chosen = [gateway for gateway in more if country in gateway.countries]
        everywhere = [gateway for gateway in more if not gateway.countries]
        return sorted([*chosen, first, *everywhere], key=self._is_avoided)

    def _is_avoided(self, settings: GatewaySettings) -> bool:
        """Whether a gateway did not answer a short time ago."""
        return self._clock.steady() - self._failed.get(_key(settings), float("-inf")) < AVOIDED

    def _gateway(self, settings: GatewaySettings) -> HTTPGateway:
        if (gateway := self._gateways.get(_key(settings))) is None:
            gateway = self._gateways[_key(settings)] = HTTPGateway(
                settings.url,
                self._clock,
                self._randomness,
                settings.method,
                settings.headers,
                settings.body,
                settings.success_pattern,
            )
        return gateway

    def _to_console(self) -> ConsoleSMS:
        as_json = self._config.log_format == "json"
        return self._console.setdefault(as_json, ConsoleSMS(as_json=as_json))


def _key(settings: GatewaySettings) -> _Key:
    headers = tuple(settings.headers.items())
    return settings.url, settings.method, headers, settings.body, settings.success_pattern
