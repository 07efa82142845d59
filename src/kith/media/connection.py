"""How a message server reaches its media server."""

from __future__ import annotations

from kith.base.clock import Clock
from kith.config import Config
from kith.media.depot import Depot
from kith.media.local import LocalMedia
from kith.media.requests import Media


def make_media(config: Config, clock: Clock) -> Media:
    """The media server that the settings name: one in this process."""
    return LocalMedia(Depot(config, clock))
