"""A plan says what a fit does, before it does it, and changes nothing."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF
from nonneg.operands.base import TransposedOperand
from nonneg.operands.dense import DenseOperand
from nonneg.operands.sparse import SparseOperand
from nonneg.operands.streamed.operand import StreamedOperand
from nonneg.stores.base import find_store
from support.cases import MAIN_STORAGES, STORAGES, data, data_for

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Iteration limit reached in nls"),
]
K = 3


@pytest.fixture
def file(tmp_path):
    np.save(tmp_path / "x.npy", data(400, 50) + 0.01)
    return tmp_path / "x.npy"


def lines(plan):
    """The text of a plan by the word that each line begins with."""
    title, *rest = str(plan).splitlines()
    assert title.startswith("Plan: ")
    return dict(line.split(maxsplit=1) for line in rest)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize(
    ("solver", "loss"),
    [("cd", 2), ("hals", 2), ("pg", 2), ("mu", 0.5), ("sn", 1), ("irls", 0.5)],
)
def test_a_plan_is_what_is_done(storage, solver, loss):
    X = STORAGES[storage](data_for("itakura-saito", 60, 23))
    model = NMF(K, "random", solver, beta_loss=loss, max_iter=7, tol=0, random_state=0)
    plan = model.plan(X)
    model.fit(X)
    facts = plan.as_dict()
    assert (facts["n_samples"], facts["n_features"]) == X.shape
    assert facts["n_components"] == model.n_components_
    assert facts["choices"]["solver"]["value"] == model.solver_
    assert facts["max_iter"] == model.n_iter_
    assert facts["passes"]["look"] == 0
    assert json.loads(json.dumps(facts)) == facts
    told = lines(plan)
    reason = "the default" if solver == "cd" else "as asked for"
    assert told["solver"] == f"{solver}: {reason}"
    assert told["X"].startswith("in memory, by ")
    assert repr(plan) == str(plan)


@pytest.mark.parametrize("kind", ["gaps", "unstored", "rows", "entries"])
def test_gaps_and_weights_are_told(kind):
    X, weights = data(60, 20) + 0.01, np.ones((60, 20))
    weights[:30, 3] = 0
    gappy = np.where(weights > 0, X, np.nan)
    nmf, arguments, expected = {
        "gaps": (NMF(K, solver="hals", missing_values=np.nan), (gappy,), "is imputed"),
        "unstored": (
            NMF(K, solver="hals", missing_values="unstored"),
            (sp.csr_array(weights * X),),
            "each row is solved for on what it shows",
        ),
        "rows": (NMF(K, solver="mu"), (X, 1 + np.arange(60)), "rows have weights"),
        "entries": (
            NMF(K, solver="hals"),
            (X, None, weights / 2),
            "entries have weights",
        ),
    }[kind]
    observation = dict(zip(("X", "sample_weight", "weights"), arguments, strict=False))
    line = lines(nmf.plan(**observation))["weights"]
    assert expected in line
    assert ("30 of 1,200 entries are missing" in line) == (kind != "rows")
    assert "weights" not in lines(nmf.set_params(missing_values=None).plan(X))


def test_a_plan_leaves_the_model_as_it_is(file):
    model = NMF(K, "random", "hals", random_state=np.random.RandomState(0), max_iter=2)
    before = dict(vars(model)), model.random_state.get_state()[1].copy()
    model.plan(data(20, 10))
    model.plan(np.load(file, mmap_mode="r"))
    assert vars(model) == before[0]
    np.testing.assert_array_equal(model.random_state.get_state()[1], before[1])


def test_auto_says_why(file):
    told = lines(NMF(K, solver="auto").plan(data(60, 23)))
    assert told["solver"] == "hals: the fast one for the frobenius loss"
    assert told["start"].startswith("nndsvd: k is below")
    told = lines(NMF(30, solver="auto").plan(data(60, 23)))
    assert told["start"].startswith("random: ")
    told = lines(NMF(K, solver="auto", beta_loss=1).plan(data(60, 23)))
    assert told["solver"] == "sn: the fast one for the kullback-leibler loss"
    assert told["start"].startswith("nndsvda: ")
    told = lines(NMF(1, solver="auto", beta_loss=1.5).plan(data(60, 23)))
    assert told["solver"] == "mu: the one for the beta-divergence loss"
    told = lines(NMF(12, solver="auto", beta_loss=1.5).plan(data(40, 20)))
    assert told["solver"].endswith(", with extrapolated steps")
    told = lines(NMF(2, solver="auto", beta_loss=0.5).plan(data(60, 23)))
    assert told["solver"].endswith(", with extrapolated steps")
    told = lines(NMF(4, solver="auto", beta_loss=0.5).plan(1 + data(120, 60)))
    assert told["solver"].startswith("irls: the fast one for the beta-divergence loss")
    told = lines(NMF(1, solver="auto").plan(np.load(file, mmap_mode="r")))
    assert told["blocks"] == "no: 40 blocks would have too few rows for 1 components"
    assert told["X"].startswith(
        "in parts: X is in a store, and the solver needs some rows"
    )
    assert told["X"].endswith(" at a time: all of X")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_init": 2}, "several starts"),
        ({"init": "custom"}, "a given start"),
        ({"checkpoint": "fit"}, "within another memory_limit"),
        ({"beta_loss": 1}, "'sn' has no warm-up"),
    ],
)
def test_why_there_are_no_blocks(tmp_path, monkeypatch, options, reason):
    np.save(tmp_path / "x.npy", np.ones((80_000, 4), np.float32))
    monkeypatch.chdir(tmp_path)
    X = np.load("x.npy", mmap_mode="r")
    assert lines(NMF(1, solver="auto").plan(X))["blocks"].startswith("40: H moves")
    told = lines(NMF(1, **{"solver": "auto", **options}).plan(X))
    assert reason in told["blocks"]
    monkeypatch.setattr("nonneg.fitting.plan_choices.blocks_fit", lambda *_: False)
    told = lines(NMF(1, solver="auto", memory_limit="1GB").plan(X))
    assert told["blocks"] == "no: memory_limit leaves no room for blocks"


def test_compression_says_why():
    X = data(1200, 1100)
    model = NMF(2, solver="hals", compress="auto")
    assert lines(model.plan(X))["compression"] == "yes: dense data, large on both sides"
    assert lines(model.plan(X[:800]))["compression"].startswith("no: X has fewer than")
    assert lines(model.plan(sp.csr_array(X)))["compression"].startswith("no: it takes")
    assert "compression" not in lines(model.set_params(compress=False).plan(X))


def test_a_map_is_used_whole_where_parts_won_t_do(file):
    told = lines(NMF(K, solver="pg").plan(np.load(file, mmap_mode="r")))
    assert (
        told["X"] == "in memory, by rows: a mapped file, as the solver needs all of X"
    )


def test_w_goes_on_disk_where_it_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("nonneg.fitting.memory_plan.ON_DISK", 1 << 20)
    np.save(tmp_path / "x.npy", np.ones((1_000_000, 4), np.float32))
    X = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = NMF(3, "random", "hals")
    assert lines(model.plan(X))["W"] == "in memory: no memory_limit"
    plan = model.set_params(memory_limit="60MB").plan(X)
    assert lines(plan)["W"].startswith("on disk in ")
    assert lines(plan)["W"].endswith(": memory_limit")
    assert (
        lines(plan)["memory"].split(" of the ")[1].startswith("60 MB that it may take")
    )
    out = np.lib.format.open_memmap(tmp_path / "w.npy", "w+", np.float32, (len(X), 3))
    plan = model.set_params(memory_limit=None).plan(X, out=out)
    assert lines(plan)["W"] == f"on disk in {tmp_path}: `out` is given"


def test_several_starts_limits_and_checkpoints_are_told(tmp_path):
    path = tmp_path / "fit"
    told = lines(
        NMF(
            K, n_init=3, max_time=9, tol=1e-3, n_threads=2, checkpoint=path
        ).plan(data(60, 23))
    )  # fmt: skip
    assert told["start"].endswith("; 2 more at random")
    assert told["end"] == "after 200 iterations at most, or by tol=0.001, or after 9 s"
    assert told["threads"] == "2: as asked for"
    assert told["checkpoint"] == str(path)
    assert not path.exists()


class Counting(StreamedOperand):
    """Counts the passes over all rows."""

    passes: Counter

    def run_pass(self, step, rows, shared):
        self.passes["pass"] += 1
        return super().run_pass(step, rows, shared)

    def look_through(self):
        self.passes["look"] += 1
        return super().look_through()

    def measured_density(self):
        self.passes["pass"] += 1
        return super().measured_density()


@pytest.mark.parametrize(
    ("solver", "loss"), [("cd", 2), ("hals", 2), ("bpp", 2), ("mu", 1), ("sn", 1)]
)
@pytest.mark.parametrize("init", ["random", "nndsvda", "nnsvd-lrc"])
@pytest.mark.parametrize(("tol", "n_init"), [(0, 1), (1e-9, 1), (0, 2), (1e-9, 3)])
def test_passes_are_counted_rightly(file, solver, loss, init, tol, n_init):
    X = Counting(find_store(np.load(file, mmap_mode="r")), 1)
    X.passes = Counter()
    options = {"random_state": 0, "beta_loss": loss, "tol": tol, "max_iter": 6,
               "n_init": n_init}  # fmt: skip
    model = NMF(K, init, solver, **options)
    planned = model.plan(X).as_dict()["passes"]
    assert X.passes["look"] <= 1
    assert X.passes["pass"] == 0
    model.fit(X)
    assert X.passes["look"] == planned["look"] == 1
    told = planned["start"] + 6 * planned["iteration"] + planned["end"]
    assert X.passes["pass"] == told


class CountingDense(DenseOperand):
    """Counts the passes over an X in memory."""

    passes = 0

    @property
    def T(self):
        return TransposedOperand(self)

    def run_pass(self, step, rows, shared):
        self.passes += 1
        return super().run_pass(step, rows, shared)


def test_starts_of_a_small_matrix_read_it_each_for_itself():
    rng = np.random.default_rng(0)
    small, large = rng.random((60, 40)), rng.random((2000, 600))

    def passes(X, **options):
        plan = NMF(4, "random", "hals", n_init=5, **options).plan(X)
        return plan.as_dict()["passes"]["iteration"]

    assert passes(small) == 5 * passes(large) == 5
    assert passes(small, alpha_W=0.1) == 1  # the core has no such calls with penalties


@pytest.mark.parametrize("n_init", [1, 2])
def test_a_sketch_has_passes_and_memory(n_init, monkeypatch):
    # a call of the core for the end of a fit reads X itself
    steps = "nonneg.solvers.steps.extrapolated_stretch.stretches"
    monkeypatch.setattr(steps, None)
    X = CountingDense(data(300, 200), 1)
    options = {"random_state": 0, "max_iter": 8, "tol": 0, "n_init": n_init}
    model = NMF(K, "random", "hals", compress=True, **options)
    facts = model.plan(X).as_dict()
    assert X.passes == 0
    last = []
    model.callback = lambda it: last.append(it.objective)
    model.fit(X)
    exact = np.count_nonzero(
        ~np.isnan(np.array(last, dtype=float).reshape(8, -1)[:, 0])
    )
    passes = facts["passes"]
    assert passes["sketch"] == 6
    told = passes["start"] + 6 + exact * passes["iteration"] + passes["end"]
    assert X.passes == told
    plain = model.set_params(compress=False, callback=None).plan(X).as_dict()
    assert facts["memory_of_sketch"] == 2 * (300 + 200) * (K + 20) * X.dtype.itemsize
    assert facts["memory"] - plain["memory"] == facts["memory_of_sketch"]
    assert "for the sketch of X" in str(model.set_params(compress=True).plan(X))


def test_a_sketch_needs_room():
    X = data(1200, 1100)
    room = NMF(2, solver="hals").plan(X).as_dict()["memory"] + 1000
    model = NMF(2, solver="hals", compress="auto", memory_limit=room)
    told = lines(model.plan(X))["compression"]
    assert told == "no: memory_limit leaves no room for the sketch"
    with pytest.raises(ValueError, match="is too small"):
        model.set_params(compress=True).plan(X)


@pytest.mark.parametrize("by_columns", [sp.csc_array, np.asfortranarray])
@pytest.mark.parametrize("exact", [False, True])
def test_a_plan_copies_no_columns(monkeypatch, by_columns, exact):
    X = data(90, 23)
    model = MiniBatchNMF(
        K, batch_size=20, random_state=0, max_iter=3, exact_statistics=exact
    )
    expected = model.fit_transform(sp.csr_array(X) if by_columns is sp.csc_array else X)
    copies = []
    for kind in (DenseOperand, SparseOperand):
        copy = kind.stored_by_rows
        monkeypatch.setattr(
            kind, "stored_by_rows",
            lambda X, copy=copy: copies.append(X.by_columns) or copy(X),
        )  # fmt: skip
    plan = model.plan(by_columns(X))
    assert copies == []
    told = lines(plan)
    assert (
        told["X"] == "in memory, by columns: copied by rows before the first iteration"
    )
    assert told["memory"].endswith(" for the copy of X")
    W = model.fit_transform(by_columns(X))
    assert copies.count(True) == 1
    np.testing.assert_array_equal(W, expected)


def test_mini_batches_have_a_plan(file):
    model = MiniBatchNMF(K, batch_size=100, random_state=0, max_iter=5)
    plan = model.plan(np.load(file))
    told = lines(plan)
    assert str(plan).startswith("Plan: fit by mini-batches, X 400 × 50")
    assert told["solver"].startswith("mini-batch: ")
    assert "1 in 4 iterations (a batch each)" in told["passes"]
    assert "an iteration" not in told["passes"]
    assert plan.as_dict()["max_iter"] == 20
    model.fit(np.load(file))
    assert plan.steps_per_pass * model.n_iter_ >= model.n_steps_
    exact = MiniBatchNMF(K, exact_statistics=True).plan(np.load(file))
    assert lines(exact)["solver"] == "incremental: exact_statistics=True"
    with pytest.raises(ValueError, match="keeps no W of a stream"):
        model.plan(iter([np.load(file)]))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"solver": "no"}, "The 'solver' parameter"),
        ({"solver": "hals", "beta_loss": 1}, "does not handle beta_loss"),
        ({"solver": "cd", "blocks": 3}, "blocks=3 works with"),
        ({"init": "nndsvd", "n_components": 30}, "can only be used when"),
        ({"memory_limit": "1MB"}, "is too small"),
        ({"resume": True}, "resume=True needs"),
    ],
)
def test_what_a_fit_refuses_its_plan_refuses(options, reason):
    for method in ("plan", "fit"):
        with pytest.raises(ValueError, match=reason):
            getattr(NMF(**{"n_components": K, **options}), method)(data(20, 10))


@pytest.mark.parametrize("limits", [(None, "60MB", None), ("60MB", None, "200MB")])
def test_an_operand_is_as_new_after_each_fit(file, limits):
    """What one fit was allowed says nothing to the next one."""
    X = StreamedOperand(find_store(np.load(file, mmap_mode="r")), 1)
    state = dict(vars(X))
    for limit in limits:
        model = NMF(K, "random", "auto", random_state=0, max_iter=4, memory_limit=limit)
        new = StreamedOperand(find_store(np.load(file, mmap_mode="r")), 1)
        for own in (X, new):
            W = model.fit_transform(own)
            known = model.plan(own).as_dict()
            if own is X:
                first = W, model.components_, model.reconstruction_err_, known
        np.testing.assert_array_equal(first[0], W)
        np.testing.assert_array_equal(first[1], model.components_)
        assert first[2:] == (model.reconstruction_err_, known)
        assert vars(X).keys() == state.keys()
        for name in ("window_bytes", "factor_folder", "store", "n_threads"):
            assert vars(X)[name] is state[name]
