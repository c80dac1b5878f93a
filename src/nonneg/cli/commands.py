"""The commands of the command line: `fit`, `transform`, `impute` and `demo`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from .. import __version__
from ..analysis import report
from ..base.parameters import PARAMETERS
from ..estimators.nmf import NMF
from ..io.model_files import write_model
from ..io.output_files import OutputFiles
from ..io.readers import Table
from ..io.writers import find_writer
from . import actions, demo
from .constraint_options import Fix, SmoothWeights, SumToOne, constrain, prefer_auto
from .dask_client import connect, open_on_workers
from .errors import INTERRUPTED, OneLineErrors, PlainCommand
from .inputs import open_matrix, read_weights
from .models import MatrixModel, load_factor_model, load_matrix_model
from .options import (
    Data,
    Json,
    MemoryLimit,
    Model,
    Quiet,
    Scheduler,
    Threads,
    Top,
    parameters_from,
    reading_from,
    with_options,
)
from .outputs import name_beside, open_outputs
from .progress import Display, show_progress
from .results import describe_fit, describe_interrupt, to_json
from .terminal import echo, measure_width, say


def _ignore(text: str) -> None:
    """Print nothing."""


def where_to_read() -> str:
    """Return the sentence that ends the help: where the documentation is.

    It has the address in the metadata of the installed package, once there is one.
    """
    try:
        addresses = metadata("nonneg").get_all("Project-URL") or []
    except PackageNotFoundError:
        addresses = []
    named = dict(address.split(", ", 1) for address in addresses)
    place = named.get("Documentation", "docs/ in the sources, a site by `make docs`")
    return f"Each command has its own --help. Documentation: {place}"


app = typer.Typer(
    cls=OneLineErrors,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    help="Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0.",
    epilog=where_to_read(),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        echo(f"nonneg {__version__}")
        raise typer.Exit


@app.callback()
def _show_help(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        help_text = ctx.get_help()  # empty where rich has printed it
        if help_text:
            echo(help_text)


@app.command(cls=PlainCommand)
@with_options("scheduler", PARAMETERS)
def fit(
    ctx: typer.Context,
    data: Data,
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="MODEL", show_default=False,
                     help="Model file to write; needed without --plan."),
    ] = None,
    save_w: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write W as well, as `transform` does."),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Text file with one feature name a line."),
    ] = None,
    sample_weight: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of the rows: one number a line, or .npy."),
    ] = None,
    fix: Fix = None,
    sum_to_one: SumToOne = [],  # noqa: B006  (never written to)
    smooth: SmoothWeights = [],  # noqa: B006
    only_plan: Annotated[
        bool,
        typer.Option("--plan", help="Print what the fit would do, and why; fit nothing."),
    ] = False,
    scheduler: Scheduler = None,
    top: Top = 8,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:  # fmt: skip
    """Factorize a matrix and write the model to a file."""
    if output is None and not only_plan:
        ctx.fail("Missing option '-o' / '--output'.")
    written = () if output is None or only_plan else (output, save_w)
    with open_outputs(
        (data, features, sample_weight, fix), written, options["checkpoint"]
    ) as files:
        if save_w is not None:
            find_writer(save_w)
        if fix or sum_to_one or smooth:
            prefer_auto(ctx, options)
        model = NMF(**parameters_from(options, PARAMETERS))
        actions.check_parameters(model)
        client = None if scheduler is None else ctx.with_resource(connect(scheduler))
        with show_progress(not quiet) as display:
            display.stage(f"Reading {data.name}")
            with actions.report_warnings(display.say):
                table = open_matrix(
                    data, memory_limit=options["memory_limit"],
                    n_threads=model.n_threads, names_of_rows=save_w is not None,
                    missing_values=model.missing_values, **reading_from(options),
                ) if client is None else open_on_workers(data, client, save_w is not None)  # fmt: skip
            if features is not None:
                table = actions.name_features(table, features)
            with actions.report_warnings(display.say):
                constrain(model, table, fix, sum_to_one, smooth)
            if not written:
                _print_plan(model, data, table, as_json)
                return
            display.stage("Starting the fit")
            model.callback = display.callback(model.max_time)
            weights = None
            if sample_weight is not None:
                weights = read_weights(sample_weight, table.X.shape[0])
            done = actions.fit(model, table, display.say, weights)
        places = [
            p if p is None or not done.interrupted else name_beside(p) for p in written
        ]
        _write_fit(files, done, data, table, places)
        text = describe_fit(done, data, places, top, as_json)
        files.publish()
    if as_json or not quiet:
        echo(text)
    if done.interrupted:
        say(describe_interrupt(written, places))
        raise typer.Exit(INTERRUPTED)


def _print_plan(model: NMF, data: Path, table: Table, as_json: bool) -> None:
    plan = model.plan(table.X)
    if as_json:
        echo(to_json("fit", {"data": str(data), "plan": plan.as_dict()}))
    else:
        echo(str(plan))


def _write_fit(
    files: OutputFiles,
    done: actions.CompletedFit,
    data: Path,
    table: Table,
    places: Sequence[Path | None],
) -> None:
    output, save_w = places
    assert output is not None
    notes = {
        "data": str(data),
        "shares": done.shares.tolist(),
        "summary": done.summary.as_dict(),
    }
    with files.open(output) as file:
        write_model(file, done.model, notes)
    if save_w is not None:
        names = done.model.get_feature_names_out().tolist()
        with files.open(save_w) as file:
            find_writer(save_w)(file, np.asarray(done.W), table.row_names, names)


def _read_for(
    model: MatrixModel,
    data: Path,
    missing_values: Any,
    display: Display,
    *,
    n_threads: int | None,
    **reading: Any,
) -> Table:
    """Read the matrix for a loaded model, which takes the number of threads."""
    display.stage(f"Reading {data.name}")
    with actions.report_warnings(display.say):
        table = open_matrix(
            data, n_threads=n_threads, names_of_rows=True,
            missing_values=missing_values, **reading,
        )  # fmt: skip
    if n_threads is not None:
        model.set_params(n_threads=n_threads)
    return table


@app.command(cls=PlainCommand)
@with_options("as_json")
def transform(
    model_file: Model,
    data: Data,
    *,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", show_default=False,
                     help="W, by its suffix: .npy, .npz, .csv, .tsv (also .gz), "
                          ".parquet."),
    ],
    threads: Threads = None,
    memory_limit: MemoryLimit = None,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:  # fmt: skip
    """Compute W for a matrix and the components of a model."""
    with open_outputs((data, model_file), (output,)) as files:
        write = find_writer(output)
        model = load_matrix_model(model_file, "transform")
        with show_progress(not quiet) as display:
            table = _read_for(
                model, data, model.get_params().get("missing_values"), display,
                memory_limit=memory_limit, n_threads=threads, **reading_from(options),
            )  # fmt: skip
            model.set_params(callback=display.callback(model.max_time))
            if "memory_limit" in model.get_params():
                model.set_params(memory_limit=memory_limit)
            start = time.perf_counter()
            W = actions.transform(model, table, display.say)
            seconds = time.perf_counter() - start
        with files.open(output) as file:
            write(file, W, table.row_names, model.get_feature_names_out().tolist())
        facts = {"model": str(model_file), "data": str(data), "output": str(output)}
        size = {"n_samples": W.shape[0], "n_components": W.shape[1], "seconds": seconds}
        text = to_json("transform", {**facts, **size}) if as_json else (
            f"{W.shape[0]:,} × {W.shape[1]} matrix W in {report.format_seconds(seconds)}, "
            f"written to {output}"
        )  # fmt: skip
        files.publish()
    if as_json or not quiet:
        echo(text)


@app.command(cls=PlainCommand)
@with_options("as_json")
def impute(
    model_file: Model,
    data: Data,
    *,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", show_default=False,
                     help="The filled matrix, by its suffix: .npy, .npz, .csv, .tsv (also "
                          ".gz), .parquet."),
    ],
    threads: Threads = None,
    memory_limit: MemoryLimit = None,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:  # fmt: skip
    """Fill the missing entries of a matrix with those of W·H."""
    with open_outputs((data, model_file), (output,)) as files:
        write = find_writer(output)
        model = load_factor_model(model_file, "impute")
        by_nan = model.missing_values is None
        with show_progress(not quiet) as display:
            table = _read_for(
                model, data, np.nan if by_nan else model.missing_values, display,
                memory_limit=memory_limit, n_threads=threads, **reading_from(options),
            )  # fmt: skip
            filled, n_filled = actions.impute(model, table, display.say)
        names = report.fitted_names(model) or table.column_names
        with files.open(output) as file:
            write(file, filled, table.row_names, names)
        size = {
            "n_samples": filled.shape[0],
            "n_features": filled.shape[1],
            "n_filled": n_filled,
        }
        facts = {"model": str(model_file), "data": str(data), "output": str(output)}
        text = to_json("impute", {**facts, **size}) if as_json else (
            f"{filled.shape[0]:,} × {filled.shape[1]:,} matrix, {n_filled:,} entries filled, "
            f"written to {output}"
        )  # fmt: skip
        files.publish()
    if as_json or not quiet:
        echo(text)


@app.command(name="demo", cls=PlainCommand)
def run_demo(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="Picture to write (PNG)."),
    ] = Path(demo.PICTURE),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Factorize real data: Python's own documentation, and handwritten digits."""
    silent = as_json or quiet
    with open_outputs((), (output,)) as files, show_progress(not quiet) as display:
        display.stage("Reading the documentation of the standard library")
        with actions.report_warnings(display.say):
            result = demo.run(
                output,
                echo=_ignore if silent else display.echo,
                callback=display.callback(),
                width=measure_width(),
                files=files,
            )
        files.publish()
    if as_json:
        echo(to_json("demo", result))
