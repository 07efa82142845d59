"""Status: what people show their contacts for a day (docs/status.md).

A status is an entry with a shared body, own keys and a time at which it goes, as messages to groups are, in
logs that accounts have beside their own. This package may import the groups, features and what is below them.
"""

from __future__ import annotations

from kith.core.hooks.feature import Feature
from kith.status.inboxes import Inboxes
from kith.status.log import StatusLog
from kith.status.service import StatusService

ALL: tuple[type[Feature], ...] = (Inboxes, StatusService, StatusLog)
