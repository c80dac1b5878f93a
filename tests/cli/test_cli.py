"""The command line: what it writes, prints and exits with, also when things go wrong."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
import typer.main
from typer.testing import CliRunner

from nonneg import NMF, JointNMF, SymmetricNMF, __version__
from nonneg.cli import (  # noqa: F401  (three of them add commands)
    commands,
    info_command,
    main,
    report_command,
    selection_commands,
)
from nonneg.cli.commands import app
from nonneg.io.model_files import load, read_contents, save
from nonneg.io.readers import read_matrix
from nonneg.io.writers import write_matrix

X = np.random.default_rng(0).gamma(0.4, size=(30, 8))
ROWS = [f"row {i}" for i in range(30)]
COLUMNS = [f"word{j}" for j in range(8)]
OPEN_ENDED = "fit data.npy -k 6 -o model --tol 1e-12 --max-iter 10000000 --max-time 1"
COMMAND = [sys.executable, "-W", "ignore", "-m", "nonneg"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """A folder with data in it, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    write_matrix("data.csv", X, ROWS, COLUMNS)
    write_matrix("data.npy", X)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def ok(*arguments):
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done


def fit(*options, data="data.csv"):
    return ok("fit", data, "-k", 3, "-o", "model", "--tol", 0.01, *options)


def expected(**options):
    return NMF(3, tol=0.01, random_state=0, **options).fit(X)


def test_a_plan_is_printed_and_nothing_is_fitted():
    options = ["-k", 3, "-o", "model", "--solver", "auto", "--n-init", 2]
    done = ok("fit", "data.csv", *options, "--plan")
    plan = NMF(3, solver="auto", n_init=2, random_state=0).plan(X)
    assert done.stdout == f"{plan}\n"
    told = json.loads(ok("fit", "data.csv", *options, "--plan", "--json").stdout)
    assert told == {"command": "fit", "data": "data.csv", "plan": plan.as_dict()}
    assert not Path("model").exists()
    options = ["-k", 3, "--solver", "auto", "--n-init", 2]
    assert ok("fit", "data.csv", *options, "--plan").stdout == f"{plan}\n"
    done = run("fit", "data.csv", *options)
    assert done.exit_code == 2
    assert "Missing option '-o'" in done.output
    done = run("fit", "data.csv", "-k", 3, "-o", "model", "--solver", "no", "--plan")
    assert done.exit_code != 0


