"""The command line of the runner of forged inputs."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time

from support.fuzz.run import drive_all, tell
from support.fuzz.targets import TARGETS

MOST_MEMORY = 8 << 30
"""Bytes of addresses: a forged size must not take the memory of everybody else. A sanitizer,
which reserves far more, has a limit of its own for one allocation."""


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
    parser.add_argument(
        "--last",
        help="file that names the input in work, for one that ends the process",
    )
    chosen = parser.parse_args()
    if "san" not in os.environ.get("LD_PRELOAD", ""):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.RLIM_INFINITY))
    started = time.monotonic()
    names = chosen.target or sorted(TARGETS)
    inputs = (names, chosen.seed, chosen.first, chosen.inputs)
    return tell(drive_all(*inputs, chosen.last), started)


if __name__ == "__main__":
    sys.exit(main())
