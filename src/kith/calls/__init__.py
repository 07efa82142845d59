"""Calls: their signalling, and what devices need to reach each other. Media do not pass through the server.

`ALL` lists the features that a server has for calls in addition to `kith.features.ALL`.
"""

from __future__ import annotations

from kith.calls.group_calls import GroupCalls
from kith.calls.services import ExternalServices
from kith.calls.signalling import CallSignalling
from kith.core.hooks.feature import Feature

ALL: tuple[type[Feature], ...] = (ExternalServices, CallSignalling, GroupCalls)
