"""Writing a message in the user's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path


def edit(text: str) -> str:
    """Opens ``$VISUAL`` or ``$EDITOR`` (else vi) with a text, and returns it as it was saved.

    The file is readable by its owner only, and removed afterwards. Raises OSError if there is no such editor.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    descriptor, name = tempfile.mkstemp(suffix=".txt", prefix="kith-")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        subprocess.run([*shlex.split(command), name], check=False)
        return path.read_text(errors="replace").rstrip("\n")
    finally:
        path.unlink(missing_ok=True)
