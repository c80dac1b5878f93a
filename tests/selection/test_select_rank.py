"""Rank selection: planted ranks, exact folds, no leaks, the rule, and what a kill leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats
from scipy.optimize import nnls as scipy_nnls
from sklearn.datasets import load_digits

from nonneg import NMFCV, select_rank
from nonneg.base.interfaces import Penalty, Problem
from nonneg.base.parameters import Parameters
from nonneg.fitting.model_group import ModelStart, fit_models
from nonneg.fitting.preparation import prepare_X, validated
from nonneg.kernels import Exact
from nonneg.losses.beta import make_loss
from nonneg.selection import RankSelection
from nonneg.selection.folded_hals import FoldedHals
from nonneg.selection.folded_operand import FoldedOperand
from nonneg.selection.latin import LatinPartition, random_classes
from nonneg.selection.rule import (
    FLAT,
    INSIDE,
    LOWER,
    UPPER,
    pick_rank,
    summarize_errors,
)
from nonneg.selection.thinning import split_counts
from support.children import printed_by
from support.requirements import needs_linux
from support.tolerances import tol


def planted(seed, noise, shape=(100, 60), k=4):
    rng = np.random.default_rng(seed)
    Y = rng.gamma(0.7, size=(shape[0], k)) @ rng.gamma(0.7, size=(k, shape[1]))
    return np.maximum(Y + noise * Y.std() * rng.standard_normal(shape), 0)


def counts(seed, mean, shape=(120, 50), k=4):
    rng = np.random.default_rng(seed)
    Y = rng.gamma(0.6, size=(shape[0], k)) @ rng.gamma(0.6, size=(k, shape[1]))
    return rng.poisson(Y * mean / Y.mean()).astype(float)


RANKS = range(2, 8)


def picks(make, **options):
    return [
        select_rank(
            make(seed),
            [2, 3, 4, 5, 6],
            random_state=seed,
            tol=1e-2,
            max_iter=30,
            **options,
        ).n_components
        for seed in range(20)
    ]


def test_01_planted_rank_of_gaussian_data():
    found_right = picks(lambda seed: planted(seed, 0.4))
    assert found_right.count(4) >= 18


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_01_planted_rank_of_counts(loss):
    chosen = picks(lambda s: counts(s, 8), method="thinning", beta_loss=loss)
    assert chosen.count(4) >= 18


def test_01_noise_alone_gets_the_least_rank():
    X = np.random.default_rng(0).random((60, 50))
    selection = select_rank(X, [1, 2, 3, 5], random_state=0)
    assert selection.n_components == 1
    assert selection.status == INSIDE


@pytest.mark.parametrize("method", ["speckled", "bcv"])
def test_01_exact_low_rank(method):
    X = planted(0, 0.0)
    selection = select_rank(
        X, [2, 3, 4, 5], method=method, random_state=0, tol=1e-6, max_iter=600, folds=2
    )
    error = dict(zip([2, 3, 4, 5], selection.table["error"], strict=True))
    scale = 0.5 * np.mean(X**2)
    assert error[4] < 1e-5 * scale
    assert error[3] > 1e-3 * scale
    assert selection.n_components == 4


def folded(X, n_folds=5, fold=2, n_threads=1):
    partition = LatinPartition(
        prepare_X(X, n_threads), n_folds, np.random.RandomState(1)
    )
    operand = FoldedOperand(partition, fold)
    seen = np.ones(operand.shape)
    for a, b in enumerate(operand.held_blocks):
        seen[partition.rows.ranges[a], partition.columns.ranges[b]] = 0
    permuted = partition.X.native()
    return operand, permuted.toarray() if sp.issparse(permuted) else permuted, seen


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array, sp.csc_array])
def test_02_a_latin_fold_is_the_fit_with_a_gram_matrix_for_each_row(storage):
    X = planted(3, 0.3, (40, 30), 3) * (np.random.default_rng(0).random((40, 30)) < 0.7)
    operand, D, seen = folded(storage(X))
    rng = np.random.default_rng(2)
    W, Ht = rng.random((40, 3)), rng.random((30, 3))
    solver = ExactFold(tol=0.0)
    penalty = Penalty.elastic(3, 0.1, 0.2)
    problem = Problem(operand, make_loss("frobenius"), penalty, penalty)
    state = solver.start(problem, W, Ht)
    W0, Ht0 = state.W.copy(), state.Ht.copy()
    progress = solver.iterate(problem, state)
    W1 = np.array([row(D[i], seen[i], Ht0, 0.1, 0.2) for i in range(40)])
    H1 = np.array([row(D[:, j], seen[:, j], W1, 0.1, 0.2) for j in range(30)])
    # exact solves of both, so that only rounding differs
    bound = tol(np.float64, 40, factor=100)
    np.testing.assert_allclose(state.plain_W, W1, atol=bound * W1.max())
    np.testing.assert_allclose(state.plain_H, H1, atol=bound * H1.max())
    value = 0.5 * np.sum(seen * (D - W1 @ H1.T) ** 2) + sum(
        0.1 * A.sum() + 0.1 * np.sum(A * A) for A in (W1, H1)
    )
    np.testing.assert_allclose(progress.objective, value, rtol=1e-12)
    hidden = np.sum((1 - seen) * (D - W0 @ Ht0.T) ** 2)
    np.testing.assert_allclose(operand.held_out_square(W0, Ht0), hidden, rtol=1e-11)
    total = operand.stats()
    assert total.n_entries == seen.sum()
    np.testing.assert_allclose(total.sum, np.sum(seen * D), rtol=1e-12)
    np.testing.assert_allclose(total.sum_sq, np.sum(seen * D * D), rtol=1e-12)


class ExactFold(FoldedHals):
    """Solves for rows exactly, without momentum."""

    def method(self, problem, momentum, state):
        return Exact()


def row(x, seen, other, l1, l2):
    """The row of a factor by SciPy: ½‖seen·(x − other·a)‖² + l1·Σa + ½·l2·‖a‖²."""
    A = other * seen[:, None]
    G = A.T @ A + l2 * np.eye(A.shape[1])
    L = np.linalg.cholesky(G)
    return scipy_nnls(L.T, np.linalg.solve(L, A.T @ (x * seen) - l1))[0]


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_03_values_that_are_held_out_change_no_bit(storage):
    X = planted(0, 0.3)
    models = []
    for value in (None, 1e6):
        Y = X.copy()
        partition = LatinPartition(prepare_X(Y, 1), 8, np.random.RandomState(1))
        if value is not None:
            for a, b in enumerate(partition.held(2)):
                rows = partition.rows.order[partition.rows.ranges[a]]
                columns = partition.columns.order[partition.columns.ranges[b]]
                Y[np.ix_(rows, columns)] = value
        operand = FoldedOperand(
            LatinPartition(prepare_X(storage(Y), 1), 8, np.random.RandomState(1)), 2
        )
        parameters = validated(Parameters(solver=FoldedHals(tol=1e-3), max_iter=20))
        models.append(fit_models(operand, parameters, [ModelStart(4, 7)])[0])
    assert np.array_equal(models[0].W, models[1].W)
    assert np.array_equal(models[0].Ht, models[1].Ht)


@pytest.mark.parametrize("shape", [(40, 30), (41, 37)])
def test_04_folds_hold_each_entry_out_once(shape):
    X = np.arange(np.prod(shape), dtype=float).reshape(shape)
    times = np.zeros(shape)
    for fold in range(5):
        _, _, seen = folded(X, 5, fold)
        times += 1 - seen
        hidden = (1 - seen).sum(axis=1)
        assert np.all(np.abs(hidden - shape[1] / 5) <= 1)
    assert np.all(times == 1)


def test_04_transposed_data_have_transposed_folds():
    rng = np.random.RandomState(0)
    rows, columns = (random_classes(n, 4, rng) for n in (20, 12))
    swapped = np.random.RandomState(0)
    assert [c.order.tolist() for c in (rows, columns)] == [
        random_classes(n, 4, swapped).order.tolist() for n in (20, 12)
    ]
    # the class (f − a) of the columns of class a of the rows is symmetric in both
    held = [(3 - a) % 4 for a in range(4)]
    assert [held.index(b) for b in range(4)] == held


def test_05_thinned_parts_are_multinomial():
    n, F = 20000, 4
    X = np.full(n, 12.0)
    parts = split_counts(X, F, seed=3).astype(int)
    assert np.all(parts.sum(axis=0) == 12)
    for part in parts:
        observed = np.bincount(part, minlength=13)
        expected = n * stats.binom.pmf(np.arange(13), 12, 1 / F)
        many = expected > 5
        rest = n - expected[many].sum()
        test = stats.chisquare(
            [*observed[many], n - observed[many].sum()], [*expected[many], rest]
        )
        assert test.pvalue > 1e-4
    covariance = np.cov(parts)
    np.testing.assert_allclose(np.diag(covariance), 12 / 4 * 3 / 4, rtol=0.05)
    np.testing.assert_allclose(covariance[0, 1:], -12 / 16, rtol=0.1)


@pytest.mark.parametrize("solver", ["hals", "cd", "sn"])
def test_06_models_side_by_side_are_the_fits_alone(solver):
    X = prepare_X(counts(0, 5), 2)
    loss = "kullback-leibler" if solver == "sn" else "frobenius"
    parameters = validated(
        Parameters(solver=solver, beta_loss=loss, max_iter=15, tol=1e-3)
    )
    starts = [ModelStart(k, seed) for k in (2, 5) for seed in (1, 2)]
    for start, model in zip(starts, fit_models(X, parameters, starts), strict=True):
        alone = fit_models(X, parameters, [start])[0]
        assert np.array_equal(model.W, alone.W)
        assert np.array_equal(model.Ht, alone.Ht)


@pytest.mark.parametrize("method", ["speckled", "thinning", "bcv"])
@pytest.mark.parametrize("storage", [sp.csr_array, sp.csc_array])
def test_13_sparse_equals_dense_and_any_number_of_threads(method, storage):
    X = counts(1, 3)
    dense = select_rank(X, [2, 4], method=method, random_state=0, n_threads=1)
    sparse = select_rank(storage(X), [2, 4], method=method, random_state=0)
    np.testing.assert_allclose(dense.errors, sparse.errors, rtol=1e-6)
    # the same bits for any number of threads
    again = select_rank(X, [2, 4], method=method, random_state=0, n_threads=2)
    assert np.array_equal(dense.errors, again.errors)


def test_10_a_killed_selection_goes_on(tmp_path):
    np.save(tmp_path / "X.npy", counts(2, 5))
    program = (
        "import numpy as np, os, sys; from nonneg import select_rank\n"
        "n = 0\n"
        "def tell(cell):\n"
        "    global n; n += 1\n"
        "    if n == 5: os.kill(os.getpid(), 9)\n"
        "select_rank(np.load('X.npy'), range(2, 6), random_state=0, checkpoint='cells',"
        " callback=tell)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    told = []
    X = np.load(tmp_path / "X.npy")
    again = select_rank(
        X, range(2, 6), random_state=0, checkpoint=tmp_path / "cells", resume=True,
        callback=told.append,
    )  # fmt: skip
    assert len(told) == 16 - 5
    whole = select_rank(X, range(2, 6), random_state=0)
    assert np.array_equal(again.errors, whole.errors)
    assert again.n_components == whole.n_components
    with pytest.raises(ValueError, match="is of another computation: its sum of X"):
        select_rank(
            X + 1, [2], random_state=0, checkpoint=tmp_path / "cells", resume=True
        )
    with pytest.raises(ValueError, match="resume=True needs `checkpoint`"):
        select_rank(X, [2], resume=True)


def test_10_another_stability_is_measured_anew(tmp_path):
    X = counts(1, 4, (60, 30))
    options = {"random_state": 0, "max_iter": 5, "folds": 2}
    kept = {"checkpoint": tmp_path / "cells", "resume": True}
    tables = [
        select_rank(X, [2, 3], stability=n, **options, **kept).table for n in (3, 5, 0)
    ]
    for n, table in zip((3, 5), tables[:2], strict=True):
        alone = select_rank(X, [2, 3], stability=n, **options).table
        for column in ("error", "silhouette_min", "dispersion"):
            assert np.array_equal(table[column], alone[column])
    assert not np.array_equal(tables[0]["dispersion"], tables[1]["dispersion"])
    assert "dispersion" not in tables[2]


def test_no_checkpoint_replaces_a_file_of_another_kind(tmp_path):
    path = tmp_path / "letters.txt"
    path.write_text("dear all")
    with pytest.raises(ValueError, match="holds no finished parts"):
        select_rank(counts(0, 3), [2], checkpoint=path)
    assert path.read_text() == "dear all"


def test_14_paired_standard_errors_by_hand():
    errors = np.array([[4.0, 2.0], [6.0, 3.0], [5.0, 4.0]])
    summary = summarize_errors(errors)
    assert summary.best == 1
    np.testing.assert_allclose(summary.mean, [5, 3])
    np.testing.assert_allclose(summary.se, [1 / np.sqrt(3), 1 / np.sqrt(3)])
    # differences 2, 3, 1: standard deviation 1
    np.testing.assert_allclose(summary.paired_se, [1 / np.sqrt(3), 0])


@pytest.mark.parametrize(
    ("ranks", "errors", "rank", "status"),
    [
        ([1, 2, 3], [[3, 1.0, 2], [4, 2.0, 3.1]], 2, INSIDE),
        ([1, 2, 3], [[3, 1.0, 0.9], [4, 2.2, 1.6]], 3, UPPER),
        ([2, 3, 4], [[1, 2.0, 3.0], [1, 2.0, 3.1]], 2, LOWER),
        ([1, 2, 3], [[1, 2.0, 3.0], [1, 2.0, 3.1]], 1, INSIDE),
        ([1, 2], [[1.0, 0.9], [1.0, 1.2]], 1, FLAT),
        ([1, 2, 3], [[3, 1.0, np.nan], [4, 2.0, np.nan]], 2, INSIDE),
    ],
)
def test_the_rule(ranks, errors, rank, status):
    pick = pick_rank(ranks, np.array(errors))
    assert (pick.rank, pick.status) == (rank, status)
    assert pick.reason.endswith((".", "."))
    assert str(rank) in pick.reason


def test_best_takes_the_least_mean():
    errors = np.array([[1.01, 1.0, 1.3], [1.0, 1.0, 1.3]])
    assert pick_rank([1, 2, 3], errors).rank == 1
    assert pick_rank([1, 2, 3], errors, "best").rank == 2


def test_a_failed_rank_is_nan_with_its_message(monkeypatch):
    from nonneg.selection import speckled

    fit = speckled.fit_models

    def fails(X, parameters, starts):
        if any(start.k == 3 for start in starts):
            raise MemoryError("no room for 3 components")
        return fit(X, parameters, starts)

    monkeypatch.setattr(speckled, "fit_models", fails)
    selection = select_rank(counts(0, 6), [2, 3, 4], random_state=0)
    assert np.isnan(selection.errors[:, 1]).all()
    assert np.isfinite(selection.errors[:, [0, 2]]).all()
    assert selection.messages["fold 0, rank 3"] == "no room for 3 components"
    assert "4 of 12 fits are missing" in selection.reason


def test_starts_without_room_side_by_side_are_fitted_alone(monkeypatch):
    from nonneg.selection import rank_cells

    fit = rank_cells.fit_models

    def fails(X, parameters, starts, sketch):
        if len(starts) > 1 or starts[0].k == 3:
            raise MemoryError(f"no room for {len(starts)} of {starts[0].k}")
        return fit(X, parameters, starts, sketch)

    options = {"random_state": 0, "stability": 3, "max_iter": 5, "folds": 2}
    X = counts(0, 6, (60, 30))
    whole = select_rank(X, [2, 3], **options).table["dispersion"]
    monkeypatch.setattr(rank_cells, "fit_models", fails)
    selection = select_rank(X, [2, 3], **options)
    assert np.isfinite(selection.errors).all()
    assert selection.table["dispersion"][0] == whole[0]
    assert np.isnan(selection.table["dispersion"][1])
    assert selection.messages == {"stability, rank 3, 3 starts": "no room for 1 of 3"}


def test_the_callback_ends_it():
    X = counts(0, 6)
    cells = []

    def third(cell):
        cells.append(cell)
        return len(cells) == 3

    early = select_rank(X, range(2, 6), random_state=0, callback=third)
    assert np.isfinite(early.errors).sum() == 3
    assert [cell.done for cell in cells] == [1, 2, 3]
    assert {cell.n_cells for cell in cells} == {16}


def test_an_interrupt_leaves_the_selection_so_far():
    def stop(cell):
        if cell.fold == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        select_rank(counts(0, 6), [2, 4], random_state=0, callback=stop)
    so_far = caught.value.result
    assert isinstance(so_far, RankSelection)
    assert so_far.n_components == 4
    assert np.isfinite(so_far.errors).sum() == 5


def test_the_selection_is_json_and_a_table(tmp_path):
    pandas = pytest.importorskip("pandas")
    selection = select_rank(counts(0, 6), [2, 4, 6], random_state=0, stability=6)
    selection.save(tmp_path / "rank.json")
    again = RankSelection.from_dict(json.loads((tmp_path / "rank.json").read_text()))
    assert again.as_dict() == selection.as_dict()
    assert str(again) == str(selection)
    frame = selection.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.index.tolist() == [2, 4, 6]
    assert frame["silhouette_min"].loc[4] > 0.9 > frame["silhouette_min"].loc[6]
    assert selection.table["gain"].sum() > 50


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (counts(0, 3) + 0.5, {"method": "thinning"}, "entries that are no integers"),
        (counts(0, 3), {"method": "bcv", "ranks": [40]}, "fewer than 33 components"),
        (counts(0, 3)[:, :1], {}, "n_features=1"),
        (counts(0, 3)[:1], {}, "n_samples=1"),
        (counts(0, 3), {"ranks": []}, "must be integers"),
        (counts(0, 3), {"ranks": [2.5]}, "must be integers"),
        (counts(0, 3), {"folds": 1}, "two folds"),
        (counts(0, 3), {"folds": 9}, "n_folds"),
        (counts(0, 3), {"rule": "elbow"}, "'one_se', 'best'"),
        (counts(0, 3), {"stability": 1}, "stability"),
        (counts(0, 3), {"memory_limit": "10kB"}, "memory_limit='10kB' is too small"),
    ],
)
def test_refusals(X, options, message):
    ranks = options.pop("ranks", [2, 3])
    with pytest.raises(ValueError, match=message):
        select_rank(X, ranks, random_state=0, **options)


def test_a_store_is_read(tmp_path):
    X = counts(0, 3)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    errors = [select_rank(A, [2, 3], random_state=0).errors for A in (X, mapped)]
    assert np.array_equal(*errors)


def test_the_estimator_selects_and_fits():
    X = counts(0, 8)
    model = NMFCV(RANKS, random_state=0, cv_tol=1e-2)
    W = model.fit_transform(X)
    assert model.n_components_ == 4 == model.components_.shape[0]
    np.testing.assert_allclose(W, model.transform(X), atol=1e-6 * W.max())
    assert model.cv_results_["rank"].tolist() == list(RANKS)
    assert len(model.cv_results_["split0_error"]) == len(RANKS)
    assert model.get_feature_names_out().tolist() == [f"nmfcv{i}" for i in range(4)]
    assert model.inverse_transform(W).shape == X.shape


def test_a_random_state_is_not_advanced():
    rng = np.random.RandomState(0)
    select_rank(counts(0, 3), [2, 3], random_state=rng)
    assert rng.randint(100) == np.random.RandomState(0).randint(100)


def test_11_memory_stays_far_below_samples_squared():
    import tracemalloc

    X = sp.random(20000, 60, density=0.05, format="csr", random_state=0)
    tracemalloc.start()
    select_rank(X, [2, 3], random_state=0, max_iter=3, folds=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # X twice, and some arrays of the size of the factors of both ranks
    assert peak < 3 * (X.data.nbytes + X.indices.nbytes) + 12 * (20000 + 60) * 5 * 8


@needs_linux  # reads /proc
def test_11_measures_of_stability_take_little_beyond_the_labels():
    """Neither samples squared nor an indicator of each component of each run."""
    script = """
        import numpy as np
        from nonneg.selection import cophenetic_correlation, dispersion

        rng = np.random.default_rng(0)
        def measure(n_samples):
            labels = rng.integers(0, 20, size=(20, n_samples), dtype=np.uint8)
            before = peak()
            dispersion(labels, 20)
            cophenetic_correlation(labels, np.random.RandomState(0))
            return peak() - before

        measure(2000)  # imports, and the sample of which distances are made
        print(measure(400_000))
    """
    # three arrays of integers for the pair of runs that is counted
    assert int(printed_by(script)[0]) < 40 * 400_000


def test_the_time_of_a_cell_is_told():
    start = time.perf_counter()
    selection = select_rank(counts(0, 3), [2, 3], random_state=0)
    total = selection.table["seconds"].sum()
    assert 0 < total <= time.perf_counter() - start


def test_02_latin_folds_are_fits_with_those_weights():
    """Each fold by `NMF` with weights, and the loss over what they leave out."""
    X = counts(0, 8)
    options = {"random_state": 0, "tol": 1e-7, "max_iter": 3000}
    together = select_rank(X, [2, 4], **options)
    one_by_one = select_rank(X, [2, 4], solver="bpp", **options)
    np.testing.assert_allclose(together.errors, one_by_one.errors, rtol=1e-4)
    np.testing.assert_allclose(
        together.table["train"], one_by_one.table["train"], rtol=1e-6
    )
    np.testing.assert_allclose(together.null_errors, one_by_one.null_errors, rtol=1e-9)


@pytest.mark.parametrize(
    ("storage", "options"),
    [
        (np.asarray, {"beta_loss": "kullback-leibler"}),
        (sp.csr_array, {"beta_loss": "kullback-leibler", "solver": "mu"}),
        (np.asarray, {"beta_loss": 1.5}),
        (np.asarray, {"missing_values": np.nan}),
        (sp.csr_array, {"missing_values": "unstored", "alpha_W": 1e-3}),
        (sp.csc_array, {"solver": "cd"}),
    ],
)
def test_speckled_folds_of_any_loss_and_gaps(storage, options):
    X = counts(0, 8)
    rng = np.random.default_rng(0)
    if options.get("missing_values") not in (None, "unstored"):
        X[rng.random(X.shape) < 0.1] = np.nan
    selection = select_rank(
        storage(X), [2, 4, 6], method="speckled", random_state=0, tol=1e-4, max_iter=200,
        **options,
    )  # fmt: skip
    assert selection.n_components == 4
    assert np.isfinite(selection.errors).all()


def test_03_gaps_and_what_is_held_out_are_not_seen():
    """Values under weights of 0, and under a fold, change no error of the others."""
    X = counts(1, 6)
    weights = (np.random.default_rng(0).random(X.shape) > 0.2).astype(float)
    options = {"random_state": 0, "beta_loss": "kullback-leibler", "max_iter": 10}
    errors = [
        select_rank(A, [3], weights=weights, method="speckled", **options).errors
        for A in (X, np.where(weights > 0, X, 1e6))
    ]
    assert np.array_equal(*errors)


def test_10_a_checkpoint_knows_the_gaps(tmp_path):
    X = counts(1, 6)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    options = {"random_state": 0, "missing_values": np.nan, "max_iter": 5, "folds": 2}
    path = tmp_path / "cells"
    first = select_rank(X, [2, 3], checkpoint=path, **options)
    again = select_rank(X, [2, 3], checkpoint=path, resume=True, **options)
    assert np.array_equal(first.errors, again.errors)
    with pytest.raises(ValueError, match="its sample_weight is 'none'"):
        select_rank(
            X,
            [2],
            checkpoint=path,
            resume=True,
            sample_weight=np.ones(len(X)),
            **options,
        )


def test_weights_of_rows_are_those_of_the_fits():
    X = counts(2, 6)
    ones = select_rank(X, [2, 3], sample_weight=np.ones(len(X)), random_state=0)
    plain = select_rank(X, [2, 3], random_state=0)
    np.testing.assert_allclose(ones.errors, plain.errors, rtol=0.05)
    with pytest.raises(ValueError, match="method='thinning' takes no missing values"):
        select_rank(X, [2], method="thinning", sample_weight=np.ones(len(X)))


def test_a_pick_that_is_worse_than_the_mean_is_called_so():
    rng = np.random.default_rng(0)
    X = rng.poisson(0.5, size=(80, 40)).astype(float)
    X[:, 0] = np.where(rng.random(80) < 0.5, 1000, 1) * rng.uniform(0.5, 2, 80)
    worse = select_rank(X, [2, 3, 4], random_state=0)
    assert np.all(worse.errors > 2 * worse.null_errors[:, None])
    np.testing.assert_allclose(worse.table["error"], 2 * worse.null_errors.mean())
    assert (worse.n_components, worse.status) == (2, "flat")
    assert "The mean of X predicts what is held out better" in worse.reason
    assert "log(1 + X)" in worse.reason
    fine = select_rank(counts(0, 20), RANKS, random_state=0)
    assert "predicts what is held out better" not in fine.reason


def test_a_fold_that_explodes_does_not_decide_alone():
    X = load_digits().data
    selection = select_rank(X, [4, 8, 12, 30], random_state=0)
    # near as many components as pixels with ink: some rows are predicted by nothing
    assert selection.errors[:, 3].max() > 10 * selection.null_errors.max()
    assert selection.table["error"][3] <= 2 * selection.null_errors.mean()
    assert selection.n_components == 12
    assert "of 16 fits have an error of more than twice" in selection.reason
