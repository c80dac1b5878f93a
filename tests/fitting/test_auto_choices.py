"""What solver="auto" takes for random problems is near the best that was recorded for them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from statistics import geometric_mean
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nonneg.base.parameters import Parameters
from nonneg.base.stats import Stats
from nonneg.fitting import plan_choices
from nonneg.fitting.plan_choices import resolve_auto
from nonneg.losses.beta import make_loss
from support.paths import ROOT

RECORD = ROOT / "tests" / "data" / "map.json"
"""Milliseconds of each solver, from `make bench-map BENCH_ARGS="--record tests/data/map.json"`: the
first 40 problems of the seeds in `MAP`, and those of others that are beside thresholds."""
MAP = (0, 1, 2)
NEAR = 1.4
"""Most that the time of the solver taken may be over that of the fastest."""
BESIDE = 4
"""Problems within this factor of a threshold are beside it."""
LATE = 2
"""Time of a solver that did not arrive, over that of the slowest one that did."""
MISSED = {
    "0/6", "0/10", "0/11", "0/18", "0/25", "0/28", "0/29", "0/31", "0/35", "1/0", "1/1",
    "1/6", "1/20", "1/23", "1/26", "1/30", "1/36", "2/17", "2/21", "2/25", "2/29",
    "2/30", "2/34",
}  # fmt: skip
"""Problems, by seed and number, for which it is more; docs/performance.md tells why."""

REWEIGHTED: dict[str, tuple[float, float, Callable[[dict[str, Any]], float]]] = {
    "REWEIGHTED_MOST": (0, 2, lambda one: one["k"]),
    "REWEIGHTED_WORK": (0, 2, lambda one: one["rows"] * one["columns"] * one["k"]),
    "MOST_SMALL": (0, 0.1, lambda one: one["small"]),
    "SMALL_BY_BETA": (0.1, 1.1, lambda one: one["small"] / one["beta"]),
    "FLAT": (1, 1.1, lambda one: one["peak"]),
}
"""Thresholds between `irls` and `mu` or `sn`: the values of β for which they matter, and what
is compared with them."""

PROBLEMS: dict[str, dict[str, Any]] = {
    f"{one['seed']}/{one['number']}": one for one in json.loads(RECORD.read_text())
}


def taken(problem: dict[str, Any]) -> str:
    """Name of the solver that "auto" takes, as the benchmark calls it."""
    shape = problem["rows"], problem["columns"]
    sample = np.ones((shape[0], 1000))
    sample[:, : round(1000 * problem["small"])] = 0
    X: Any = SimpleNamespace(
        shape=shape, on_workers=False, window_bytes=0, shared_gram=True,
        dtype=np.dtype(problem["dtype"]), kind=problem["storage"],
        native=lambda: sample, stats=lambda: Stats(1, problem["peak"], 1),
    )  # fmt: skip
    parameters = Parameters(solver="auto", beta_loss=problem["beta"])
    loss = make_loss(problem["beta"])
    parameters, _ = resolve_auto(X, parameters, loss, problem["k"], False)
    return f"{parameters.solver}{' accelerated' if parameters.accelerate else ''}"


def over_fastest(problem: dict[str, Any]) -> list[float]:
    """Time of the solver taken over the fastest one's, to each level that anyone reached."""
    levels = [times for times in problem["milliseconds"].values() if times]
    name = taken(problem)
    return [times.get(name, math.inf) / min(times.values()) for times in levels]


def test_the_solver_taken_is_near_the_fastest() -> None:
    of_map = {name: one for name, one in PROBLEMS.items() if one["seed"] in MAP}
    assert len(of_map) == 40 * len(MAP)
    far = {name for name, one in of_map.items() if max(over_fastest(one)) > NEAR}
    assert far <= MISSED


def quantity(problem: dict[str, Any], constant: str) -> float:
    """What a threshold is compared with; NaN where it does not matter."""
    beta = problem["beta"]
    is_dense = problem["storage"] == "dense"
    if constant in REWEIGHTED:
        from_beta, to_beta, of = REWEIGHTED[constant]
        is_peaked = beta == 1 and problem["peak"] > plan_choices.FLAT
        matters = is_dense and from_beta <= beta < to_beta
        if is_peaked and constant != "FLAT":  # nothing else makes a difference
            return math.nan
        return float(of(problem)) if matters else math.nan
    if constant != "EXTRAPOLATED_ENTRIES":
        matters = 1 < beta < 2 and problem["dtype"] == "float64"
        return float(problem["k"]) if matters else math.nan
    return float(problem["rows"] * problem["columns"]) if beta == 0 else math.nan


@pytest.mark.parametrize(
    "constant",
    ["EXTRAPOLATED", "EXTRAPOLATED_ENTRIES", *REWEIGHTED],
)
@pytest.mark.parametrize("moved", [0.0, math.inf])
def test_no_other_threshold_is_better_on_the_problems_beside_it(
    constant: str, moved: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = getattr(plan_choices, constant)
    beside = [
        one
        for one in PROBLEMS.values()
        if here / BESIDE <= quantity(one, constant) <= here * BESIDE
    ]
    assert beside

    def mean() -> float:
        """Geometric mean of the times; who did not arrive counts as slower than all."""
        return geometric_mean(
            times.get(taken(one), LATE * max(times.values()))
            for one in beside
            for times in one["milliseconds"].values()
        )

    now = mean()
    monkeypatch.setattr(plan_choices, constant, moved)
    assert now <= mean()
