"""Commands that end with an error or an interrupt leave all their outputs as they were."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from nonneg import NMF
from nonneg.analysis import report
from nonneg.cli import actions, demo, progress
from nonneg.cli import report_command as _report_command  # noqa: F401  (adds a command)
from nonneg.cli import selection_commands as _selection_commands  # noqa: F401
from nonneg.cli.commands import app
from nonneg.io.model_files import load, save
from nonneg.io.writers import write_matrix

X = np.random.default_rng(0).gamma(0.4, size=(30, 8))
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """A folder with data, a model, and a file at every name that is written to."""
    monkeypatch.chdir(tmp_path)
    columns = [f"word{j}" for j in range(8)]
    write_matrix("data.csv", X, None, columns)
    write_matrix("other.csv", X[:, :5], None, columns[:5])
    with open("late.csv", "w") as file:
        file.write(Path("data.csv").read_text() + "1,2,3,4,oops,6,7,8\n")
    model = NMF(2, tol=0.1, random_state=0).fit(X)
    model.feature_names_in_ = np.array(columns, dtype=object)
    save(model, "fitted")
    save(model, "model")
    for name in ("w.csv", "w.npz", "w.parquet", "w.npy", "w.tsv.gz", "plot.png",
                 "plot.svg", "page.html", "rank.json"):  # fmt: skip
        Path(name).write_bytes(b"as before")


FIT = "fit {data} -k 3 --tol 0.1 -o model"
COMMANDS = {
    "fit": FIT,
    "fit quietly": FIT + " -q",
    "fit as json": FIT + " --json",
    "fit and W as csv": FIT + " --save-w w.csv",
    "fit and W as npz": FIT + " --save-w w.npz",
    "fit and W as parquet": FIT + " --save-w w.parquet --json",
    "fit to a new file": FIT.replace("model", "new") + " --save-w new.csv",
    "transform to csv": "transform fitted {data} -o w.csv",
    "transform to npy": "transform fitted {data} -o w.npy --json",
    "transform to tsv.gz": "transform fitted {data} -o w.tsv.gz -q",
    "impute": "impute fitted {data} -o w.csv",
    "page": "report fitted {data} -o page.html",
    "rank": "rank {data} -k 1:2 --folds 2 -o rank.json --json",
    "consensus and W as csv": "consensus {data} -k 2 --runs 3 -o model --save-w w.csv "
                              "--plot plot.svg",
    "demo": "demo -o plot.png",
}  # fmt: skip


@dataclass
class Failure:
    """What goes wrong, and where."""

    error: BaseException | None = None
    place: Any = None
    """The object and the name of its function that fails."""
    n_before: int = 0
    """Calls that succeed before it."""
    data: str = "data.csv"
    but: tuple[str, ...] = ()
    """Fronts of the names of commands that it can't happen to."""


ALL_BUT_THE_DEMO = ("fit", "transform", "impute", "page", "rank", "consensus")
FAILURES = {
    "a bad cell at the end": Failure(data="late.csv", but=("demo",)),
    "no such file": Failure(data="none.csv", but=("demo",)),
    "other features": Failure(data="other.csv", but=("demo", "fit", "rank", "consensus")),
    "disk full": Failure(FULL, (os, "fsync")),
    "disk full at the second file": Failure(
        FULL, (os, "fsync"), 1),
    "a place that can't be taken": Failure(PermissionError(errno.EACCES, "no"),
                                           (Path, "replace")),
    "interrupted while writing": Failure(KeyboardInterrupt(), (os, "fsync")),
    "interrupted while files take their places": Failure(KeyboardInterrupt(),
                                                         (Path, "replace")),
    "a defect in the report": Failure(ZeroDivisionError(), (report, "list_components"),
                                      but=("demo", "transform", "impute", "page", "rank")),
    "a defect in drawing": Failure(ZeroDivisionError(), (demo, "plot_history"),
                                   but=ALL_BUT_THE_DEMO),
    "an interrupt in drawing": Failure(KeyboardInterrupt(), (demo, "plot_history"), 1,
                                       but=ALL_BUT_THE_DEMO),
    "a defect in what is printed": Failure(ZeroDivisionError(), (actions, "to_plain")),
}  # fmt: skip