class TestFit:
    def test_the_model_is_that_of_the_library(self):
        done = fit()
        model = load("model")
        np.testing.assert_array_equal(model.components_, expected().components_)
        assert model.get_feature_names_out().tolist() == ["nmf0", "nmf1", "nmf2"]
        assert model.feature_names_in_.tolist() == COLUMNS
        assert model.callback is None
        assert done.stderr == ""
        assert "30 × 8 matrix, 3 components, solver cd" in done.stdout
        assert "converged after" in done.stdout
        assert "word" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80

    @pytest.mark.parametrize(
        ("options", "params"),
        [
            (["--solver", "pg", "--nls-max-iter", 50], {"solver": "pg", "nls_max_iter": 50}),
            (["--solver", "hals", "--n-init", 3, "--init", "random"],
             {"solver": "hals", "n_init": 3, "init": "random"}),
            (["--solver", "bpp", "--compress", "yes"], {"solver": "bpp", "compress": True}),
            (["--solver", "auto", "--compress", "auto"], {"solver": "auto", "compress": "auto"}),
            (["--solver", "mu", "--beta-loss", 1.5, "--accelerate"],
             {"solver": "mu", "beta_loss": 1.5, "accelerate": True}),
            (["--solver", "auto", "--beta-loss", "kullback-leibler"],
             {"solver": "auto", "beta_loss": "kullback-leibler"}),
            (["--init", "random", "--seed", 5], {"init": "random", "random_state": 5}),
            (["--alpha", 0.1, "--l1-ratio", 0.5], {"alpha": 0.1, "l1_ratio": 0.5}),
            (["--alpha", 0.1, "--regularization", "none"],
             {"alpha": 0.1, "regularization": None}),
            (["--alpha", 0.1, "--regularization", "components"],
             {"alpha": 0.1, "regularization": "components"}),
            (["--alpha-W", 0.01, "--alpha-H", 0], {"alpha_W": 0.01, "alpha_H": 0.0}),
            (["--shuffle", "--threads", 1], {"shuffle": True, "n_threads": 1}),
            (["--max-time", 1000, "--max-iter", 900],
             {"max_time": 1000.0, "max_iter": 900}),
            (["--solver", "pg", "--sparseness", "data", "--beta", 2, "--eta", 0.2],
             {"solver": "pg", "sparseness": "data", "beta": 2.0, "eta": 0.2}),
        ],
    )  # fmt: skip
    def test_options_are_parameters(self, options, params):
        fit(*options)
        found = load("model").get_params()
        assert found == NMF(3, tol=0.01).get_params() | {"random_state": 0} | params

    def test_another_loss_is_named_in_the_report(self):
        done = fit("--solver", "sn", "--beta-loss", 1)
        assert "D kullback-leibler" in done.stdout
        assert "of ‖X‖" not in done.stdout

    def test_a_pair_of_solver_and_loss_is_refused_before_the_file_is_read(self):
        done = run("fit", "none.csv", "-k", 3, "-o", "model", "--solver", "sn")
        assert done.exit_code == 2
        assert "solver 'sn' does not handle beta_loss = 'frobenius'" in done.stderr
        done = run("fit", "none.csv", "-k", 3, "-o", "model", "--beta-loss", "nan")
        assert "Got nan instead" in done.stderr

    def test_a_loss_that_is_none_is_one_readable_line(self):
        done = run("fit", "data.csv", "-k", 3, "-o", "model", "--beta-loss", "poisson")
        assert done.exit_code != 0
        text = "--beta-loss: 'poisson' is neither a number nor 'frobenius' or"
        assert text in done.stderr

    def test_save_w_and_transform_agree_with_the_library(self):
        fit("--save-w", "w.tsv")
        table = read_matrix("w.tsv")
        W = NMF(3, tol=0.01, random_state=0).fit_transform(X)
        np.testing.assert_array_equal(table.X, W)
        assert table.row_names == ROWS
        assert table.column_names == ["nmf0", "nmf1", "nmf2"]

    def test_feature_names_from_a_file(self):
        scipy.io.mmwrite("data.mtx", sp.csr_array(X * (X > 0.2)))
        with open("names.txt", "w") as file:
            file.write("\n".join(COLUMNS) + "\n")
        done = fit("--features", "names.txt", data="data.mtx")
        assert load("model").feature_names_in_.tolist() == COLUMNS
        assert "word" in done.stdout
        with open("names.txt", "a") as file:
            file.write("one more\n")
        done = run("fit", "data.mtx", "-k", 3, "-o", "m", "--features", "names.txt")
        assert done.exit_code == 2
        assert "has 9 lines, but the matrix has 8 columns" in done.stderr

    def test_json_is_all_that_is_printed(self):
        done = fit("--json", "--save-w", "w.npy")
        found = json.loads(done.stdout)
        model = expected()
        assert found["command"] == "fit"
        assert found["model"] == "model"
        assert found["W"] == "w.npy"
        assert found["n_iter"] == model.n_iter_
        assert found["stop_reason"] == "converged"
        assert found["reconstruction_err"] == model.reconstruction_err_
        error = model.reconstruction_err_ / np.linalg.norm(X)
        assert found["relative_err"] == pytest.approx(error)
        assert found["objective"] == model.history_["objective"][-1]
        assert found["seconds"] > 0
        assert sum(c["share"] for c in found["components"]) == pytest.approx(1)
        for component in found["components"]:
            H = model.components_[component["component"]]
            name, weight = component["top"][0]
            assert weight == H.max()
            assert name == COLUMNS[H.argmax()]

    def test_quiet_prints_nothing(self):
        done = fit("--quiet")
        assert (done.stdout, done.stderr) == ("", "")

    def test_not_converged_is_one_readable_line(self):
        done = ok("fit", "data.csv", "-k", 3, "-o", "model", "--max-iter", 2)
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("Warning: not converged")
        assert "--max-iter" in done.stderr
        assert "not converged within the 2 iterations allowed" in done.stdout

    def test_top_limits_the_features(self):
        found = json.loads(fit("--json", "--top", 2).stdout)
        assert {len(c["top"]) for c in found["components"]} == {2}


