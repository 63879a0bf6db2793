"""What the measurements have in common as commands: their options, a folder, what happens when something is missing or
goes wrong."""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
NOT_INSTALLED, FAILED = 77, 2


def run(doc, measure, programs=(), as_root=False, options=("check", "quick")):
    """The exit status of `measure(options, folder)`, which may need programs and root. `doc` has the usage."""
    parser = argparse.ArgumentParser(usage=doc.partition("Usage: ")[2])
    for option in options:
        parser.add_argument(f"--{option}", action="store_true")
    parser.add_argument("build", nargs="?", default=HERE.parent / "build/release", type=pathlib.Path)
    chosen = parser.parse_args()
    chosen.build = chosen.build.resolve()
    missing = [program for program in programs if shutil.which(program) is None]
    if as_root and os.geteuid() != 0:
        missing.append("root's rights")
    if missing:
        print(f"not here: {', '.join(missing)}")
        return NOT_INSTALLED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(FAILED))
    with tempfile.TemporaryDirectory(prefix="smtp-probe-bench-") as folder:
        try:
            return measure(chosen, pathlib.Path(folder))
        except (RuntimeError, TimeoutError, OSError, StopIteration, subprocess.SubprocessError) as error:
            print(f"the measurement failed: {error!r}", file=sys.stderr)
            return FAILED
