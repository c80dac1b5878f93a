"""A parameter is written in one place: all that follows from its entry is held equal to it."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect

import pytest
import typer.main

from nonneg import (
    NMF,
    NMFCV,
    MiniBatchNMF,
    bootstrap,
    consensus,
    non_negative_factorization,
    select_rank,
)
from nonneg.base import declaration
from nonneg.base.declaration import Names, Option, Parameter, parameters_of
from nonneg.base.minibatch_parameters import BATCH_PARAMETERS, BatchParameters
from nonneg.base.parameters import CHECKED_FIRST, PARAMETERS, Parameters
from nonneg.base.rules import BOOL
from nonneg.cli import (
    options,
    selection_commands,
)
from nonneg.cli.commands import app
from nonneg.selection.parameters import OF_FITS, SELECTION_PARAMETERS
from support.paths import ROOT

SIGNATURES = {
    declaration.NMF: (NMF.__init__, PARAMETERS),
    declaration.FUNCTION: (non_negative_factorization, PARAMETERS),
    declaration.BATCH: (MiniBatchNMF.__init__, BATCH_PARAMETERS),
    declaration.NMFCV: (NMFCV.__init__, SELECTION_PARAMETERS),
    declaration.RANK: (select_rank, SELECTION_PARAMETERS),
    declaration.CONSENSUS: (consensus, SELECTION_PARAMETERS),
    declaration.BOOTSTRAP: (bootstrap, SELECTION_PARAMETERS),
}
UNDECLARED = {
    "self", "X", "W", "H", "sample_weight", "feature_weight", "weights", "model",
}  # fmt: skip
"""Arrays and models, which no table describes."""
LEADING = {
    declaration.RANK: {"ranks"}, declaration.CONSENSUS: {"n_components"}
}  # fmt: skip
"""Arguments by position that have no default."""


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "write_parameters.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_sources_are_what_the_tool_writes(tool):
    for path, text in tool.written().items():
        assert path.read_text(encoding="utf-8") == text, "run tools/write_parameters.py"


@pytest.mark.parametrize("owner", SIGNATURES)
def test_the_signatures_are_those_of_the_table(owner):
    function, table = SIGNATURES[owner]
    arguments = [
        (p.name, p.default, p.annotation.replace("'", '"'))
        for p in inspect.signature(function).parameters.values()
        if p.name not in UNDECLARED | LEADING.get(owner, set())
    ]
    expected = [
        (p.name, p.default, p.annotation)
        for p in parameters_of(owner, table)
        if p.name not in UNDECLARED
    ]
    assert arguments == expected


@pytest.mark.parametrize("record", [Parameters, BatchParameters])
def test_the_record_has_what_the_signature_has(record):
    names = [p.name for p in record.table]
    assert len(set(names)) == len(names)
    own = {p.name: p.default for p in parameters_of(record.owner, record.table)}
    assert own.items() <= vars(record()).items()
    assert vars(record()).keys() <= set(names)
    assert set(CHECKED_FIRST) <= set(names)


def test_every_parameter_has_a_rule():
    """But for the number of threads, which is checked where it is resolved."""
    names = Names(("cd",), ("random",), ("frobenius",))
    without = {p.name for p in BATCH_PARAMETERS if p.rule_for(names) is None}
    assert without == {"n_threads"}
    for p in BATCH_PARAMETERS:
        rule = p.rule_for(names)
        assert rule is None or rule.is_satisfied(p.default), p.name


@pytest.mark.parametrize("owner", [declaration.NMFCV, declaration.RANK,
                                   declaration.CONSENSUS, declaration.BOOTSTRAP])  # fmt: skip
def test_defaults_of_a_selection_obey_their_rules(owner):
    names = Names(("auto",), ("random",), ("frobenius",))
    for p in parameters_of(owner, SELECTION_PARAMETERS):
        rule = p.rule_for(names)
        assert rule is None or rule.is_satisfied(p.default), p.name


def test_what_fits_of_a_selection_get_is_declared_for_each_owner():
    for owner in (declaration.NMFCV, declaration.RANK, declaration.CONSENSUS):
        assert {p.name for p in parameters_of(owner, SELECTION_PARAMETERS)} >= OF_FITS
    assert vars(Parameters()).keys() >= OF_FITS


@pytest.mark.parametrize(("name", "function", "parameters"), [
    ("fit", NMF, PARAMETERS),
    ("rank", select_rank, selection_commands.OF_RANK),
    ("consensus", consensus, selection_commands.OF_CONSENSUS),
])  # fmt: skip
def test_the_default_of_an_option_is_that_of_the_parameter(name, function, parameters):
    """But for the seed, so that a command gives the same model each time."""
    command = typer.main.get_command(app).commands[name]
    given = {p.name: p.default for p in command.params}
    values = options.parameters_from(given, parameters)
    values.pop("n_components", None)  # it has to be given
    defaults = inspect.signature(function).parameters
    differing = {name for name in values if values[name] != defaults[name].default}
    assert differing == {"random_state"}


TOY = Parameter(
    "wanted_gaps",
    "str | None",
    None,
    BOOL,
    """
    What a gap of X is.
    """,
    signatures=declaration.EVERYWHERE,
    option=Option("What a gap is.", metavar="WORD"),
)


def test_a_new_parameter_is_one_entry(tool):
    many = dataclasses.replace(TOY, signatures=tuple(SIGNATURES)[3:])
    sources = tool.written(
        (*PARAMETERS, TOY), (*BATCH_PARAMETERS, TOY), (*SELECTION_PARAMETERS, many)
    )
    written = {path.name: text for path, text in sources.items()}
    entry = "    wanted_gaps : str or None, default=None\n        What a gap of X is.\n"
    of_selection = "estimator.py", "rank.py", "many_starts.py", "uncertainty.py"
    for name in ("nmf.py", "minibatch_nmf.py", "functional.py", *of_selection):
        assert written[name].count(entry) == 1
        assert written[name].count("    wanted_gaps: str | None = None,\n") == 1
    for name in ("nmf.py", "minibatch_nmf.py"):
        assert written[name].count("        self.wanted_gaps = wanted_gaps\n") == 1
    assert "    wanted_gaps: str | None = None\n" in written["parameters.py"]
    assert "wanted_gaps" not in written["minibatch_parameters.py"]  # it inherits it

    toy, values = typer.Typer(), {}

    @toy.command()
    @options.with_options("quiet", (*PARAMETERS, TOY))
    def fit(*, quiet: bool = False, **given):
        values.update(options.parameters_from(given, (*PARAMETERS, TOY)))

    arguments = ["-k", "2", "--wanted-gaps", "zeros"]
    typer.main.get_command(toy)(arguments, standalone_mode=False)
    assert values["wanted_gaps"] == "zeros"