class TestTransform:
    @pytest.mark.parametrize(
        "suffix", ["npy", "npz", "csv", "tsv", "csv.gz", "parquet"]
    )
    def test_every_format(self, suffix):
        fit()
        done = ok("transform", "model", "data.csv", "-o", f"w.{suffix}")
        assert "30 × 3 matrix W" in done.stdout
        table = read_matrix(f"w.{suffix}")
        np.testing.assert_array_equal(table.X, expected().transform(X))
        if suffix != "npy":
            assert table.row_names == ROWS
            assert table.column_names == ["nmf0", "nmf1", "nmf2"]

    def test_columns_are_found_by_name(self):
        fit()
        order = [3, 0, 7, 1, 2, 6, 5, 4]
        names = [COLUMNS[j] for j in order]
        write_matrix("moved.csv", X[:, order], ROWS, names)
        ok("transform", "model", "moved.csv", "-o", "w.npy")
        np.testing.assert_array_equal(np.load("w.npy"), expected().transform(X))
        names[2] = "other"
        write_matrix("other.csv", X, ROWS, names)
        done = run("transform", "model", "other.csv", "-o", "x.npy")
        assert done.exit_code == 2
        assert "1 of its 8 are no column of the matrix, such as 'word7'" in done.stderr
        assert not os.path.exists("x.npy")

    def test_a_name_that_is_there_twice(self):
        write_matrix("twice.csv", X, ROWS, [*COLUMNS[:-1], COLUMNS[0]])
        fit(data="twice.csv")
        ok("transform", "model", "twice.csv", "-o", "w.npy")
        write_matrix(
            "moved.csv", X, ROWS, [COLUMNS[1], COLUMNS[0], *COLUMNS[2:-1], "word0"]
        )
        done = run("transform", "model", "moved.csv", "-o", "x.npy")
        assert done.exit_code == 2
        assert "Two columns of the matrix are named 'word0'" in done.stderr

    def test_data_without_names_goes_by_position(self):
        fit()
        done = ok(
            "transform", "model", "data.npy", "-o", "w.npy", "--json", "--threads", 1
        )
        found = json.loads(done.stdout)
        assert found["n_samples"] == 30
        assert found["output"] == "w.npy"
        assert done.stderr == ""

    def test_other_shapes_are_refused(self):
        fit()
        np.save("wide.npy", np.ones((2, 9)))
        done = run("transform", "model", "wide.npy", "-o", "w.npy")
        assert done.exit_code == 2
        assert "9 columns, but the model was fitted with 8 features" in done.stderr


class TestOtherModels:
    """Files of `SymmetricNMF` and `JointNMF`, which no command fits."""

    @pytest.fixture
    def symmetric(self):
        S = pd.DataFrame(X @ X.T, columns=ROWS)
        model = SymmetricNMF(2, random_state=0, tol=0.01).fit(S)
        save(model, "symmetric")
        write_matrix("new.csv", S.to_numpy()[:5], ROWS[:5], ROWS)
        return model

    def joint(self, shared, datasets):
        model = JointNMF(2, shared=shared, specific=2.0, random_state=0, tol=0.01)
        save(model.fit(datasets), "joint")
        return model

    def test_a_symmetric_model_is_shown_and_transforms(self, symmetric):
        text = ok("info", "symmetric").output
        assert "30 × 30 matrix, 2 components, solver symmetric" in text
        ok("transform", "symmetric", "new.csv", "-o", "W.npy")
        W = symmetric.transform(pd.DataFrame((X @ X.T)[:5], columns=ROWS))
        np.testing.assert_array_equal(np.load("W.npy"), W)
        ok("report", "symmetric", "-o", "page.html")
        done = run("impute", "symmetric", "new.csv", "-o", "filled.csv")
        assert done.exit_code == 2
        assert "holds a SymmetricNMF, which nonneg impute can't use." in done.output

    @pytest.mark.parametrize("shared", ["H", "W"])
    def test_a_joint_model_is_shown(self, shared):
        datasets = [X[:20], X[20:]] if shared == "H" else [X[:, :5], X[:, 5:]]
        model = self.joint(shared, datasets)
        text = ok("info", "joint").output
        assert f"2 data sets with shared {shared}, 2 components" in text
        facts = json.loads(ok("info", "joint", "--json").stdout)
        for i, one in enumerate(facts["datasets"]):
            V = model.specific_[i]
            by_rows = shared == "H"
            specific = model.embeddings_[i] @ V if by_rows else V @ model.components_[i]
            assert one["specific"] == pytest.approx(np.linalg.norm(specific))
            assert (one["n_samples"], one["n_features"]) == datasets[i].shape
            assert one["error"] == model.reconstruction_errs_[i]
        tables = facts["components"]
        assert len(tables[0]) == (4 if shared == "H" else 2)

    @pytest.mark.parametrize("command", ["transform", "impute", "report"])
    def test_commands_of_one_matrix_refuse_a_joint_model(self, command):
        self.joint("H", [X[:20], X[20:]])
        done = run(command, "joint", "data.csv", "-o", "out.csv")
        assert done.exit_code == 2
        assert f"holds a JointNMF, which nonneg {command} can't use." in done.output
        assert not Path("out.csv").exists()


