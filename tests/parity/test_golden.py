"""Every recorded case of scikit-learn 0.18, replayed to its own tolerance."""

from __future__ import annotations

import inspect
import re
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

import nonneg
from nonneg import NMF, non_negative_factorization
from support.golden import CASES, ENTRIES, SIGNATURES, Case
from support.golden_deviations import DEVIATIONS, KEYS, LIMIT, applies, outcome_now
from support.paths import ROOT

COMPATIBILITY = ROOT / "docs" / "compatibility.md"


def cases(*apis: str) -> Any:
    chosen = [case for case in CASES if case.api in apis]
    return pytest.mark.parametrize("case", chosen, ids=str)


class Recorder:
    """Runs the stages of a replay, keeping what each of them warned and printed."""

    def __init__(self, capsys: Any) -> None:
        self.capsys = capsys
        self.warned: list[warnings.WarningMessage] = []

    def __call__(self, case: Case, stage: str, function: Any, *args: Any, **kw: Any):
        self.capsys.readouterr()
        with warnings.catch_warnings(record=True) as self.warned:
            warnings.simplefilter("always")
            result = function(*args, **kw)
        assert_printed(case.stdout(stage), self.capsys.readouterr().out)
        return result


@pytest.fixture
def record(capsys):
    return Recorder(capsys)


def assert_printed(expected: str, actual: str) -> None:
    """The same text; its numbers to ten digits, since sums may be in another order."""
    number = re.compile(r"\d+\.\d+(?:e-?\d+)?")
    assert number.sub("#", actual) == number.sub("#", expected)
    numbers = [[float(n) for n in number.findall(text)] for text in (actual, expected)]
    np.testing.assert_allclose(*numbers, rtol=1e-10)


def assert_warned(
    case: Case, stage: str, warned: list[warnings.WarningMessage], unconverged: bool
) -> None:
    """The recorded warnings of a stage, but for the listed deviations."""
    expected = []
    for category, message in case.warnings(stage):
        if stage == "fit" and applies("pg-stops-at-rounding", case):
            assert category in (
                "DeprecationWarning",
                "UserWarning",
                "ConvergenceWarning",
            )
        elif category == "DeprecationWarning":
            assert applies("nothing-deprecated", case)
        elif category == "ConvergenceWarning":
            # ours comes by its own rule, below
            assert case["solver"] == "pg"
            assert (
                unconverged
                or applies("no-warning-at-tol-zero", case)
                or applies("fixed-H-limit-is-nls-max-iter", case)
            )
        else:
            assert message == LIMIT
            own_limit = stage == "transform" or case["update_H"] is False
            if own_limit and case.api in ("NMF", "non_negative_factorization"):
                assert applies("fixed-H-limit-is-nls-max-iter", case)
                category = "ConvergenceWarning"
            expected.append((category, LIMIT))
    if len(expected) > 1:
        assert applies("inner-limit-warns-once", case)
        expected = expected[:1]
    if unconverged:
        if case["solver"] == "cd":
            assert applies("cd-warns-at-max-iter", case)
        expected.append(("ConvergenceWarning", "Maximum number of iterations"))
    actual = [(w.category.__name__, str(w.message)) for w in warned]
    assert [category for category, _ in actual] == [
        category for category, _ in expected
    ]
    for (_, text), (_, start) in zip(actual, expected, strict=True):
        assert text.startswith(start)


def recorded_kwargs(case: Case) -> dict[str, Any]:
    """Arguments as recorded, but for the listed deviations."""
    kwargs = case.kwargs
    if applies("pg-obeys-regularization", case):
        kwargs["regularization"] = "both"
    if applies("unknown-init-refused", case):
        kwargs["init"] = "random"
    return kwargs


def assert_n_iter(case: Case, name: str, n_iter: int) -> None:
    optimal_start = any(
        applies(f"{solver}-stops-at-rounding", case) for solver in ("pg", "cd")
    )
    if name == "n_iter" and optimal_start:
        # 0.18's cd counted from zero
        assert n_iter < int(case.recorded(name)) >= int(case.kwargs["max_iter"]) - 1
        return
    zero_based = applies("n-iter-from-one", case)
    case.assert_count(name, n_iter - 1 if zero_based else n_iter)


def stops_unconverged(n_iter: int, kwargs: dict[str, Any], rerun: Any) -> bool:
    """Whether all iterations were used without convergence: one more would be, too."""
    max_iter = int(kwargs["max_iter"])
    if n_iter < max_iter or kwargs["tol"] == 0:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", LIMIT)
        return rerun(max_iter + 1) > max_iter


