"""One file per capability. Imports `kith.core` and below. `ALL` is what a server has, in hook order."""

from __future__ import annotations

from kith.core.feature import Feature
from kith.features.carbons import Carbons
from kith.features.hints import Hints
from kith.features.markers import Markers
from kith.features.roster import Rosters
from kith.features.session_establishment import SessionEstablishment

ALL: tuple[type[Feature], ...] = (
    SessionEstablishment,
    Rosters,
    Hints,
    Markers,
    Carbons,
)
