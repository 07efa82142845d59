"""Old names of settings, which still work, with a warning.

To rename a setting, rename the field in `settings` and add the old name here. CONTRIBUTING.md says how long
an old name has to stay.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kith.config.errors import ConfigError

#: Old name: present name.
RENAMED = {
    "sms_answer": "sms_success_pattern",
    "waiting_connections": "unauthenticated_connections",
}


class Renamed(NamedTuple):
    """An old name that is in use. ``place`` is the file or the variable that has it."""

    old: str
    new: str
    place: str

    def __str__(self) -> str:
        return (
            f"setting {self.old} ({self.place}) is called {self.new} now; the old name will go in version 1.0"
        )


def replace_old_names(values: dict[str, Any], places: dict[str, str]) -> list[Renamed]:
    """Moves the values of old names to the present names, in both dicts. Returns the old names found.

    ``values`` are the settings that were given, ``places`` says for each where it came from. Raises
    ConfigError if a setting was given under both names, since only one of them can be meant.
    """
    found = []
    for old, new in RENAMED.items():
        if old not in values:
            continue
        if new in values:
            first, second = f"{new} ({places[new]})", f"{old} ({places[old]})"
            raise ConfigError(f"setting {new} is given twice: as {first} and under its old name {second}")
        found.append(Renamed(old, new, places[old]))
        values[new], places[new] = values.pop(old), places.pop(old)
    return found
