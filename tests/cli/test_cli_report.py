"""The command `report`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import nonneg
from nonneg.cli.commands import app
from nonneg.cli.main import main
from nonneg.cli.report_command import parse_size
from nonneg.io import write_matrix

RNG = np.random.default_rng(0)
X = RNG.poisson(RNG.gamma(0.5, size=(40, 3)) @ RNG.gamma(0.5, size=(3, 24)) * 20)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [f"gene{j}" for j in range(24)]
    write_matrix("counts.csv", X, [f"cell{i}" for i in range(40)], names)
    model = nonneg.NMF(3, solver="hals", random_state=0).fit(X)
    model.feature_names_in_ = np.array(names, dtype=object)
    nonneg.save(model, "model.nonneg")


def run(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_a_report_is_written(tmp_path):
    assert (
        main(["report", "model.nonneg", "counts.csv", "-o", "r.html", "--quiet"]) == 0
    )
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "cell7" in text
    assert "gene3" in text
    assert 'id="panel-fit"' in text


def test_options_reach_the_report(tmp_path):
    nonneg.select_rank(X.astype(float), [2, 3], method="bcv").save("rank.json")
    write_matrix(
        "W.csv", np.ones((40, 3)), [f"cell{i}" for i in range(40)], ["a", "b", "c"]
    )
    done = run("model.nonneg", "--w", "W.csv", "--rank", "rank.json", "--image", "4x6",
               "--ordered", "--title", "<Cells>", "--json", "-o", "r.html")  # fmt: skip
    assert done.exit_code == 0, done.output
    text = (tmp_path / "r.html").read_text("utf-8")
    assert json.loads(done.output)["bytes"] == len(text.encode())
    for part in (
        "&lt;Cells&gt;",
        'id="panel-rank"',
        "as an image",
        "over the features",
        "cell7",
    ):
        assert part in text
    assert 'id="panel-fit"' not in text


def test_wrong_input_writes_nothing(tmp_path):
    (tmp_path / "r.html").write_text("before")
    for wrong in (("--image", "8"), ("--image", "5x5"), ("--rank", "counts.csv")):
        done = run("model.nonneg", *wrong, "-o", "r.html")
        assert done.exit_code == 2
        assert "r.html is as before." in done.output
    assert (tmp_path / "r.html").read_text() == "before"
    assert parse_size("28×14") == (28, 14)
