"""The long form of these tests is `make chaos`, which sets CHAOS=long."""

from __future__ import annotations

import os

LONG = os.environ.get("CHAOS") == "long"
