"""Which sender of text messages the settings ask for."""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.config import Config
from kith.ports.sms import SMS
from kith.sms.console import ConsoleSMS
from kith.sms.http import HTTPGateway


def text_messages(config: Config, clock: Clock, randomness: Randomness) -> SMS:
    """The HTTP gateway of the settings; without one, messages are printed on the console."""
    if not config.sms_url:
        return ConsoleSMS()
    return HTTPGateway(
        config.sms_url,
        clock,
        randomness,
        config.sms_method,
        config.sms_headers,
        config.sms_body,
        config.sms_success_pattern,
    )
