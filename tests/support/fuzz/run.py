"""The run of forged inputs: counts what was read and refused, and tells all that was else."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from support.fuzz.targets import SHARES, TARGETS, quietly

REFUSALS = {
    "ValueError",
    "OSError",
    "StoreError",
    "FileNotFoundError",
    "InvalidParameterError",
}
"""Names of the exceptions by which an input may be refused; no other subclass of them.

A TypeError is one for what reaches the gate from memory, and a MemoryError if it says which
file has so large a shape."""
SECONDS = 20.0
"""Seconds of computing after which an input counts as a hang; a run that is stopped for a
while by someone else has none."""
BLOCKED = 400.0
"""Seconds on the clock after which an input counts as blocked."""
SHORTEST = 20
"""Fewest characters of a sentence."""


@dataclass
class Report:
    """What came of the inputs of a run."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    @property
    def n_inputs(self) -> int:
        return self.outcomes.total()


def inputs(names: list[str], first: int, count: int) -> Iterator[tuple[str, int]]:
    """Yield the target and number of each input; the fast targets come more often."""
    turns = [name for name in names for _ in range(SHARES[name])]
    for number in range(first, first + count):
        yield turns[number % len(turns)], number


def is_refusal(name: str, error: BaseException) -> bool:
    """Return whether an exception is a sentence about a bad input."""
    text = str(error)
    kind = type(error).__name__
    is_allowed = kind in REFUSALS or (name == "gate" and kind == "TypeError")
    is_allowed |= kind == "MemoryError" and "Its shape needs more memory" in text
    return is_allowed and len(text) >= SHORTEST and "\0" not in text


def drive_all(
    names: list[str], seed: int, first: int, count: int, last: str | None = None
) -> Report:
    """Drive targets with inputs; each depends on the seed, its target and its number alone.

    A file with the name `last` tells which of them is at work.
    """
    report, shown = Report(), set()
    # a hang inside a library does not return to Python: the process ends with its stacks
    faulthandler.enable()
    for alarm in (signal.SIGPROF, signal.SIGALRM):
        faulthandler.register(alarm, all_threads=True, chain=True)
    with (
        TemporaryDirectory(dir=_memory()) as folder,
        open(last or os.devnull, "wb") as now,
    ):
        for name, number in inputs(names, first, count):
            repetition = f"--target {name} --seed {seed} --first {number} --inputs 1\n"
            os.pwrite(now.fileno(), repetition.ljust(80).encode(), 0)
            random = Random(f"{name}-{seed}-{number}")
            drawn = quietly(lambda: TARGETS[name].make(random, Path(folder)))  # noqa: B023
            _set_alarms(SECONDS, BLOCKED)
            outcome = "read"
            try:
                quietly(lambda: TARGETS[name].drive(drawn, random))  # noqa: B023
            except Exception as error:  # noqa: BLE001  (any other one is what is looked for)
                outcome = "refused" if is_refusal(name, error) else "finding"
                lines = traceback.format_exception(error)
                kind = (name, type(error), lines[-2])
                if outcome == "finding" and kind not in shown:
                    shown.add(kind)
                    report.findings.append(repetition + "".join(lines))
            _set_alarms(0, 0)
            report.outcomes[name, outcome] += 1
    return report


def _set_alarms(computing: float, waiting: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, computing)
    signal.setitimer(signal.ITIMER_REAL, waiting)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def tell(report: Report, started: float) -> int:
    """Print what came of a run; return the exit status."""
    for text in report.findings:
        print(text, file=sys.stderr)
    for name in sorted({name for name, _ in report.outcomes}):
        counts = {
            what: report.outcomes[name, what] for what in ("read", "refused", "finding")
        }
        print(f"{name:12}", *(f"{what} {n:7}" for what, n in counts.items()))
    seconds = time.monotonic() - started
    print(
        f"{report.n_inputs} inputs in {seconds:.0f} s, {len(report.findings)} findings"
    )
    return 1 if report.findings else 0
