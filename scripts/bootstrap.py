"""Makes a virtual environment with uv in the folder named: all that setting up needs besides Python."""

import subprocess
import sys
import venv
from pathlib import Path

UV = "uv>=0.9,<1"


def main() -> None:
    folder = Path(sys.argv[1])
    if sys.version_info < (3, 11):  # noqa: UP036  # whoever starts it may have an older one
        sys.exit("Kith needs Python 3.11 or newer: make PYTHON=python3.11 run")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        # Debian keeps it in a package of its own
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        print(f"Python has no venv module; installing {package}", flush=True)
        if subprocess.call(["apt-get", "install", "-y", "-q", package]) != 0:
            sys.exit(f"Please install it, then try again: sudo apt-get install {package}")
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", str(folder)])
    else:
        venv.create(folder, with_pip=True, clear=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.check_call([*pip, "install", "--quiet", UV])


main()
