"""Wakes devices that have no connection when something comes for them (docs/push.md).

`ALL` lists the features that a server has for this in addition to `kith.features.ALL`.
"""

from __future__ import annotations

from kith.core.hooks.feature import Feature
from kith.push.app_servers import AppServers
from kith.push.native_apps import NativeApps
from kith.push.pushing import Pushing
from kith.push.web_push import WebPush

ALL: tuple[type[Feature], ...] = (Pushing, AppServers, WebPush, NativeApps)
