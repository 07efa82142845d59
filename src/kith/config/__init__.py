"""The server's settings: typed, with defaults, read from a TOML file and from ``KITH_*`` variables.

`settings` defines them, `load` reads them, `values` converts one value, `rules` and `sms_rules` compare
several with each other, and `renamed` keeps old names working. docs/settings.md has the table for operators.
"""

from kith.config.errors import ConfigError
from kith.config.load import load
from kith.config.settings import PORTS, Config, Setting, all_settings

__all__ = ["PORTS", "Config", "ConfigError", "Setting", "all_settings", "load"]
