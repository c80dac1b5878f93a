"""The one table of deliberate deviations from the recorded behaviour of scikit-learn 0.18.

A deviation applies to a case where its condition holds, and to the error entries that
it names; the replays ask for it by its key. `docs/compatibility.md` explains each key,
under the number of the rule that it follows from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from support.golden import Case, Entry

FACTORIZATIONS = ("NMF", "non_negative_factorization")
LIMIT = "Iteration limit reached in nls subproblem."
AS_RECORDED = "as recorded"
"""Outcome of an error entry of which only a count or the warnings differ."""


def _nowhere(case: Case) -> bool:
    return False


@dataclass(frozen=True)
class Deviation:
    """What is different from the record, where, and by which rule."""

    key: str
    rule: int
    what: str
    on: Callable[[Case], bool] = _nowhere
    """Cases that it applies to."""
    entries: dict[str, str] = field(default_factory=dict)
    """Error entries that it applies to, each with what happens now: the class of the
    exception, "accepted", or `AS_RECORDED`."""


def _factorizes(case: Case, solver: str) -> bool:
    return case.api in FACTORIZATIONS and case["solver"] == solver


def _fixed_H(case: Case) -> bool:
    return case["update_H"] is False


def _warned(case: Case, category: str) -> int:
    """Most warnings of this category in one stage."""
    stages = ("init", "fit", "transform", "call")
    return max(
        sum(kind == category for kind, _ in case.warnings(stage)) for stage in stages
    )


def _used_all_sweeps(case: Case) -> bool:
    """Coordinate descent that did `max_iter` sweeps, in the fit or in transform."""
    if not _factorizes(case, "cd"):
        return False
    counts = [
        int(case.recorded(name)) + 1
        for name in ("n_iter", "n_iter_after_transform")
        if case.has(name)
    ]
    return case["tol"] > 0 and int(case.kwargs["max_iter"]) in counts


def _mutated(case: Case) -> bool:
    return any(
        case.has(f"{name}_mutated") and bool(case.recorded(f"{name}_mutated"))
        for name in ("W0", "H0")
    )


DEVIATIONS = (
    # Rule 1: n_iter_ counts sweeps from one, and every solver warns at max_iter
    Deviation(
        "n-iter-from-one",
        1,
        "coordinate descent counted its sweeps from zero",
        on=lambda case: _factorizes(case, "cd"),
        entries=dict.fromkeys(
            [
                "x_bool_ok",
                "ncomp_fn_big_ok",
                "sparseness_fn_data_cd_ok",
                "y_ignored_ok",
                "tol_int0_ok",
                "fixed_H_bad_W_ok",
            ],
            AS_RECORDED,
        ),
    ),
    Deviation(
        "transform-keeps-n-iter",
        1,
        "transform overwrote n_iter_ with its own count",
        on=lambda case: case.has("n_iter_after_transform"),
    ),
    Deviation(
        "cd-warns-at-max-iter",
        1,
        "coordinate descent never warned ConvergenceWarning",
        on=_used_all_sweeps,
    ),
    Deviation(
        "no-warning-at-tol-zero",
        1,
        "pg warned ConvergenceWarning although tol=0 asks for all iterations",
        on=lambda case: (
            _factorizes(case, "pg")
            and case["tol"] == 0
            and _warned(case, "ConvergenceWarning") > 0
        ),
    ),
    Deviation(
        "fixed-H-limit-is-nls-max-iter",
        1,
        "pg with H fixed, whose limit is nls_max_iter, warned UserWarning there, and "
        "ConvergenceWarning if the count happened to equal max_iter",
        on=lambda case: (
            _factorizes(case, "pg")
            and any(
                message == LIMIT
                for stage in ("transform", *(["call"] if _fixed_H(case) else []))
                for _, message in case.warnings(stage)
            )
        ),
    ),
    Deviation(
        "pg-stops-at-rounding",
        1,
        "from an optimal start pg went on to max_iter, as its test compares with the "
        "gradients of the start, which are rounding then",
        on=lambda case: case.id == "n_components__one_pg",
    ),
    Deviation(
        "cd-stops-at-rounding",
        1,
        "from an optimal start cd went on to max_iter, as its test compares with the "
        "violation of the first sweep, which is rounding then",
        on=lambda case: case.id == "n_components__one_cd",
    ),
    # Rule 2: pg obeys regularization, returns H, warns once; nothing is deprecated
    Deviation(
        "pg-obeys-regularization",
        2,
        "pg penalised both factors whatever regularization said",
        on=lambda case: (
            case.api == "non_negative_factorization"
            and case["solver"] == "pg"
            and case["alpha"] > 0
            and case["regularization"] != "both"
        ),
    ),
    Deviation(
        "pg-returns-fixed-H",
        2,
        "pg with update_H=False returned the gradient in the place of H",
        on=lambda case: _factorizes(case, "pg") and _fixed_H(case),
    ),
    Deviation(
        "inner-limit-warns-once",
        2,
        "pg warned at its inner limit in every subproblem",
        on=lambda case: _factorizes(case, "pg") and _warned(case, "UserWarning") > 1,
    ),
    Deviation(
        "nothing-deprecated",
        2,
        "pg and sparseness warned DeprecationWarning",
        on=lambda case: _warned(case, "DeprecationWarning") > 0,
        entries=dict.fromkeys(
            [
                "custom_forder_W_pg_ok",
                "alpha_str_pg",
                "sparseness_spam",
                "sparseness_Data",
                "sparseness_spam_cd",
            ],
            AS_RECORDED,
        ),
    ),
    # Rule 3: the caller's arrays stay as they are, and are converted
    Deviation(
        "inputs-untouched",
        3,
        "coordinate descent wrote its result into the caller's W, at times H",
        on=_mutated,
    ),
    Deviation(
        "integers-converted",
        3,
        "integer W and H were refused by the compiled loop",
        entries={"custom_int_cd": "accepted"},
    ),
    Deviation(
        "factor-dtype-is-converted",
        3,
        "float32 W and H beside a float64 X were a ValueError of the compiled loop",
        entries={"custom_float32_cd": "accepted"},
    ),
    Deviation(
        "unused-factors-warn",
        3,
        "W or H that is given but not used passed silently",
        entries={"fixed_H_bad_W_ok": AS_RECORDED},
    ),
    # Rule 4: float32 stays float32
    Deviation(
        "float32-kept",
        4,
        "float32 X gave float64 factors",
        on=lambda case: case.dtype == "float32",
    ),
    # Rule 5: refused with a ValueError
    Deviation(
        "one-row-needs-two-dimensions",
        5,
        "1-d and 0-d X were taken as one row",
        entries=dict.fromkeys(
            ("x_1d", "x_1d_list", "x_scalar", "transform_1d"), "ValueError"
        ),
    ),
    Deviation(
        "rank-above-svd",
        5,
        "an nndsvd start with more components than singular vectors: IndexError",
        entries={"nndsvd_rank_nndsvd": "ValueError"},
    ),
    Deviation(
        "max-iter-at-least-one",
        5,
        "max_iter=0 passed the check and failed by UnboundLocalError",
        entries={"max_iter_zero": "ValueError", "nls_zero_iter": "ValueError"},
    ),
    Deviation(
        "tol-is-a-number",
        5,
        "NaN and bool tol were accepted",
        entries={"tol_nan_ok": "ValueError", "tol_true_ok": "ValueError"},
    ),
    Deviation(
        "alpha-is-a-number",
        5,
        "text that reads as a number was accepted for alpha",
        entries={"alpha_numstr": "ValueError"},
    ),
    Deviation(
        "unknown-init-refused",
        5,
        "with update_H=False any text passed for init",
        on=lambda case: case["init"] == "spam",
        entries={"init_spam_fixed_H_ok": "ValueError"},
    ),
    Deviation(
        "unknown-regularization-refused",
        5,
        "any text passed for regularization, and meant none",
        entries={
            "regularization_spam": "ValueError",
            "regularization_data": "ValueError",
        },
    ),
)

KEYS = [deviation.key for deviation in DEVIATIONS]
_BY_KEY = dict(zip(KEYS, DEVIATIONS, strict=True))


def applies(key: str, to: Case | Entry) -> bool:
    """Whether the case or error entry deviates in this way."""
    deviation = _BY_KEY[key]
    return to.id in deviation.entries if isinstance(to, Entry) else deviation.on(to)


def outcome_now(entry: Entry) -> str:
    """What an error entry comes to now, or `AS_RECORDED`."""
    outcomes = {d.entries.get(entry.id, AS_RECORDED) for d in DEVIATIONS}
    outcomes.discard(AS_RECORDED)
    assert len(outcomes) <= 1, f"{entry.id} has contradictory deviations"
    return outcomes.pop() if outcomes else AS_RECORDED
