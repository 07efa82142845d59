"""A build hook of hatchling: the built web app is part of the wheel, so that it is served without Node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebApp(BuildHookInterface):  # type: ignore[type-arg]
    """Puts ``web/dist`` into the package as ``kith/webapp``. Not where a clone is installed as it is."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises FileNotFoundError if the app was not built."""
        if version == "editable":
            return
        app = Path(self.root) / "web" / "dist"
        if not (app / "index.html").is_file():
            raise FileNotFoundError("the web app is not built: `make wheel` builds it first")
        build_data["force_include"][str(app)] = "kith/webapp"
