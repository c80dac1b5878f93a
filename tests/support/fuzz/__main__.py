"""The command line of the runner of forged inputs."""

from __future__ import annotations

import argparse
import sys
import time

from support.fuzz.run import drive_all, tell
from support.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="support.fuzz", description=__doc__)
    parser.add_argument(
        "--target", action="append", choices=sorted(TARGETS), default=[]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first input"
    )
    parser.add_argument("--inputs", type=int, default=1000)
    chosen = parser.parse_args()
    started = time.monotonic()
    names = chosen.target or sorted(TARGETS)
    return tell(drive_all(names, chosen.seed, chosen.first, chosen.inputs), started)


if __name__ == "__main__":
    sys.exit(main())
