"""The commands of the command line: `fit`, `transform`, `info` and `demo`."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from .. import __version__
from ..analysis import report
from ..estimators.nmf import NMF
from ..io.model_files import load, read_contents, save
from ..io.writers import find_writer, write_matrix
from . import actions, demo
from .dask_client import connect, open_on_workers
from .errors import INTERRUPTED, OneLineErrors, say
from .inputs import open_matrix
from .options import (
    Data,
    Header,
    Json,
    MemoryLimit,
    Model,
    Quiet,
    RowNames,
    Scheduler,
    Threads,
    Top,
    parameters_from,
    with_parameters,
)
from .progress import show_progress


def _ignore(text: str) -> None:
    """Print nothing."""


app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    help="Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nonneg {__version__}")
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
            typer.echo(help_text)


@app.command()
@with_parameters(before="scheduler")
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
    only_plan: Annotated[
        bool,
        typer.Option("--plan", help="Print what the fit would do, and why; fit nothing."),
    ] = False,
    scheduler: Scheduler = None,
    header: Header = None,
    row_names: RowNames = None,
    top: Top = 8,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:  # fmt: skip
    """Factorize a matrix and write the model to a file."""
    if output is None and not only_plan:
        ctx.fail("Missing option '-o' / '--output'.")
    actions.check_outputs(data, output, save_w, options["checkpoint"])
    if save_w is not None:
        find_writer(save_w)
    model = NMF(**parameters_from(options))
    actions.check_parameters(model)
    client = None if scheduler is None else ctx.with_resource(connect(scheduler))
    with show_progress(not quiet) as display:
        display.stage(f"Reading {data.name}")
        table = open_matrix(
            data, memory_limit=options["memory_limit"], header=header, row_names=row_names,
            n_threads=model.n_threads, names_of_rows=save_w is not None,
        ) if client is None else open_on_workers(data, client, save_w is not None)  # fmt: skip
        if features is not None:
            table = actions.name_features(table, features)
        if output is None or only_plan:  # only a plan does without an output
            plan = model.plan(table.X)
            if as_json:
                _print_json("fit", {"data": str(data), "plan": plan.as_dict()})
            else:
                typer.echo(str(plan))
            return
        display.stage("Starting the fit")
        model.callback = display.callback(model.max_time)
        done = actions.fit(model, table, display.say)
    _write_model(done, data, output)
    files = {"data": str(data), "model": str(output)}
    if save_w is not None:
        names = model.get_feature_names_out().tolist()
        write_matrix(save_w, np.asarray(done.W), table.row_names, names)
        files["W"] = str(save_w)
    components = report.list_components(model, shares=done.shares, n_top=top)
    if as_json:
        _print_json("fit", files, done.summary, components)
    elif not quiet:
        _print_report(done.summary, components)
        typer.echo(f"\nModel written to {output}")
    if done.interrupted:
        say(f"Interrupted; {output} holds the model found so far.")
        raise typer.Exit(INTERRUPTED)


def _write_model(done: actions.CompletedFit, data: Path, output: Path) -> None:
    notes = {
        "data": str(data),
        "shares": done.shares.tolist(),
        "summary": done.summary.as_dict(),
    }
    save(done.model, output, notes=notes)


@app.command()
def transform(
    model_file: Model,
    data: Data,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", show_default=False,
                     help="W, by its suffix: .npy, .npz, .csv, .tsv (also .gz), "
                          ".parquet."),
    ],
    threads: Threads = None,
    memory_limit: MemoryLimit = None,
    header: Header = None,
    row_names: RowNames = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Compute W for a matrix and the components of a model."""
    actions.check_outputs(data, output)
    actions.check_outputs(model_file, output)
    find_writer(output)
    model = load(model_file)
    with show_progress(not quiet) as display:
        display.stage(f"Reading {data.name}")
        table = open_matrix(
            data, memory_limit=memory_limit, header=header, row_names=row_names,
            n_threads=threads, names_of_rows=True,
        )  # fmt: skip
        model.set_params(callback=display.callback(model.max_time))
        if threads is not None:
            model.set_params(n_threads=threads)
        if "memory_limit" in model.get_params():
            model.set_params(memory_limit=memory_limit)
        start = time.perf_counter()
        W = actions.transform(model, table, display.say)
        seconds = time.perf_counter() - start
    names = model.get_feature_names_out().tolist()
    write_matrix(output, W, table.row_names, names)
    if as_json:
        files = {"model": str(model_file), "data": str(data), "output": str(output)}
        size = {"n_samples": W.shape[0], "n_components": W.shape[1], "seconds": seconds}
        _print_json("transform", {**files, **size})
    elif not quiet:
        typer.echo(
            f"{W.shape[0]:,} × {W.shape[1]} matrix W in {report.format_seconds(seconds)}, "
            f"written to {output}"
        )


@app.command()
def info(
    model_file: Model,
    top: Top = 8,
    as_json: Json = False,
) -> None:
    """Show what a model file holds."""
    header = read_contents(model_file).header
    model = load(model_file)
    notes = header["notes"]
    shares = notes.get("shares")
    if shares is not None and len(shares) != model.n_components_:
        shares = None
    summary = _read_summary(notes) or report.summarize(model)
    components = report.list_components(model, shares=shares, n_top=top)
    params = header["params"]
    if as_json:
        keys = ("format_version", "nonneg_version", "class", "params", "left_out")
        facts = {"model": str(model_file), **{key: header[key] for key in keys}}
        _print_json("info", {**facts, "data": notes.get("data")}, summary, components)
        return
    origin = f", fitted to {notes['data']}" if "data" in notes else ""
    typer.echo(f"{header['class']} of nonneg {header['nonneg_version']}{origin}")
    defaults = type(model)().get_params()
    changed = [f"{k}={v!r}" for k, v in params.items() if v != defaults[k]]
    typer.echo(f"Parameters: {', '.join(changed) or 'all default'}\n")
    _print_report(summary, components)


def _read_summary(notes: Mapping[str, Any]) -> report.FitSummary | None:
    """Return the summary that `fit` left in the file, if it did."""
    try:
        return report.FitSummary(**notes["summary"])
    except (KeyError, TypeError):
        return None


@app.command(name="demo")
def run_demo(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="Picture to write (PNG)."),
    ] = Path(demo.PICTURE),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Factorize real data: Python's own documentation, and handwritten digits."""
    actions.check_outputs(Path(), output)
    silent = as_json or quiet
    with show_progress(not quiet) as display:
        display.stage("Reading the documentation of the standard library")
        with actions.report_warnings(display.say):
            result = demo.run(
                output,
                echo=_ignore if silent else display.echo,
                callback=display.callback(),
                width=_measure_width(),
            )
    if as_json:
        _print_json("demo", result)


def _print_report(
    summary: report.FitSummary, components: list[report.Component]
) -> None:
    typer.echo(report.format_summary(summary) + "\n")
    typer.echo(report.format_components(components, _measure_width()))


def _measure_width() -> int:
    """Columns of the terminal; 80 where the output is not one."""
    if not sys.stdout.isatty():
        return 80
    return max(40, shutil.get_terminal_size().columns)


def _print_json(
    command: str,
    facts: Mapping[str, Any],
    summary: report.FitSummary | None = None,
    components: list[report.Component] | None = None,
) -> None:
    whole = {"command": command, **facts}
    if summary is not None:
        whole |= summary.as_dict()
    if components is not None:
        whole["components"] = [
            dataclasses.asdict(component) for component in components
        ]
    typer.echo(json.dumps(actions.to_plain(whole), allow_nan=False))