def cases():
    for command, text in COMMANDS.items():
        for failure, facts in FAILURES.items():
            two = "W as" in command or "new file" in command
            printed = "--json" in text
            if failure == "disk full at the second file" and not two:
                continue
            if failure == "a defect in what is printed" and not printed:
                continue
            if not command.startswith(facts.but or ("none",)):
                yield command, failure


def run(command, data="data.csv"):
    return CliRunner().invoke(app, command.format(data=data).split())


def fails(monkeypatch, place, name, error, n_before):
    """Let a function fail after some calls."""
    function, calls = getattr(place, name), []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) > n_before:
            raise error
        return function(*args, **kwargs)

    monkeypatch.setattr(place, name, failing)


def files():
    return {name: Path(name).read_bytes() for name in sorted(os.listdir())}


def make_the_demo_short(monkeypatch):
    done = NMF(2, tol=0.1, random_state=0).fit(np.ones((4, 64)) + np.eye(4, 64))
    summary = report.summarize(done)
    components = report.list_components(done)
    part = demo.DemoFit("part", "ones", done, summary, components, np.ones(2) / 2)
    monkeypatch.setattr(demo, "factorize_documents", lambda callback=None: part)
    monkeypatch.setattr(demo, "factorize_digits", lambda callback=None: part)


@pytest.mark.parametrize(("command", "failure"), list(cases()))
def test_a_failure_leaves_every_file_as_it_was(command, failure, monkeypatch):
    if command == "demo":
        make_the_demo_short(monkeypatch)
    facts = FAILURES[failure]
    before = files()
    with monkeypatch.context() as patch:
        if facts.place is not None:
            fails(patch, *facts.place, facts.error, facts.n_before)
        done = run(COMMANDS[command], facts.data)
    assert done.exit_code != 0
    assert files() == before
    if isinstance(facts.error, ZeroDivisionError):
        assert done.exception is facts.error
        return
    is_new = "new" in command
    said = "Nothing was written." if is_new else "as before."
    assert done.stderr.strip().endswith(said)
    assert done.stderr.count("\n") == 1
    assert "Error" in done.stderr or done.exit_code == 130


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_failure_all_files_are_new(command, monkeypatch):
    if command == "demo":
        make_the_demo_short(monkeypatch)
    before = files()
    done = run(COMMANDS[command])
    assert done.exit_code == 0, done.output
    after = files()
    named = [word for word in COMMANDS[command].split() if word in {*before, *after}]
    outputs = {name for name in named if name not in ("fit", "fitted")}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == outputs


@pytest.mark.parametrize("name", ["model", "model.nonneg", "w.nonneg.npz", "new"])
def test_an_interrupted_fit_is_kept_beside_what_was_there(name, monkeypatch):
    def interrupt(iteration):
        if iteration.n_iter == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.Display, "callback", lambda *_: interrupt)
    if name != "new":
        save(load("fitted"), name)
    before = files()
    kept = []
    for _ in range(2):
        command = f"fit data.csv -k 3 --tol 0 -o {name} --save-w w.csv"
        done = run(command)
        assert done.exit_code == 130
        kept.append(done.stderr.split()[1])
        assert load(kept[-1]).n_iter_ == 3
        assert "w.csv" in done.stderr.partition(", and ")[2]
    assert len({*kept, name}) == 3 - (name == "new")
    after = files()
    assert {n: after[n] for n in before} == before
    assert len(after) == len(before) + 4


def test_a_checkpoint_goes_on_and_is_not_an_output(monkeypatch):
    """It is what an interrupted fit goes on from; bad input leaves it alone."""
    command = FIT + " --checkpoint c --checkpoint-every 1"
    assert run(command).exit_code == 0
    before = files()
    assert run(command, "late.csv").exit_code == 2
    assert files() == before
    with monkeypatch.context() as patch:
        fails(patch, report, "list_components", FULL, 0)
        done = run(command + " --resume")
    assert done.exit_code == 2
    assert files() == before
    assert run(command + " --resume").exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        "fit data.csv -k 2 -o data.csv",
        "fit data.csv -k 2 -o names --features names",
        "fit data.csv -k 2 -o model --save-w model",
        "fit data.csv -k 2 -o model --checkpoint model",
        "transform fitted data.csv -o fitted.npy",
        "transform fitted data.csv -o .",
    ],
)
def test_files_that_would_write_over_each_other_are_refused(command):
    Path("names").write_text("\n".join("abcdefgh"))
    os.symlink("fitted", "fitted.npy")
    before = files()
    done = run(command)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert files() == before
