"""The command `report`: a fit as one HTML file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from ..io.model_files import read_contents
from ..io.readers import read_matrix
from ..reporting.page import TITLE
from ..reporting.page import report as make_report
from . import actions
from .commands import app
from .errors import PlainCommand
from .inputs import open_matrix
from .models import load_matrix_model
from .options import (
    Json,
    MemoryLimit,
    Model,
    Quiet,
    Threads,
    reading_from,
    with_options,
)
from .outputs import open_outputs
from .progress import show_progress
from .results import to_json
from .terminal import echo


@app.command(name="report", cls=PlainCommand)
@with_options("as_json")
def write_report(
    model_file: Model,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="The matrix, for W and the residuals; in any format that `fit` reads.",
        ),
    ] = None,
    *,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", show_default=False,
                     help="HTML file to write."),
    ],
    weights: Annotated[
        Path | None,
        typer.Option("--w", metavar="FILE", help="W of the fit, as `fit --save-w` wrote it; "
                                                 "otherwise it is computed from the matrix."),
    ] = None,
    rank: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rank selection, as `rank -o` wrote it."),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Show components as images of this size, as 28x28."),
    ] = None,
    ordered: Annotated[
        bool,
        typer.Option("--ordered", metavar="", help="Show components as lines: the features "
                                                   "are in order, as in a spectrum."),
    ] = False,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the page.")] = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Features and rows of each component.")
    ] = 12,
    threads: Threads = None,
    memory_limit: MemoryLimit = None,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:  # fmt: skip
    """Write a report of a fit as one HTML file, which needs no network."""
    with open_outputs((model_file, data, weights, rank), (output,)) as files:
        shape = None if image is None else parse_size(image)
        notes = read_contents(model_file).header["notes"]
        model = load_matrix_model(model_file, "report")
        if threads is not None:
            model.set_params(n_threads=threads)
        X, rows, W = None, None, None
        with show_progress(not quiet) as display, actions.report_warnings(display.say):
            if data is not None:
                display.stage(f"Reading {data.name}")
                table = open_matrix(
                    data, memory_limit=memory_limit, n_threads=threads,
                    names_of_rows=True,
                    missing_values=model.get_params().get("missing_values"),
                    **reading_from(options),
                )  # fmt: skip
                X, rows = actions.align_columns(model, table), table.row_names
            if weights is not None:
                W_table = read_matrix(weights)
                W, rows = W_table.X, W_table.row_names if rows is None else rows
            elif data is not None:
                display.stage("Computing W")
                W = actions.transform(model, table, display.say)
            display.stage("Writing the report")
            page = make_report(
                model, X, W=W, row_names=rows, image_shape=shape,
                axis=True if ordered else None, rank=rank, n_top=top,
                title=title or f"{TITLE}: {model_file.stem}",
                data=str(data or notes.get("data", "")), notes=notes,
            )  # fmt: skip
        content = page.html.encode()
        with files.open(output) as file:
            file.write(content)
        text = f"Report of {len(content) / 1e3:,.0f} kB written to {output}"
        if as_json:
            facts = {
                "model": str(model_file),
                "output": str(output),
                "bytes": len(content),
            }
            text = to_json(
                "report", {**facts, "data": None if data is None else str(data)}
            )
        files.publish()
    if as_json or not quiet:
        echo(text)


def parse_size(text: str) -> tuple[int, int]:
    """Return the height and width that a text such as "28x28" stands for.

    Raises
    ------
    ValueError
        If it stands for none.
    """
    match = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if match is None:
        msg = f"--image {text!r} is no size. Write height and width as 28x28."
        raise ValueError(msg)
    return int(match[1]), int(match[2])
