"""How a message server reaches its media server, and the keys that both have."""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.config import Config
from kith.media.depot import Depot
from kith.media.local import LocalMedia
from kith.media.remote import RemoteMedia
from kith.media.requests import Media
from kith.media.signing import CONTROL


def shared_secret(config: Config, secret: Secret | None) -> Secret:
    """The secret that a message server and its media server share.

    That is ``media_secret``, or if they are one process, the server's own ``secret``.
    """
    if config.media_secret:
        return Secret(config.media_secret.encode())
    assert secret is not None
    return secret


def make_media(config: Config, clock: Clock, randomness: Randomness, secret: Secret) -> Media:
    """The media server that the settings name: in this process, or elsewhere."""
    if config.media_control_url:
        key = shared_secret(config, secret).key(CONTROL)
        return RemoteMedia(config.media_control_url, key, clock, randomness)
    return LocalMedia(Depot(config, clock))
