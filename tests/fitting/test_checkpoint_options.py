"""Checkpoints from the command line: `nonneg fit --checkpoint … --resume`."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from nonneg import NMF
from nonneg.cli.commands import app
from nonneg.io.model_files import load, read_contents

X = np.random.default_rng(0).gamma(0.4, size=(30, 8))


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("data.npy", X)


def fit(*options):
    known = ["fit", "data.npy", "-k", 3, "-o", "model", "--tol", 1e-9]
    return CliRunner().invoke(app, [str(option) for option in (*known, *options)])


def test_a_fit_goes_on_to_the_model_of_the_library():
    done = fit("--checkpoint", "fit.ckpt", "--max-iter", 7)
    assert done.exit_code == 0, done.output
    assert load("model").n_iter_ == 7
    done = fit("--checkpoint", "fit.ckpt", "--resume", "--max-iter", 30)
    assert done.exit_code == 0, done.output
    whole = NMF(3, random_state=0, tol=1e-9, max_iter=30)
    with pytest.warns(Warning, match="Maximum number"):
        whole.fit(X)
    model = load("model")
    np.testing.assert_array_equal(model.components_, whole.components_)
    assert model.n_iter_ == len(model.history_["residual"]) == 30
    assert np.array_equal(model.history_["residual"], whole.history_["residual"])
    assert read_contents("model").header["params"]["resume"] is True
    assert read_contents("model").header["params"]["checkpoint"] == "fit.ckpt"


@pytest.mark.parametrize(("text", "value"), [("90", 90.0), ("0.5", 0.5), ("10i", 10)])
def test_seconds_or_iterations(text, value):
    done = fit("--checkpoint", "fit.ckpt", "--checkpoint-every", text)
    assert done.exit_code == 0, done.output
    found = load("model").checkpoint_every
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--resume"], "--resume needs --checkpoint"),
        (["--checkpoint", "c", "--checkpoint-every", "often"], "neither a number nor"),
        (["--checkpoint", "c", "--checkpoint-every", "0"], "'checkpoint_every'"),
        (["--checkpoint", "no/c"], "No such folder"),
        (["--checkpoint", "data.npy"], "'data.npy' is the input"),
        (["--checkpoint", "model"], "'model' is written already"),
    ],
)
def test_wrong_options_are_one_line(options, sentence):
    done = fit(*options)
    assert done.exit_code == 2
    assert sentence in done.output
    assert len(done.stderr.splitlines()) == 1


def test_a_checkpoint_of_another_fit_is_one_line():
    assert fit("--checkpoint", "c").exit_code == 0
    done = fit("--checkpoint", "c", "--resume", "--alpha", 0.1)
    assert done.exit_code == 2
    assert "of another fit: its parameter alpha is 0.0, here it is 0.1" in done.stderr
    assert len(done.stderr.splitlines()) == 1
