"""Arithmetic of the time-to-target rule: targets, caps, medians, ratios. Nothing is timed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

TARGET = 1.001
"""A run has arrived at this multiple of the best objective that any run reached."""
CAP = 10.0
"""A run that does not arrive counts as this multiple of the baseline's time."""
FLAT_GAIN = 5e-4
"""A run ends when the second half of its iterations gained less than this, relatively …"""
FLAT_ITERATIONS = 10
"""… and either half has at least as many. Counted in iterations, not in seconds, so that
a run from the same start ends at the same place on a busy machine. Half the target's
distance: what is to come after a slow (1/n) descent stops is about the last gain."""


@dataclass
class Curve:
    """Objective after so many seconds, in order of time."""

    seconds: list[float] = field(default_factory=list)
    objective: list[float] = field(default_factory=list)
    n_iter: list[int] = field(default_factory=list)

    def add(self, seconds: float, objective: float, n_iter: int) -> None:
        """Append a point."""
        self.seconds.append(seconds)
        self.objective.append(objective)
        self.n_iter.append(n_iter)

    @property
    def best(self) -> float:
        """Lowest objective, infinity without a point."""
        return min(self.objective, default=math.inf)

    @property
    def end(self) -> float:
        """Seconds at the last point."""
        return self.seconds[-1] if self.seconds else 0.0

    def time_to(self, target: float) -> float | None:
        """Seconds at which the objective was first at most `target`, None if never.

        Between two points it is interpolated linearly.
        """
        before: tuple[float, float] | None = None
        for t, f in zip(self.seconds, self.objective, strict=True):
            if f <= target:
                if before is None or not before[1] > f:
                    return t
                t0, f0 = before
                return t0 + (t - t0) * (f0 - target) / (f0 - f)
            before = (t, f)
        return None

    def is_flat(self, gain: float = FLAT_GAIN) -> bool:
        """Whether the second half of the iterations gained less than `gain`."""
        if not self.n_iter or self.n_iter[-1] < 2 * FLAT_ITERATIONS:
            return False
        middle = bisect_right(self.n_iter, self.n_iter[-1] // 2) - 1
        if middle < 0:
            return False
        last = self.objective[-1]
        return self.objective[middle] - last <= gain * abs(last)

    def thinned(self, at_most: int = 120) -> Curve:
        """About `at_most` of the points, evenly spread over the logarithm of time."""
        n = len(self.seconds)
        if n <= at_most:
            return self
        # every early point, then ever fewer; first and last always
        picks = {round((n - 1) ** (i / (at_most - 1))) for i in range(at_most)} | {0}
        chosen = sorted(picks)
        parts = (self.seconds, self.objective, self.n_iter)
        return Curve(*([part[i] for i in chosen] for part in parts))


@dataclass
class Run:
    """One run of a contestant from one start."""

    contestant: str
    seed: int
    curve: Curve
    repeat: int = 0


@dataclass
class Row:
    """What one contestant achieved over all seeds."""

    contestant: str
    seconds: float
    """Median over seeds of the time to the target, caps counted."""
    ratio: float
    """The baseline's median over this one."""
    own_limit: float
    """Median time to within 0.1 % of the run's own lowest objective."""
    arrived: int
    """Seeds for which the target was reached in time."""
    seeds: int
    excess: float
    """Median over seeds of (lowest objective / best of all) − 1."""
    by_seed: list[float]


def _arrival(runs: Sequence[Run], target: float) -> float | None:
    """Median over the repeats from one start; None where fewer than half arrive."""
    times = [run.curve.time_to(target) for run in runs]
    value = median(math.inf if t is None else t for t in times)
    return None if math.isinf(value) else value


def best_by_seed(runs: Iterable[Run]) -> dict[int, float]:
    """Lowest objective that any run reached for each seed."""
    best: dict[int, float] = {}
    for run in runs:
        best[run.seed] = min(best.get(run.seed, math.inf), run.curve.best)
    return best


def _by_contestant(runs: Iterable[Run]) -> dict[str, dict[int, list[Run]]]:
    grouped: dict[str, dict[int, list[Run]]] = {}
    for run in runs:
        grouped.setdefault(run.contestant, {}).setdefault(run.seed, []).append(run)
    return grouped


def table(runs: Sequence[Run], baseline: str) -> list[Row]:
    """Rows by the rule, in the order in which the contestants appear.

    The baseline's time is that to the target. A run that does not arrive within `CAP`
    times that counts as this cap. From a start from which the baseline itself does
    not arrive, whoever does not counts as the time that the baseline ran, which is
    less than it would have needed: in doubt against us.
    """
    best = best_by_seed(runs)
    grouped = _by_contestant(runs)
    baseline_arrived = {
        seed: _arrival(group, TARGET * best[seed])
        for seed, group in grouped[baseline].items()
    }
    baseline_time = {
        seed: median(run.curve.end for run in grouped[baseline][seed])
        if arrived is None
        else arrived
        for seed, arrived in baseline_arrived.items()
    }
    reference = median(baseline_time.values())
    rows = []
    for name, by_seed in grouped.items():
        counted, arrived = [], 0
        for seed, group in by_seed.items():
            if name == baseline:
                counted.append(baseline_time[seed])
                arrived += baseline_arrived[seed] is not None
                continue
            factor = 1.0 if baseline_arrived[seed] is None else CAP
            cap = factor * baseline_time[seed]
            time = _arrival(group, TARGET * best[seed])
            if time is None or time > CAP * baseline_time[seed]:
                counted.append(cap)
            else:
                counted.append(time)
                arrived += 1
        every = [run for group in by_seed.values() for run in group]
        own = [run.curve.time_to(TARGET * run.curve.best) for run in every]
        seconds = median(counted)
        rows.append(
            Row(
                contestant=name,
                seconds=seconds,
                ratio=reference / seconds,
                own_limit=median(t for t in own if t is not None),
                arrived=arrived,
                seeds=len(by_seed),
                excess=median(run.curve.best / best[run.seed] - 1 for run in every),
                by_seed=counted,
            )
        )
    return rows
