"""The `kith` command, also as `python -m kith`. Says what to install if a command's libraries are missing."""

from __future__ import annotations

import sys

from kith.terminal import say

_MISSING = (
    "kith: this command needs {name}, which is not installed. "
    "To run a server, install kith[server]; to log in and chat, kith[terminal]."
)


def main() -> None:
    """The entry point. Ends the program with status 1 if a library is missing that an extra would bring."""
    try:
        from kith.cli import main as run

        run()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "kith":
            raise
        say(_MISSING.format(name=error.name), sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
