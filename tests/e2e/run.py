"""Runs one module of these tests: run.py MODULE [unittest's options]. Exit 0 when all passed, 1 when one failed,
77 (CTest: skipped) when one could not run, whose reason is printed."""

import pathlib
import signal
import sys
import unittest

SKIPPED = 77


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    program = unittest.main(module=sys.argv[1], argv=sys.argv[1:], exit=False)
    result = program.result
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    if not result.wasSuccessful() or (result.testsRun == 0 and not result.skipped):
        return 1
    return SKIPPED if result.skipped else 0


if __name__ == "__main__":
    sys.exit(main())
