"""What is known about the factors, as options of the shell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nonneg import NMF, load
from nonneg.cli.main import main
from nonneg.constraints import Fixed, Simplex, Smooth
from nonneg.io import read_matrix
from support.constraint_cases import TRUE, K

FIT = [
    "fit",
    "x.csv",
    "-k",
    str(K),
    "--solver",
    "hals",
    "--init",
    "random",
    "--seed",
    "0",
]
NAMES = [f"c{j}" for j in range(TRUE.X.shape[1])]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("x.csv", TRUE.X, NAMES)


def write(path, X, names):
    rows = [",".join("" if np.isnan(x) else repr(float(x)) for x in row) for row in X]
    with open(path, "w") as file:
        file.write("\n".join([",".join(names), *rows]) + "\n")


def fitted(**constraints):
    return NMF(K, solver="hals", init="random", random_state=0, **constraints).fit(
        TRUE.X
    )


def test_known_parts_are_matched_by_name(capsys):
    order = np.random.default_rng(0).permutation(len(NAMES))[:9]
    known = TRUE.H[:2, order].copy()
    known[1, 3] = np.nan
    write("parts.csv", known, [NAMES[j] for j in order])
    assert main([*FIT, "--fix", "parts.csv", "-o", "m.nonneg"]) == 0
    values = np.full(TRUE.H.shape, np.nan)
    values[:2, order] = known
    model = load("m.nonneg")
    expected = fitted(constraints_H=[Fixed(values)]).components_
    np.testing.assert_array_equal(model.components_, expected)
    assert main(["transform", "m.nonneg", "x.csv", "-o", "w.npy"]) == 0
    assert read_matrix("w.npy").X.shape == TRUE.W.shape
    capsys.readouterr()


def test_sums_and_smooth_factors():
    options = ["--sum-to-one", "W", "--smooth", "H=1.0", "-o", "m.nonneg"]
    assert main([*FIT, *options, "--save-w", "w.npy"]) == 0
    np.testing.assert_allclose(np.load("w.npy").sum(axis=1), 1)
    expected = fitted(constraints_W=[Simplex()], constraints_H=[Smooth(1.0)])
    np.testing.assert_array_equal(load("m.nonneg").components_, expected.components_)


def test_without_a_solver_one_that_takes_constraints_is_chosen(capsys):
    write("parts.csv", TRUE.H[:2], NAMES)
    free = ["fit", "x.csv", "-k", str(K), "--seed", "0", "--fix", "parts.csv"]
    assert main([*free, "-o", "m.nonneg"]) == 0
    model = load("m.nonneg")
    assert model.solver == "auto"
    np.testing.assert_array_equal(model.components_[:2], TRUE.H[:2])
    assert main([*free, "--solver", "cd", "-o", "m.nonneg"]) != 0
    assert "solver='cd'" in capsys.readouterr().err


def test_columns_without_names_are_taken_in_their_order(capsys):
    np.save("x.npy", TRUE.X)
    write("parts.csv", TRUE.H[:1], NAMES)
    fit = ["fit", "x.npy", *FIT[2:], "-o", "m.nonneg", "--max-iter", "3"]
    assert main([*fit, "--fix", "parts.csv"]) == 0
    assert "taken in their order; --features FILE names them" in capsys.readouterr().err
    np.save("parts.npy", TRUE.H[:1])
    assert main([*fit, "--fix", "parts.npy"]) == 0
    assert "order" not in capsys.readouterr().err
    np.testing.assert_array_equal(load("m.nonneg").components_[0], TRUE.H[0])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--sum-to-one", "X"], "neither W nor H"),
        (["--smooth", "H"], "pass W=X or H=X"),
        (["--smooth", "H=-1"], "pass W=X or H=X"),
        (["--smooth", "H=1"], "Smooth on H has no minimum"),
        (["--fix", "wrong.csv"], "1 of the 2 columns of 'wrong.csv' are none"),
        (["--fix", "twice.csv"], "Two columns of twice.csv are named 'c0'"),
        (["--fix", "empty.csv"], "has empty cells alone"),
        (["--fix", "many.csv"], "Pass -k 18 or more"),
        (["--fix", "tall.csv"], "Transpose the file"),
        (["--fix", "tall.npy"], "Transpose the file"),
        (["--fix", "short.npy"], "Pass a file with as many"),
        (["--sum-to-one", "W", "--solver", "cd"], "solver='cd'"),
    ],
)
def test_refusals(options, text, capsys):
    write("wrong.csv", TRUE.H[:1, :2], ["c0", "z"])
    write("twice.csv", TRUE.H[:1, :2], ["c0", "c0"])
    write("empty.csv", np.full((1, 2), np.nan), NAMES[:2])
    write("many.csv", TRUE.X, NAMES)
    tall = [f"{name},{x},1" for name, x in zip(NAMES, TRUE.H[0], strict=True)]
    Path("tall.csv").write_text("\n".join(["feature,a,b", *tall]) + "\n")
    np.save("tall.npy", TRUE.H[:2].T)
    np.save("short.npy", np.ones((1, 2)))
    assert main([*FIT, *options, "-o", "m.nonneg"]) != 0
    assert text in capsys.readouterr().err
