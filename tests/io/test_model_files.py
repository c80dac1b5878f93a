"""Model files: what comes back from them, and what damaged and foreign ones give."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from nonneg import JointNMF, SymmetricNMF
from nonneg.estimators.minibatch_nmf import MiniBatchNMF
from nonneg.estimators.nmf import NMF
from nonneg.io.model_files import FORMAT_VERSION, load, read_contents, save

X = np.random.default_rng(0).gamma(0.4, size=(20, 9))
NAMES = ["a", "ü" * 40, 'quote"', "", "nul\0", *"wxyz"]

MODELS = {
    "default": (NMF(3, tol=0, max_iter=5, random_state=0), X),
    "pg": (NMF(2, solver="pg", init="random", random_state=3, tol=0.1), X),
    "penalties": (NMF(np.int64(4), alpha_W=np.float32(0.01), alpha_H="same", tol=0.1,
                      l1_ratio=0.5, shuffle=True, random_state=1, n_threads=2), X),
    "counts": (NMF(3, solver="auto", beta_loss="kullback-leibler", random_state=0), X),
    "divergence": (NMF(3, solver="mu", beta_loss=np.float32(1.5), accelerate=True, tol=0,
                       max_iter=5, random_state=0), X),
    "float32": (NMF(3, tol=0, max_iter=5, random_state=0), X.astype(np.float32)),
    "sparse": (NMF(3, tol=0, max_iter=5, random_state=0), sp.csr_array(X * (X > 0.4))),
    "names": (NMF(3, tol=0, max_iter=5, random_state=0), pd.DataFrame(X, columns=NAMES)),
}  # fmt: skip


@pytest.fixture(params=MODELS, ids=str)
def fitted(request):
    model, data = MODELS[request.param]
    return clone(model).fit(data), data


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.nonneg"


@pytest.fixture
def saved(path):
    save(
        NMF(3, tol=0, max_iter=5, random_state=0).fit(pd.DataFrame(X, columns=NAMES)),
        path,
    )
    return path


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for part, other in zip(found, expected, strict=True):
            assert_same(part, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


def test_everything_comes_back(fitted, path):
    model, data = fitted
    save(model, path)
    again = load(path)
    assert again.get_params() == model.get_params()
    for name in [name for name in vars(model) if name.endswith("_")]:
        assert_same(getattr(again, name), getattr(model, name))
    np.testing.assert_array_equal(again.transform(data), model.transform(data))
    assert (again.get_feature_names_out() == model.get_feature_names_out()).all()
    # it can be fitted, cloned, pickled and saved like any other
    np.testing.assert_array_equal(clone(again).fit(data).components_, model.components_)
    assert load(path).n_iter_ == pickle.loads(pickle.dumps(again)).n_iter_
    save(again, path)
    assert_same(load(path).components_, model.components_)


SQUARE = X @ X.T
WIDE = [X[:12].astype(np.float32), sp.csr_array(X[12:].astype(np.float32))]
TWO_VIEWS = [X[:, :4], X[:, 4:]]
OTHERS = {
    "symmetric": (SymmetricNMF(3, random_state=0, n_init=2, tol=1e-3), SQUARE),
    "symmetric with names": (SymmetricNMF(2, random_state=0, tol=1e-3),
                             pd.DataFrame(SQUARE, columns=[f"s{i}" for i in range(20)])),
    "joint": (JointNMF(3, random_state=0, specific=np.inf, max_iter=5, tol=0), WIDE),
    "joint views": (JointNMF(2, shared="W", dataset_weights=[1.0, 2.5], random_state=0,
                             tol=0.01), TWO_VIEWS),
    "joint equal": (JointNMF(2, dataset_weights="equal", random_state=0, tol=0.01), WIDE),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_symmetric_and_joint_models_come_back(name, path):
    model, data = OTHERS[name]
    model = clone(model).fit(data)
    save(model, path)
    again = load(path)
    assert_same(again.get_params(), model.get_params())
    assert_same(vars(again), vars(model))
    assert_same(again.transform(data), model.transform(data))
    assert_same(clone(again).fit(data).components_, model.components_)
    assert_same(pickle.loads(pickle.dumps(again)).components_, model.components_)


def test_weights_of_data_sets_come_back_as_a_list(path):
    weights = np.array([1.0, 1 / 3])
    model = JointNMF(2, dataset_weights=weights, random_state=0, tol=0.01).fit(WIDE)
    save(model, path)
    assert load(path).dataset_weights == weights.tolist()


PARTS = {
    "shape": ("joint", lambda a: a.update({"specific_.1": a["specific_.1"][:2]}),
              "specific parts have shape (2, 9)"),
    "lost": ("joint", lambda a: a.pop("specific_.0"), "the list 'specific_' it has"),
    "number": ("joint", lambda a: a.pop("embeddings_.1"), "factors of 1 data sets"),
    "negative": ("joint", lambda a: a.update({"embeddings_.0": -1 - a["embeddings_.0"]}),
                 "factors are not all finite and non-negative"),
    "weights": ("joint", lambda a: a.update(dataset_weights_=np.ones(3)), "not 2 numbers"),
    "names": ("joint", lambda a: a.update({"specific_.x": np.ones(3)}), "it has the parts"),
    "views": ("joint views", lambda a: a.update({"components_.0": np.ones((3, 4))}),
              "factors have shape (3, 4)"),
    "embedding": ("symmetric", lambda a: a.update(embedding_=a["components_"]),
                  "embeddings have shape (3, 20)"),
    "labels": ("symmetric", lambda a: a.update(labels_=np.ones(20)), "labels have shape"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "edit", "message"), PARTS.values(), ids=PARTS)
def test_wrong_parts_of_symmetric_and_joint_models(path, kind, edit, message):
    model, data = OTHERS[kind]
    save(clone(model).fit(data), path)

    def change(header, arrays):
        edit(arrays)
        header["members"] = sorted(arrays)

    rewrite(path, change)
    assert message in refused(path)


def test_the_header_is_json_for_other_programs(saved):
    with np.load(saved, allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
        assert archive["components_"].shape == (3, 9)
    assert header["format"] == "nonneg-model"
    assert header["format_version"] == FORMAT_VERSION
    assert header["class"] == "NMF"
    assert header["params"]["n_components"] == 3
    assert header["attributes"]["stop_reason_"] == "max_iter"


def test_code_and_generators_are_left_out_and_listed(path):
    model = NMF(
        2,
        init="random",
        random_state=np.random.RandomState(0),
        callback=lambda iteration: iteration.n_iter == 3,
    ).fit(X)
    save(model, path)
    again = load(path)
    assert again.callback is None
    assert again.random_state is None
    assert again.stop_reason_ == "callback"
    assert read_contents(path).header["left_out"] == ["callback", "random_state"]
    assert model.callback is not None


def test_a_loaded_model_writes_no_checkpoint(path, tmp_path):
    options = {"checkpoint": str(tmp_path / "c"), "resume": True}
    save(NMF(2, tol=0, max_iter=2, **options).fit(X), path)
    again = load(path)
    assert (again.checkpoint, again.resume) == (None, False)


def test_notes_come_back(path):
    model = NMF(2, tol=0, max_iter=2).fit(X)
    notes = {"data": "x.npy", "shares": [0.5, 0.5], "names": None}
    save(model, path, notes=notes)
    assert read_contents(path).header["notes"] == notes
    with pytest.raises(ValueError, match="Can't store a note"):
        save(model, path, notes={"X": X})
    assert read_contents(path).header["notes"] == notes


class TestRefusedToSave:
    def test_unfitted(self, path):
        with pytest.raises(NotFittedError):
            save(NMF(), path)

    @pytest.mark.parametrize("other", [object(), type("Mine", (NMF,), {})(2), NMF])
    def test_other_classes(self, path, other):
        with pytest.raises(
            TypeError, match=r"save takes a fitted NMF, MiniBatchNMF, .* of nonneg; got"
        ):
            save(other, path)
        assert not path.exists()

    def test_a_parameter_that_is_no_number(self, path):
        model = NMF(2, tol=0, max_iter=2).fit(X).set_params(alpha_W=X)
        with pytest.raises(
            ValueError, match=r"alpha_W of type ndarray can't be stored"
        ):
            save(model, path)

    def test_an_attribute_that_is_no_array(self, path):
        model = NMF(2, tol=0, max_iter=2).fit(X)
        model.extra_ = object()
        with pytest.raises(ValueError, match="extra_ of type object"):
            save(model, path)

    def test_names_that_do_not_fit(self, path):
        model = NMF(2, tol=0, max_iter=2).fit(X)
        model.feature_names_in_ = ["a"]
        with pytest.raises(ValueError, match="9 features, but 1 names"):
            save(model, path)
        assert not path.exists()

    def test_private_and_unrelated_attributes_are_not_the_model_s(self, path):
        model = NMF(2, tol=0, max_iter=2).fit(X)
        model._cache = model.remark = object()
        save(model, path)
        assert not hasattr(load(path), "remark")


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()
    model = NMF(2, tol=0, max_iter=2).fit(X)

    def full(file, **members):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        save(model, saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def refused(path):
    """The message of the ValueError that loading gives: one sentence with the name."""
    with pytest.raises(ValueError, match=r"model\.nonneg") as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("part", np.linspace(0, 0.999, 23))
def test_truncated(saved, part):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * part)])
    message = refused(saved)
    assert "damaged" in message or (part == 0 and "not a model" in message)


def test_flipped_bytes_are_noticed_or_harmless(saved):
    """Wherever one byte is wrong: a clear error, or the very same model."""
    whole = bytearray(saved.read_bytes())
    expected = load(saved)
    rng = np.random.default_rng(0)
    noticed = 0
    for place in rng.choice(len(whole), 400, replace=False):
        damaged = whole.copy()
        damaged[place] ^= rng.integers(1, 256)
        saved.write_bytes(damaged)
        try:
            found = load(saved)
        except ValueError as error:
            assert saved.name in str(error)  # noqa: PT017 (the other outcome is right)
            noticed += 1
        else:
            assert found.get_params() == expected.get_params()
            for name in [name for name in vars(expected) if name.endswith("_")]:
                assert_same(getattr(found, name), getattr(expected, name))
    assert noticed > 300


def rewrite(path, edit):
    """Change header and arrays of a file, its checksums made right again."""
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(arrays.pop("header").tobytes())
    edit(header, arrays)
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, header=text, **arrays)


EDITS = {
    "newer": (lambda h, a: h.update(format_version=FORMAT_VERSION + 1, nonneg_version="9"),
              "format version 2, written by nonneg 9; this one reads up to 1"),
    "class": (lambda h, a: h.update({"class": "Popen"}), "holds a 'Popen'; known are NMF"),
    "format": (lambda h, a: h.update(format="other"), "is not a model of nonneg"),
    "no params": (lambda h, a: h.pop("params"), "damaged"),
    "params": (lambda h, a: h["params"].update(secret=1), "unexpected keyword"),
    "shape": (lambda h, a: a.update(components_=a["components_"][:2]), "damaged"),
    "negative": (lambda h, a: a.update(components_=-1 - a["components_"]), "negative"),
    "nan": (lambda h, a: a.update(components_=np.nan * a["components_"]), "finite"),
    "integers": (lambda h, a: a.update(components_=np.ones((3, 9), int)), "dtype int"),
    "no H": (lambda h, a: a.pop("components_"), "members are missing"),
    "method": (lambda h, a: h["attributes"].update(fit=1), "unknown entry 'fit'"),
    "private": (lambda h, a: h["attributes"].update(__class__=1), "unknown entry '__cla"),
    "version -1": (lambda h, a: h.update(format_version=-1), "format version is -1"),
    "version true": (lambda h, a: h.update(format_version=True), "format version is True"),
    "true": (lambda h, a: h["attributes"].update(n_components_=True), "n_components_ is True"),
    "float": (lambda h, a: h["attributes"].update(n_components_=3.0), "n_components_ is 3.0"),
    "history": (lambda h, a: a.update({"history_.seconds": np.zeros(2)}), "equally long"),
    "history as a number": (lambda h, a: a.update({"history_.seconds": np.float64(1)}),
                            "history has 'seconds' of shape ()"),
    "history as a matrix": (lambda h, a: a.update({"history_.seconds": np.zeros((5, 1))}),
                            "history has 'seconds' of shape (5, 1)"),
    "history as texts": (lambda h, a: a.update({"history_.seconds": np.array(["a"] * 5)}),
                         "history has 'seconds' of shape (5,) and <U1"),
    "iterations -1": (lambda h, a: h["attributes"].update(n_iter_=-1), "n_iter_ is -1"),
    "error": (lambda h, a: h["attributes"].update(reconstruction_err_="x"), "err_ is 'x'"),
    "reason": (lambda h, a: h["attributes"].update(stop_reason_=1), "stop_reason_ is 1"),
    "list": (lambda h, a: h["attributes"].update(solver_=["cd"]), "'solver_' is ['cd']"),
    "dict": (lambda h, a: h["params"].update(tol={}), "'tol' is {}"),
    "name 3": (lambda h, a: a.update(feature_names_in_=np.frombuffer(b'[3]', np.uint8)),
               "no list of texts"),
    "names": (lambda h, a: a.update(feature_names_in_=np.frombuffer(b'["a"]', np.uint8)),
              "9 features, but 1 names"),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "message"), EDITS.values(), ids=EDITS)
def test_wrong_contents(saved, edit, message):
    rewrite(saved, edit)
    assert message in refused(saved)


def test_objects_in_a_member_are_never_unpickled(saved, tmp_path, monkeypatch):
    class Runs:
        def __reduce__(self):
            return (os.mkdir, ("unpickled",))

    monkeypatch.chdir(tmp_path)
    array = np.empty(1, dtype=object)
    array[0] = Runs()

    def edit(header, arrays):
        arrays["extra_"] = array
        header["members"] = sorted(arrays)

    rewrite(saved, edit)
    assert "damaged" in refused(saved)
    assert not os.path.exists("unpickled")


FOREIGN = {
    "npz": lambda f: np.savez(f, A=np.eye(2)),
    "npz with a header": lambda f: np.savez(f, header=np.eye(2)),
    "npy": lambda f: np.save(f, np.eye(2)),
    "pickle": lambda f: pickle.dump(NMF(), f),
    "zip": lambda f: zipfile.ZipFile(f, "w").writestr("hello.txt", "hello"),
    "text": lambda f: f.write(b"a,b\n1,2\n"),
    "empty": lambda f: None,
}


@pytest.mark.parametrize("write", FOREIGN.values(), ids=FOREIGN)
def test_foreign_files(path, write):
    with path.open("wb") as file:
        write(file)
    message = refused(path)
    assert "is not a model of nonneg" in message or "damaged" in message


def test_missing_file(path):
    with pytest.raises(FileNotFoundError):
        load(path)


ONLINE = {
    "default": {},
    "exact": {"exact_statistics": True},
    "counts": {"beta_loss": 1, "alpha_H": 0.1},
    "sparse counts": {"beta_loss": "kullback-leibler", "batch_size": 7},
    "divergence": {"beta_loss": 0.5, "forget_factor": 0.5},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", ONLINE.values(), ids=ONLINE)
@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_an_online_model_goes_on_after_a_restart(path, options, dtype, first):
    data = (X + 0.1).astype(dtype)
    data = sp.csr_array(data) if "batch_size" in options else data
    model = MiniBatchNMF(3, random_state=0, tol=0, max_iter=2, **options)
    getattr(model, first)(data[:10])
    save(model, path)
    again = load(path)
    assert type(again) is MiniBatchNMF
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.transform(data), model.transform(data))
    for _ in range(2):
        for each in (model, again):
            each.partial_fit(data[10:])
    np.testing.assert_array_equal(again.components_, model.components_)
    assert again.n_steps_ == model.n_steps_
    save(again, path)
    assert load(path).n_steps_ == model.n_steps_


def test_a_stream_is_saved(path):
    model = MiniBatchNMF(2, batch_size=5, random_state=0).fit(iter([X[:10], X[10:]]))
    save(model, path)
    assert_same(load(path).components_, model.components_)


STATES = {
    "Ht": lambda a: a.update({"state/Ht": a["state/Ht"][:3]}),
    "dtype": lambda a: a.update({"state/Ht": a["state/Ht"].astype(np.float32)}),
    "sums": lambda a: a.update({"state/rhs": np.ones((3, 3, 3))}),
    "missing": lambda a: a.pop("state/gram_W"),
    "class": lambda a: a.update({"state/class": np.array("os.system")}),
    "other record": lambda a: a.update({"state/class": np.array(
        "nonneg.base.states.Progress")}),
}  # fmt: skip


@pytest.mark.parametrize("edit", STATES.values(), ids=STATES)
def test_a_wrong_state_is_refused(path, edit):
    save(MiniBatchNMF(2, exact_statistics=True, random_state=0).partial_fit(X), path)

    def change(header, arrays):
        edit(arrays)
        header["members"] = sorted(arrays)

    rewrite(path, change)
    assert "damaged" in refused(path)


@pytest.mark.parametrize("kind", ["compressed", "header"])
def test_declared_sizes_are_looked_at_before_reading(saved, kind):
    """Nothing that unpacks to more than the file has is read."""
    with np.load(saved) as archive:
        arrays = dict(archive)
    if kind == "compressed":
        arrays["components_"] = np.zeros((3, 9))
        with saved.open("wb") as file:
            np.savez_compressed(file, **arrays)
    else:
        with zipfile.ZipFile(saved) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        header = io.BytesIO()
        claim = {"descr": "<f8", "fortran_order": False, "shape": (10**5, 10**6)}
        np.lib.format.write_array_header_1_0(header, claim)
        members["components_.npy"] = header.getvalue() + bytes(8 * 3 * 9)
        with zipfile.ZipFile(saved, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    message = refused(saved)
    assert "is damaged: " in message
    assert ("is compressed" if kind == "compressed" else "(100000, 1000000)") in message


def test_what_scikit_learn_fitted_is_refused_with_advice(path):
    from sklearn import decomposition

    for other in (decomposition.NMF(2), decomposition.MiniBatchNMF(2)):
        with pytest.raises(
            TypeError, match=r"of nonneg; got a .* of sklearn.* Fit nonneg"
        ):
            save(other.fit(X), path)
