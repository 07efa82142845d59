"""The error that wrong settings raise."""

from __future__ import annotations


class ConfigError(Exception):
    """A setting is unknown or wrong. The text is one line for the operator."""


def wrong(name: str, place: str, reason: str) -> ConfigError:
    """The error for one setting. ``place`` says where its value came from: a file or a variable."""
    return ConfigError(f"setting {name} is wrong ({place}): {reason}")
