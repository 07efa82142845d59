"""Calls: what devices need from the server to reach each other. The media pass by it, encrypted.

`ALL` lists the features that a server has for calls in addition to `kith.features.ALL`.
"""

from __future__ import annotations

from kith.calls.services import ExternalServices
from kith.core.hooks.feature import Feature

ALL: tuple[type[Feature], ...] = (ExternalServices,)
