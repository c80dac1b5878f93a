"""The commands `rank` and `consensus`."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from nonneg import load, select_rank
from nonneg.cli import selection_commands
from nonneg.cli.commands import app
from nonneg.cli.main import main
from nonneg.cli.selection_commands import parse_ranks
from nonneg.io import write_matrix
from nonneg.io.model_files import read_contents
from nonneg.selection import RankSelection

X = np.random.default_rng(0).poisson(
    np.random.default_rng(1).gamma(0.5, size=(60, 3))
    @ np.random.default_rng(2).gamma(0.5, size=(3, 30))
    * 20
)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_matrix("counts.csv", X, None, [f"gene{j}" for j in range(30)])


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def ok(*arguments):
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_ranks_are_read_from_a_text():
    assert parse_ranks("2:5") == [2, 3, 4, 5]
    assert parse_ranks("5:12:5,40") == [5, 10, 40]
    for text in ("", "a", "5:2", "0:3", "1:2:3:4", "1:2:0"):
        with pytest.raises(ValueError, match="2:30 for 2 to 30"):
            parse_ranks(text)


def test_rank_prints_the_pick_and_why(tmp_path):
    pytest.importorskip("matplotlib")
    shown = ok(
        "rank", "counts.csv", "-k", "2:5", "-o", "rank.json", "--plot", "rank.png",
        "--method", "thinning", "--checkpoint", "cells",
    )  # fmt: skip
    assert shown.startswith("3 components (inside): ")
    assert "\n*    3 " in shown
    stored = RankSelection.from_dict(json.loads((tmp_path / "rank.json").read_text()))
    expected = select_rank(
        X.astype(float), range(2, 6), method="thinning", random_state=0
    )
    np.testing.assert_array_equal(stored.errors, expected.errors)
    assert (tmp_path / "rank.png").read_bytes().startswith(b"\x89PNG")
    printed = ok(
        "rank", "counts.csv", "-k", "2:5", "--method", "thinning", "--checkpoint", "cells",
        "--resume", "--json",
    )  # fmt: skip
    facts = json.loads(printed)
    assert facts["command"] == "rank"
    assert facts["n_components"] == 3
    assert facts["table"]["rank"] == [2, 3, 4, 5]


@pytest.mark.parametrize("name", ["gaps.npy", "gaps.csv", "gaps.h5::/X"])
def test_rank_leaves_out_what_is_missing(name):
    gaps = X.astype(float)
    gaps[::7, ::5] = np.nan
    np.save("gaps.npy", gaps)
    np.savetxt("gaps.csv", gaps, delimiter=",", fmt="%g")
    with h5py.File("gaps.h5", "w") as file:
        file["X"] = gaps
    options = "-k", "2:4", "--missing", "nan", "--json"
    if not name.endswith(".csv"):  # it is read in parts
        refused = run("rank", name, *options, "--memory-limit", "20kB").output
        assert "holds 3 copies of X" in refused
    table = json.loads(ok("rank", name, *options))["table"]
    selection = select_rank(gaps, range(2, 5), missing_values=np.nan, random_state=0)
    np.testing.assert_allclose(table["error"], selection.table["error"])


def test_rank_weights_the_rows():
    weights = np.linspace(
        0.5, 2, len(np.loadtxt("counts.csv", delimiter=",", skiprows=1))
    )
    np.savetxt("weights.txt", weights)
    options = ("-k", "2:3", "--folds", 2, "--method", "speckled")
    shown = json.loads(
        ok("rank", "counts.csv", *options, "--sample-weight", "weights.txt", "--json")
    )
    counts = np.loadtxt("counts.csv", delimiter=",", skiprows=1)
    selection = select_rank(counts, [2, 3], folds=2, method="speckled", random_state=0,
                            sample_weight=weights)  # fmt: skip
    np.testing.assert_allclose(shown["table"]["error"], selection.table["error"])
    Path("weights.txt").write_text("1\n2\n")
    done = run("rank", "counts.csv", *options, "--sample-weight", "weights.txt")
    assert done.exit_code == 2
    assert "weights.txt" in done.output


def test_rank_tells_what_an_interrupt_leaves(monkeypatch):
    def interrupted(*arguments, callback, **options):
        def stop(cell):
            raise KeyboardInterrupt

        return select_rank(*arguments, callback=stop, **options)

    monkeypatch.setattr(selection_commands, "select_rank", interrupted)
    done = run("rank", "counts.csv", "-k", "3", "--checkpoint", "cells", "-o", "r.json")
    assert done.exit_code == 130
    assert "cells has them, for --resume. No file was written." in done.output
    assert not Path("r.json").exists()


def test_a_checkpoint_is_told_of_where_nothing_can_be_shown_yet(monkeypatch):
    def interrupted(*arguments, checkpoint, **options):
        Path(checkpoint).write_text("cells")
        raise KeyboardInterrupt

    monkeypatch.setattr(selection_commands, "select_rank", interrupted)
    done = run("rank", "counts.csv", "-k", "3", "--checkpoint", "cells", "-o", "r.json")
    assert done.exit_code == 130
    assert "Nothing was written. cells has what had ended, for --resume." in done.output


def test_consensus_writes_a_model(capsys):
    shown = ok(
        "consensus",
        "counts.csv",
        "-k",
        3,
        "--runs",
        6,
        "-o",
        "model",
        "--save-w",
        "W.csv",
    )
    assert "3 components agreed on by 6 runs" in shown
    assert main(["info", "model"]) == 0
    assert "no iteration was needed" in capsys.readouterr().out
    assert "share of runs" in shown
    model = load("model")
    assert model.feature_names_in_[0] == "gene0"
    notes = read_contents("model").header["notes"]
    assert len(notes["consensus"]["silhouette"]) == 3
    assert "3 components" in ok("info", "model")
    ok("transform", "model", "counts.csv", "-o", "W2.csv")
    first, second = (
        np.loadtxt(f, delimiter=",", skiprows=1) for f in ("W.csv", "W2.csv")
    )
    np.testing.assert_allclose(first, second, atol=1e-6)
    facts = json.loads(
        ok("consensus", "counts.csv", "-k", 3, "--runs", 6, "-o", "model", "--json")
    )
    assert facts["consensus"]["n_runs"] == 6


def test_wrong_words_are_told_in_one_line():
    done = run("rank", "counts.csv", "-k", "2:4", "--method", "elbow")
    assert done.exit_code == 2
    assert "'speckled'" in done.output
    done = run("rank", "counts.csv", "-k", "2", "--plot", "rank.bmp")
    assert done.exit_code == 2
    assert ".png, .svg or .pdf" in done.output