@cases("NMF")
def test_estimator(case, record):
    X, X2 = case.matrix(), case.matrix("X2")
    W0, H0 = case.input("W0"), case.input("H0")
    kwargs = recorded_kwargs(case)
    model = record(case, "init", NMF, **kwargs)
    assert_warned(case, "init", record.warned, unconverged=False)
    W = record(case, "fit", model.fit_transform, X, W=W0, H=H0)
    warned = record.warned
    case.assert_close("W", W)
    case.assert_close("H", model.components_)
    assert_n_iter(case, "n_iter", model.n_iter_)
    assert model.n_components_ == int(case.recorded("n_components_"))
    case.assert_close("reconstruction_err", model.reconstruction_err_)
    for name in ("comp_sparseness_", "data_sparseness_"):
        assert hasattr(model, name) == case.has(name)
        if case.has(name):
            case.assert_close(name, getattr(model, name))

    def refit(max_iter: int) -> int:
        again = NMF(**{**recorded_kwargs(case), "max_iter": max_iter, "verbose": 0})
        again.fit(X, W=W0, H=H0)
        return again.n_iter_

    unconverged = stops_unconverged(model.n_iter_, kwargs, refit)
    assert_warned(case, "fit", warned, unconverged)
    assert_untouched(case, X=X, W0=W0, H0=H0)
    if applies("float32-kept", case):
        assert_float32(case, X.astype(np.float32))
    if X2 is not None:
        replay_transform(case, record, model, X2)
        assert_untouched(case, X2=X2)


def assert_float32(case: Case, X: Any) -> None:
    """Factors of the dtype that was recorded as float64, still close to the record."""
    model = NMF(**recorded_kwargs(case))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # the gradient of float32 is too coarse for the last solution for W
        warnings.filterwarnings("ignore", LIMIT)
        W = model.fit_transform(X)
    assert W.dtype == model.components_.dtype == np.float32
    assert case.recorded("W").dtype == np.float64
    error = float(case.recorded("reconstruction_err"))
    assert abs(model.reconstruction_err_ - error) < 1e-3 * error


def replay_transform(case: Case, record: Recorder, model: NMF, X2: Any) -> None:
    n_iter = model.n_iter_
    stream = model.random_state
    if isinstance(stream, np.random.RandomState):
        start = stream.get_state()
    W = record(case, "transform", model.transform, X2)
    warned = record.warned
    case.assert_close("W_X2", W)
    assert applies("transform-keeps-n-iter", case)
    assert model.n_iter_ == n_iter

    def count(max_iter: int) -> int:
        kwargs = {**recorded_kwargs(case), "max_iter": max_iter, "verbose": 0}
        if isinstance(stream, np.random.RandomState):
            kwargs["random_state"] = np.random.RandomState()
            kwargs["random_state"].set_state(start)
        kwargs |= {"n_components": model.n_components_, "regularization": "both"}
        H = model.components_
        return non_negative_factorization(X2, H=H, update_H=False, **kwargs)[2]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        done = count(int(case.kwargs["max_iter"]))
    assert_n_iter(case, "n_iter_after_transform", done)
    unconverged = case["solver"] == "cd" and stops_unconverged(done, case.kwargs, count)
    assert_warned(case, "transform", warned, unconverged)


@cases("non_negative_factorization")
def test_function(case, record):
    X, W0, H0 = case.matrix(), case.input("W0"), case.input("H0")
    kwargs = recorded_kwargs(case)
    if applies("unknown-init-refused", case):
        with pytest.raises(ValueError, match="'init' parameter of NMF must be"):
            non_negative_factorization(X, W0, H0, **case.kwargs)
    W, H, n_iter = record(case, "call", non_negative_factorization, X, W0, H0, **kwargs)
    warned = record.warned
    case.assert_close("W", W)
    assert_n_iter(case, "n_iter", n_iter)
    if case["update_H"]:
        case.assert_close("H", H)
    else:
        np.testing.assert_array_equal(H, H0)
    error = np.linalg.norm(to_dense(X) - W @ H)
    case.assert_close("reconstruction_err", error)
    if applies("pg-returns-fixed-H", case):
        assert_recorded_gradient(case, X, W, H0, kwargs)

    def rerun(max_iter: int) -> int:
        again = {**recorded_kwargs(case), "max_iter": max_iter}
        return non_negative_factorization(X, W0, H0, **again)[2]

    own_limit = case["solver"] == "pg" and not case["update_H"]
    unconverged = not own_limit and stops_unconverged(n_iter, kwargs, rerun)
    assert_warned(case, "call", warned, unconverged)
    assert_untouched(case, X=X, W0=W0, H0=H0)


def assert_recorded_gradient(
    case: Case, X: Any, W: Any, H: Any, kwargs: dict[str, Any]
) -> None:
    """What was returned in the place of H is what the half-step alone returns."""
    names = ("tol", "nls_max_iter", "alpha", "l1_ratio", "sparseness", "beta", "eta")
    arguments = (kwargs[name] for name in names)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", LIMIT)
        solution, gradient, _ = nonneg.projected_gradient_update(
            X, np.zeros_like(W), H, *arguments, factor="W"
        )
    np.testing.assert_array_equal(solution, W)
    case.assert_close("grad", gradient)


def to_dense(X: Any) -> Any:
    return X.toarray() if sp.issparse(X) else np.asarray(X)


