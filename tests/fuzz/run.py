"""Lets atheris loose on one target, for a time that is bounded.

    python -m tests.fuzz.run stream --seconds 60         # what it finds that is new goes to --keep
    python -m tests.fuzz.run stream --try FILE           # once more what has failed

An input that fails is written to the folder of --keep, and its name said.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

TARGETS = ("stream", "stanza", "sasl", "forms", "websocket", "media", "descriptors")
CORPUS = Path(__file__).parent / "corpus"
_LONGEST = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for what it finds")
    parser.add_argument("--try", dest="once", type=Path, help="run this input, and nothing else")
    args = parser.parse_args()
    if args.once is not None:
        importlib.import_module(f"tests.fuzz.{args.target}").run(args.once.read_bytes())
        return
    import atheris

    with atheris.instrument_imports(include=["kith"], enable_loader_override=False):
        run = importlib.import_module(f"tests.fuzz.{args.target}").run
    keep = args.keep or Path(tempfile.mkdtemp(prefix=f"kith-fuzz-{args.target}-"))
    keep.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={args.seconds}",
            f"-seed={args.seed}",
            f"-max_len={_LONGEST}",
            f"-artifact_prefix={keep}/failed-",
            "-timeout=20",
            "-len_control=20",
            f"-dict={CORPUS.parent / 'words.dict'}",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            str(keep),
            str(CORPUS / args.target),
        ],
        run,
        enable_python_coverage=True,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