class TestInfo:
    def test_after_fit(self):
        fit("--alpha-W", 0.01)
        done = ok("info", "model")
        assert f"NMF of nonneg {__version__}, fitted to data.csv" in done.stdout
        assert "alpha_W=0.01" in done.stdout
        assert "30 × 8 matrix" in done.stdout
        assert "word" in done.stdout
        found = json.loads(ok("info", "model", "--json").stdout)
        assert found["params"]["alpha_W"] == 0.01
        assert found["n_samples"] == 30
        assert len(found["components"]) == 3

    def test_no_character_of_a_file_is_obeyed_by_the_terminal(self):
        from nonneg.io.model_files import save

        bell = "x\x1b[31m\x07\x9b2J"
        model = expected()
        model.feature_names_in_ = np.array([bell + str(j) for j in range(8)], object)
        model.set_params(init=bell)
        notes = {"data": bell, "summary": {"solver": bell}}
        save(model, "model", notes=notes)
        for options in ([], ["--json"]):
            done = ok("info", "model", *options)
            assert not set("\x1b\x07\x9b") & set(done.stdout)
        done = run("transform", "model", f"none{bell}.csv", "-o", "w.npy")
        assert not set("\x1b\x07\x9b") & set(done.stderr)

    def test_of_an_online_model(self):
        from nonneg import MiniBatchNMF
        from nonneg.io.model_files import save

        save(MiniBatchNMF(2, random_state=0).partial_fit(X), "model")
        done = ok("info", "model")
        assert "MiniBatchNMF" in done.stdout
        assert "fitted by 1 step of partial_fit" in done.stdout
        ok("transform", "model", "data.csv", "-o", "w.npy")
        assert np.load("w.npy").shape == (30, 2)

    def test_of_a_model_saved_by_the_library(self):
        from nonneg.io.model_files import save

        save(expected(), "model")
        done = ok("info", "model")
        assert "8 features, 3 components" in done.stdout
        assert "share" not in done.stdout
        found = json.loads(ok("info", "model", "--json").stdout)
        assert found["n_samples"] is None
        assert found["components"][0]["share"] is None


