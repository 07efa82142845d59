"""The interface to an organisation's directory of people, such as LDAP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class DirectoryUnavailable(Exception):
    """The directory can't be asked now. The text is for the operator, and contains no password."""


class Directory(Protocol):
    """The people who may log in because an organisation says so. Names are local parts of addresses."""

    async def check(self, name: str, password: str) -> bool:
        """Whether the directory has a person of this name, who has this password.

        Raises DirectoryUnavailable.
        """

    async def existing(self, names: Sequence[str]) -> set[str]:
        """Those of these names that the directory has. Raises DirectoryUnavailable."""

    async def close(self) -> None:
        """Releases connections and threads. Nothing is asked any more."""
