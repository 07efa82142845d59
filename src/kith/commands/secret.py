"""`kith secret rotate`: replaces the secret from which the server derives tokens and other keys."""

from __future__ import annotations

import time

from kith.accounts import secret
from kith.base.randomness import Randomness
from kith.commands.audit import note
from kith.commands.fail import fail
from kith.commands.users import with_store
from kith.config import Config
from kith.terminal import say


def rotate(config: Config, log_out: bool) -> None:
    """Replaces the secret. Ends the program with one line if there is none, or it can't be written."""
    path = config.data_dir / "secret"
    if not secret.has_secret(path):
        fail(f"there is no secret in {config.data_dir.absolute()}: no server has used this folder yet")
    try:
        generation = secret.rotate(path, Randomness(), time.time(), log_out)
    except OSError as error:
        fail(f"can't replace {path}, the old secret stays: {error.strerror}")
    with_store(config, lambda store: note(store, "secret.rotate", details="log out" if log_out else ""))
    say(f"The secret is new (number {generation}). Restart the server, so that it is used.")
    if log_out:
        say("Then all devices have to log in again.")
    else:
        say("Devices stay logged in, and get new tokens when they are used within the next 60 days.")
    say("Backups contain the old secret: make a new one, and delete what should not be kept.")