WRONG = {
    "missing file": (["fit", "none.csv", "-k", 3, "-o", "x"], "No such file: 'none.csv'"),
    "missing argument": (["fit"], "Missing argument 'FILE'"),
    "missing option": (["fit", "data.csv", "-k", 3], "-o"),
    "unknown command": (["guess"], "No such command 'guess'"),
    "unknown option": (["fit", "data.csv", "--wrong"], "--wrong"),
    "k=0": (["fit", "data.csv", "-k", 0, "-o", "x"], "-k"),
    "k=text": (["fit", "data.csv", "-k", "many", "-o", "x"], "-k"),
    "k too large": (["fit", "data.csv", "-k", 31, "--init", "nndsvd", "-o", "x"], "31"),
    "solver": (["fit", "none.csv", "-k", 3, "-o", "x", "--solver", "foo"], "'foo'"),
    "init": (["fit", "data.csv", "-k", 3, "-o", "x", "--init", "custom"], "custom"),
    "alpha-H": (["fit", "data.csv", "-k", 3, "-o", "x", "--alpha-H", "a"], "--alpha-H"),
    "penalties": (["fit", "data.csv", "-k", 3, "-o", "x", "--alpha", 1, "--alpha-W", 1],
                  "alpha_W"),
    "folder": (["fit", "data.csv", "-k", 3, "-o", "no/x"], "No such folder: 'no'"),
    "is a folder": (["fit", "data.csv", "-k", 3, "-o", "."], "is a folder"),
    "over the input": (["fit", "data.csv", "-k", 3, "-o", "./data.csv"], "is the input"),
    "same output": (["fit", "data.csv", "-k", 3, "-o", "x", "--save-w", "x"], "already"),
    "suffix of W": (["fit", "data.csv", "-k", 3, "-o", "x", "--save-w", "w.mat"], ".npy"),
    "no model": (["info", "data.csv"], "'data.csv' is not a model of nonneg"),
    "no such model": (["info", "none"], "none: No such file"),
    "data as model": (["transform", "data.npy", "data.csv", "-o", "w.npy"],
                      "is not a model"),
    "negative": (["fit", "negative.npy", "-k", 1, "-o", "x"], "Negative values"),
    "nan": (["fit", "nan.npy", "-k", 1, "-o", "x"], "NaN"),
    "text cell": (["fit", "text.csv", "-k", 1, "-o", "x"], "'oops' in line 2, column 'b'"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("as_json", [False, True])
def test_errors_are_one_line_and_exit_code_2(arguments, message, as_json):
    np.save("negative.npy", -np.ones((2, 2)))
    np.save("nan.npy", np.full((2, 2), np.nan))
    with open("text.csv", "w") as file:
        file.write("a,b\n1,oops\n")
    files = sorted(os.listdir())
    done = run(*arguments, *(["--json"] if as_json and len(arguments) > 1 else []))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert sorted(os.listdir()) == files


def test_a_failed_fit_leaves_the_old_model():
    fit()
    before = Path("model").read_bytes()
    assert run("fit", "none.npy", "-k", 2, "-o", "model").exit_code == 2
    assert Path("model").read_bytes() == before


def test_a_defect_of_ours_is_not_hidden(monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("nonneg.cli.commands.open_matrix", broken)
    done = run("fit", "data.csv", "-k", 3, "-o", "x")
    assert isinstance(done.exception, ZeroDivisionError)


@pytest.mark.parametrize("command", ["", "fit", "transform", "info", "demo"])
def test_switches_have_no_type(command):
    assert "<bool>" not in ok(*command.split(), "--help").stdout


def test_version_and_help():
    assert ok("--version").stdout == f"nonneg {__version__}\n"
    for arguments in ([], ["--help"], ["fit", "--help"]):
        text = ok(*arguments).stdout
        assert "Usage:" in text
        assert "factorize" in text.lower()


COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_the_help_shows_flags_as_flags(name, monkeypatch):
    """No type stands behind a switch, and nothing is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    text = ok(*name.split(), "--help").stdout
    assert "<bool>" not in text.lower()
    assert "BOOLEAN" not in text
    assert max(map(len, text.splitlines())) <= 80
    for parameter in COMMANDS[name].params if name else ():
        assert parameter.opts[-1] in text or parameter.param_type_name == "argument"


def test_the_help_says_where_to_read_more(monkeypatch):
    assert "Documentation:" in " ".join(ok("--help").stdout.split())

    class Metadata:
        def get_all(self, name):
            return [
                "Source, https://example.org/s",
                "Documentation, https://example.org/",
            ]

    monkeypatch.setattr(commands, "metadata", lambda package: Metadata())
    assert commands.where_to_read().endswith("Documentation: https://example.org/")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell):
    """As the script that --install-completion writes asks for it."""
    words = "nonneg consensus --nei"
    setting = {
        "_NONNEG_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": words,
        "COMP_WORDS": words,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-m", "nonneg"], env={**os.environ, **setting},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "--neighbors" in done.stdout
    assert "--runs" not in done.stdout


class TestInterrupt:
    """Ctrl-C, as an exception at a place that is known."""

    def test_in_a_fit(self, monkeypatch):
        def interrupt(iteration):
            if iteration.n_iter == 4:
                raise KeyboardInterrupt

        monkeypatch.setattr(
            "nonneg.cli.progress.Display.callback",
            lambda self, max_time=None: interrupt,
        )
        done = run(
            "fit", "data.csv", "-k", 3, "-o", "model", "--tol", 0, "--save-w", "w.npy"
        )
        assert done.exit_code == 130
        assert done.stderr == "Interrupted; model holds the model found so far.\n"
        assert "interrupted after 4 iterations" in done.stdout
        model = load("model")
        assert model.n_iter_ == 4
        assert model.stop_reason_ == "interrupted"
        assert np.load("w.npy").shape == (30, 3)
        assert read_contents("model").header["left_out"] == []

    @pytest.mark.parametrize("place", ["actions.fit", "open_matrix"])
    def test_before_there_is_anything(self, monkeypatch, place):
        def interrupt(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr(f"nonneg.cli.commands.{place}", interrupt)
        done = run("fit", "data.csv", "-k", 3, "-o", "model")
        assert done.exit_code == 130
        assert done.stderr == "Interrupted. Nothing was written.\n"
        assert done.stdout == ""
        assert not os.path.exists("model")


class TestProcess:
    """Real processes: exit codes, streams, signals, terminals."""

    def run(self, *arguments, **options):
        return subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    def test_fit_and_info(self):
        done = self.run("fit", "data.csv", "-k", "2", "-o", "model", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)["n_components"] == 2
        assert done.stderr == ""
        done = self.run("info", "model")
        assert done.returncode == 0
        assert "2 components" in done.stdout

    def test_an_error(self):
        done = self.run("fit", "data.csv", "-k", "2", "-o", "model", "--init", "best")
        assert done.returncode == 2
        assert done.stdout == ""
        assert re.fullmatch(r"Error: [^\n]*'best'[^\n]*\n", done.stderr)

    def test_a_terminal_without_the_signs(self):
        done = self.run("--help", env={**os.environ, "PYTHONIOENCODING": "ascii"})
        assert done.returncode == 0
        assert "fit" in done.stdout

    def test_a_reader_that_leaves(self):
        done = subprocess.run(
            f'"{sys.executable}" -W ignore -m nonneg fit data.csv -k 2 -o m --tol 0.1 --json'
            " | true; exit ${PIPESTATUS[0]}",
            shell=True,
            executable="/bin/bash",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1)
        assert done.stderr == ""
        assert load("m").n_components_ == 2

    def test_sigint(self):
        """A signal from outside, after the second iteration."""
        code = (
            "import os, signal, sys\n"
            "from nonneg.cli import main, progress\n"
            "def send(iteration):\n"
            "    if iteration.n_iter == 2: os.kill(os.getpid(), signal.SIGINT)\n"
            "progress.Display.callback = lambda self, max_time=None: send\n"
            "sys.exit(main.main(sys.argv[1:]))\n"
        )
        fit = ["fit", "data.csv", "-k", "2", "-o", "model", "--tol", "0", "-q"]
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                code,
                *fit,
                "--max-iter",
                "999999999",
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 130
        assert done.stdout == ""
        assert done.stderr == "Interrupted; model holds the model found so far.\n"
        assert load("model").stop_reason_ == "interrupted"

    def test_progress_bar_in_a_terminal(self):
        code, text = in_terminal([*COMMAND, *OPEN_ENDED.split()])
        assert code == 0
        shown = re.search(
            r"Fitting .* iteration +\d+/10000000  objective [\d.]+e[+-]\d+  0:0\d left",
            text,
        )
        assert shown
        assert "Model written to model" in text
        assert "Traceback" not in text


def in_terminal(command):
    """Run a command in a pseudo-terminal; return its exit code and what was shown."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    shown = b""
    while True:
        if select.select([master], [], [], 120)[0]:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        else:
            process.kill()
            break
    os.close(master)
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


class TestMain:
    def test_without_typer_it_says_what_to_install(self, monkeypatch, capsys):
        for name in [
            m for m in sys.modules if m.startswith(("typer", "nonneg.cli.commands"))
        ]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.delitem(sys.modules, "nonneg.cli.errors")
        monkeypatch.delattr("nonneg.cli.commands", raising=False)
        monkeypatch.setitem(sys.modules, "typer", None)
        assert main.main(["--version"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err == (
            "Error: the command line needs typer and rich: pip install 'nonneg[cli]'.\n"
        )

    def test_codes(self, capsys):
        assert main.main(["--version"]) == 0
        assert main.main(["info", "none"]) == 2
        assert capsys.readouterr().out == f"nonneg {__version__}\n"


def test_nothing_is_left_running():
    before = threading.active_count()
    fit()
    assert threading.active_count() == before