def assert_untouched(case: Case, **inputs: Any) -> None:
    """The caller's arrays are what they were, also where 0.18 wrote to them."""
    for name, array in inputs.items():
        fresh = case.matrix(name) if name.startswith("X") else case.input(name)
        if array is not None:
            np.testing.assert_array_equal(to_dense(array), to_dense(fresh))
        if case.has(f"{name}_mutated") and case.recorded(f"{name}_mutated"):
            assert applies("inputs-untouched", case)


@cases("_nls_subproblem")
def test_nls_subproblem(case, record):
    X, W, H = case.matrix(), case.input("W_arg"), case.input("H_arg")
    kwargs = case.kwargs
    result, gradient, n_iter = record(
        case, "call", nonneg.nls_subproblem, X, W, H, **kwargs
    )
    assert_warned(case, "call", record.warned, unconverged=False)
    case.assert_close("H", result)
    case.assert_close("grad", gradient)
    case.assert_count("n_iter", n_iter)
    assert_untouched(case, X=X, W_arg=W, H_arg=H)


@cases("_update_projected_gradient_w", "_update_projected_gradient_h")
def test_projected_gradient_update(case, record):
    X, W, H = case.matrix(), case.input("W_arg"), case.input("H_arg")
    update = nonneg.projected_gradient_update
    factor = case.api[-1].upper()
    kwargs = case.kwargs
    result, gradient, n_iter = record(
        case, "call", update, X, W, H, **kwargs, factor=factor
    )
    assert_warned(case, "call", record.warned, unconverged=False)
    case.assert_close("F", result)
    case.assert_close("grad", gradient)
    case.assert_count("n_iter", n_iter)
    assert_untouched(case, X=X, W_arg=W, H_arg=H)


@cases("_initialize_nmf")
def test_initialize(case, record):
    X = case.matrix()
    W, H = record(case, "call", nonneg.initialize, X, **case.kwargs)
    assert_warned(case, "call", record.warned, unconverged=False)
    case.assert_close("W", W)
    case.assert_close("H", H)
    assert_untouched(case, X=X)


@cases("_sparseness")
def test_hoyer_sparseness(case, record):
    value = record(case, "call", nonneg.hoyer_sparseness, case.matrix())
    assert_warned(case, "call", record.warned, unconverged=False)
    case.assert_close("value", value)


@cases("_safe_compute_error")
def test_reconstruction_error(case, record):
    W, H = case.input("W_arg"), case.input("H_arg")
    error = record(case, "call", nonneg.reconstruction_error, case.matrix(), W, H)
    assert_warned(case, "call", record.warned, unconverged=False)
    case.assert_close("value", error)


# Nothing is left out


REPLAYED = (
    test_estimator,
    test_function,
    test_nls_subproblem,
    test_projected_gradient_update,
    test_initialize,
    test_hoyer_sparseness,
    test_reconstruction_error,
)


def test_every_case_and_entry_is_replayed():
    replayed = [
        case.id
        for test in REPLAYED
        for mark in test.pytestmark
        for case in mark.args[1]
    ]
    assert sorted(replayed) == sorted(case.id for case in CASES)
    assert len(set(replayed)) == 230
    assert len({entry.id for entry in ENTRIES}) == 101


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=KEYS)
def test_every_deviation_is_used_and_documented(deviation):
    used = [case.id for case in CASES if deviation.on(case)]
    entries = [entry.id for entry in ENTRIES if entry.id in deviation.entries]
    assert used or entries
    assert len(entries) == len(deviation.entries)
    documented = COMPATIBILITY.read_text(encoding="utf-8")
    assert f"`{deviation.key}`" in documented


def test_deviations_are_documented_under_their_rules():
    """The document lists these keys, each once and with its rule, and no others."""
    rows = re.findall(
        r"^\| `([\w-]+)` \| (\d) \|",
        COMPATIBILITY.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert rows == [(d.key, str(d.rule)) for d in DEVIATIONS]
    assert len(set(KEYS)) == len(KEYS)


def test_outcomes_do_not_contradict():
    for entry in ENTRIES:
        outcome_now(entry)


@pytest.mark.parametrize(
    ("recorded", "ours"),
    [
        ("NMF.__init__", NMF),
        ("NMF.fit_transform", NMF.fit_transform),
        ("NMF.transform", NMF.transform),
        ("non_negative_factorization", non_negative_factorization),
        ("_nls_subproblem", nonneg.nls_subproblem),
        ("_update_projected_gradient_w", nonneg.projected_gradient_update),
        ("_update_projected_gradient_h", nonneg.projected_gradient_update),
        ("_initialize_nmf", nonneg.initialize),
        ("_safe_compute_error", nonneg.reconstruction_error),
    ],
)
def test_positional_parameters(recorded, ours):
    """Names (but for tolW and tolH), order and defaults."""
    expected = [
        (
            re.sub("^tol[WH]$", "tol", name),
            default["default"] if default else inspect.Parameter.empty,
        )
        for name, _, default in SIGNATURES[recorded]
    ]
    parameters = inspect.signature(ours).parameters.values()
    actual = [
        (p.name, p.default)
        for p in parameters
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
    ]
    assert actual == expected
