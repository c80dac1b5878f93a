"""Records the results of the public interface, to the bit, and compares two recordings.

    python tools/record_factors.py record FILE [--only PREFIX]
    python tools/record_factors.py compare A B

A recording has a line for each array (hash of its bytes, dtype, shape), number, warning and
error of some thousand small cases. The exit status of `compare` is 1 where a case differs
or is in one recording only. Two recordings of one commit have to be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

for _threads in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"

import dask
from recording import fits, functions, refusals  # noqa: F401  (they enter their cases)
from recording.groups import GROUPS
from recording.outcomes import environment, outcome

MUST_AGREE = ("instruction set", "numpy", "scipy", "BLAS")
"""Entries of the environment that results may depend on."""


def record(file: Path, only: str) -> int:
    """Run the cases whose name begins with `only`, and write what they give."""
    cases: dict[str, dict[str, str]] = {}
    begin = time.perf_counter()
    with dask.config.set(scheduler="threads", num_workers=2):
        for cases_of in GROUPS:
            before, n_before = time.perf_counter(), len(cases)
            for end, compute in cases_of():
                name = f"{cases_of.__name__}/{end}"
                if not name.startswith(only):
                    continue
                if name in cases:
                    msg = f"Two cases are called {name!r}."
                    raise SystemExit(msg)
                cases[name] = outcome(compute)
                differing = cases[name].get("two threads differ in", "''")
                if differing != "''":
                    print(f"{name}: two threads differ from one in {differing}")
            seconds = time.perf_counter() - before
            print(
                f"{cases_of.__name__}: {len(cases) - n_before} cases, {seconds:.1f} s"
            )
    whole = {"environment": environment(), "cases": cases}
    file.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    n_errors = sum("error" in case for case in cases.values())
    seconds = time.perf_counter() - begin
    print(f"{len(cases)} cases, {n_errors} of them errors, in {seconds:.0f} s: {file}")
    return 0


def differences(one: dict[str, str], two: dict[str, str]) -> Iterator[str]:
    """Yield a line for each difference between two outcomes of a case."""
    for name in {**one, **two}:
        a, b = one.get(name, "nothing"), two.get(name, "nothing")
        if a != b:
            both = a.startswith("sha256") and b.startswith("sha256")
            same_form = a.split(" ", 2)[2:] == b.split(" ", 2)[2:]
            yield f"{name}: other bits" if both and same_form else f"{name}: {a} -> {b}"


def compare(first: Path, second: Path) -> int:
    """Print the cases that differ; return 1 if there are any, else 0."""
    one, two = (
        json.loads(file.read_text(encoding="utf-8")) for file in (first, second)
    )
    for key in MUST_AGREE:
        a, b = one["environment"][key], two["environment"][key]
        if a != b:
            msg = f"These recordings can't be compared: {key} is {a!r} in {first} and {b!r} in {second}."
            raise SystemExit(msg)
    ours, theirs = one["cases"], two["cases"]
    n_different = 0
    for name in {**ours, **theirs}:
        if name not in ours or name not in theirs:
            told = [f"only in {first if name in ours else second}"]
        else:
            told = list(differences(ours[name], theirs[name]))
        if told:
            n_different += 1
            print("\n    ".join([name, *told]))
    print(f"{n_different} of {len({**ours, **theirs})} cases differ.")
    return int(n_different > 0)


def main() -> int:
    """Record or compare, as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run the cases and write FILE")
    recording.add_argument("file", type=Path)
    recording.add_argument("--only", default="", help="prefix of the cases to run")
    comparing = commands.add_parser("compare", help="print the cases that differ")
    comparing.add_argument("first", type=Path)
    comparing.add_argument("second", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "record":
        return record(arguments.file, arguments.only)
    return compare(arguments.first, arguments.second)


if __name__ == "__main__":
    sys.exit(main())
