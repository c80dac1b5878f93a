"""The commands `rank` and `consensus`: how many components, and how stable they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..analysis import report
from ..base.declaration import CONSENSUS, RANK, parameters_of
from ..base.live_bar import part_and_text
from ..io.model_files import write_model
from ..io.output_files import OutputFiles
from ..io.writers import find_writer
from ..selection.many_starts import Consensus, consensus
from ..selection.parameters import SELECTION_PARAMETERS
from ..selection.rank import select_rank
from ..selection.rank_cells import describe_cell
from ..selection.rank_selection import RankSelection
from ..selection.run_groups import describe_group
from . import actions
from .commands import app
from .errors import INTERRUPTED, PlainCommand
from .inputs import open_matrix, read_weights
from .options import (
    NAMED,
    Data,
    Json,
    Quiet,
    Top,
    parameters_from,
    reading_from,
    with_options,
)
from .outputs import open_outputs
from .progress import Display, show_progress
from .results import to_json
from .terminal import echo, measure_width, say

OF_RANK = parameters_of(RANK, SELECTION_PARAMETERS)
OF_CONSENSUS = (
    NAMED["n_components"], *parameters_of(CONSENSUS, SELECTION_PARAMETERS)
)  # fmt: skip
Picture = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Picture to write: .png, .svg, .pdf."),
]


def parse_ranks(text: str) -> list[int]:
    """Return the ranks that a text such as "2:30", "5:30:5" or "2,4,8" stands for.

    Raises
    ------
    ValueError
        If it stands for none.
    """
    ranks: list[int] = []
    try:
        for part in text.split(","):
            first, *rest = (int(number) for number in part.split(":"))
            last = rest[0] if rest else first
            step = rest[1] if len(rest) > 1 else 1
            if len(rest) > 2 or first < 1 or step < 1 or last < first:
                raise ValueError
            ranks += range(first, last + 1, step)
    except ValueError:
        msg = (
            f"--ranks {text!r} stands for no numbers of components. Write 2:30 for 2 to 30, "
            "5:30:5 for every fifth, or 2,4,8."
        )
        raise ValueError(msg) from None
    return ranks


@app.command(cls=PlainCommand)
@with_options("plot", OF_RANK)
def rank(
    data: Data,
    *,
    ranks: Annotated[
        str,
        typer.Option("-k", "--ranks", metavar="RANGE", show_default=False,
                     help="Numbers of components to try: 2:30, 5:30:5 or 2,4,8."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE",
                     help="JSON file to write the selection to."),
    ] = None,
    sample_weight: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of the rows: one number a line, or .npy."),
    ] = None,
    plot: Picture = None,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:  # fmt: skip
    """Select the number of components by cross-validation."""
    checkpoint, interrupted = options["checkpoint"], False
    with open_outputs((data, sample_weight), (output, plot), checkpoint) as files:
        tried, kind = parse_ranks(ranks), _kind_of(plot)
        parameters = parameters_from(options, OF_RANK)
        with show_progress(not quiet) as display, actions.report_warnings(display.say):
            table = _read(
                data, options, display, missing_values=parameters["missing_values"]
            )
            if sample_weight is not None:
                weights = read_weights(sample_weight, table.X.shape[0])
                parameters["sample_weight"] = weights
            try:
                selection = select_rank(
                    table.X,
                    tried,
                    callback=_shows(display, describe_cell),
                    **parameters,
                )
            except KeyboardInterrupt as interrupt:
                so_far = vars(interrupt).get("result")
                if so_far is None:
                    raise
                selection, interrupted = so_far, True
        if not interrupted:
            _write_selection(files, selection, output, plot, kind)
        facts = {"data": str(data), **selection.as_dict()}
        text = to_json("rank", facts) if as_json else str(selection)
        if not interrupted:
            files.publish()
    if as_json or not quiet:
        echo(text)
    if interrupted:
        kept = f"; {checkpoint} has them, for --resume" if checkpoint else ""
        say(
            f"Interrupted; this is by the fits that had ended{kept}. No file was written."
        )
        raise typer.Exit(INTERRUPTED)


def _read(
    data: Path,
    options: dict[str, Any],
    display: Display,
    *,
    names_of_rows: bool = False,
    missing_values: Any = None,
) -> Any:
    display.stage(f"Reading {data.name}")
    return open_matrix(
        data, memory_limit=options["memory_limit"], n_threads=options["n_threads"],
        names_of_rows=names_of_rows, missing_values=missing_values,
        **reading_from(options),
    )  # fmt: skip


def _shows(
    display: Display, describe: Callable[[Any], tuple[int, int, float, str]]
) -> Callable[[Any], None]:
    """Return the callback that shows finished parts by their description."""
    return lambda record: display.show(*part_and_text(*describe(record)))


def _write_selection(
    files: OutputFiles,
    selection: RankSelection,
    output: Path | None,
    plot: Path | None,
    kind: str,
) -> None:
    if plot is not None:
        with files.open(plot) as file:
            figure = selection.plot().figure
            figure.savefig(file, format=kind, dpi=150, bbox_inches="tight")
    if output is not None:
        with files.open(output) as file:
            file.write(selection.to_json().encode())


def _kind_of(plot: Path | None) -> str:
    """Return the format of a picture by its suffix."""
    kind = "png" if plot is None else plot.suffix.removeprefix(".").lower()
    if kind not in ("png", "svg", "pdf"):
        msg = f"{str(plot)!r}: pictures are written as .png, .svg or .pdf."
        raise ValueError(msg)
    return kind


@app.command(name="consensus", cls=PlainCommand)
@with_options("plot", OF_CONSENSUS)
def run_consensus(
    data: Data,
    *,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="MODEL", show_default=False,
                     help="Model file to write."),
    ],
    plot: Picture = None,
    save_w: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write W as well.")
    ] = None,
    top: Top = 8,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:  # fmt: skip
    """Fit many random starts, and write the components that they agree on."""
    places = (output, save_w, plot)
    with open_outputs((data,), places, options["checkpoint"]) as files:
        kind, write_W = _kind_of(plot), None if save_w is None else find_writer(save_w)
        parameters = parameters_from(options, OF_CONSENSUS)
        with show_progress(not quiet) as display, actions.report_warnings(display.say):
            table = _read(data, options, display, names_of_rows=save_w is not None)
            agreed = consensus(
                table.X, callback=_shows(display, describe_group), **parameters
            )
        model = agreed.model
        if table.column_names is not None:
            model.feature_names_in_ = np.array(table.column_names, dtype=object)
        shares = report.component_shares(agreed.W, agreed.components_)
        if plot is not None:
            with files.open(plot) as file:
                agreed.plot().savefig(file, format=kind, dpi=150, bbox_inches="tight")
        if save_w is not None and write_W is not None:
            names = model.get_feature_names_out().tolist()
            with files.open(save_w) as file:
                write_W(file, agreed.W, table.row_names, names)
        notes = {
            "data": str(data),
            "shares": shares.tolist(),
            "consensus": _facts(agreed),
        }
        with files.open(output) as file:
            write_model(file, model, notes)
        norm = report.frobenius_norm(table.X)
        summary = report.summarize(model, n_samples=len(agreed.W), norm=norm)
        components = report.list_components(model, shares=shares, n_top=top)
        if as_json:
            facts = {
                "data": str(data),
                "model": str(output),
                "consensus": _facts(agreed),
            }
            text = to_json("consensus", facts, summary, components)
        else:
            listed = report.format_components(components, measure_width())
            text = (
                f"{agreed}\n\n{listed}\n\n{_stability_lines(agreed)}\n\n"
                f"Model written to {output}"
            )
        files.publish()
    if as_json or not quiet:
        echo(text)


def _facts(agreed: Consensus) -> dict[str, Any]:
    return {
        "n_runs": len(agreed.spectra),
        "dropped": float(1 - agreed.kept.mean()),
        "silhouette": agreed.silhouette.tolist(),
        "share_of_runs": agreed.share_of_runs.tolist(),
        "dispersion": agreed.dispersion,
        "cophenetic": agreed.cophenetic,
    }


def _stability_lines(agreed: Consensus) -> str:
    lines = [" #  silhouette  share of runs"]
    lines += [
        f"{t:>2}  {silhouette:>10.2f}  {100 * share:>11.0f} %"
        for t, (silhouette, share) in enumerate(
            zip(agreed.silhouette, agreed.share_of_runs, strict=True)
        )
    ]
    return "\n".join(lines)
