"""Arguments and options that commands share, and the panels of the help of `fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The matrix: .npy, .npz, .mtx, .csv, .tsv (the last three also .gz), "
        ".parquet, .h5, .h5ad (also file.h5::/path), a zarr or Parquet folder.",
        show_default=False,
    ),
]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file.", show_default=False)
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object and nothing else.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but errors and warnings.")
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header", help="Whether a text file begins with column names.",
        show_default="recognised",
    ),
]  # fmt: skip
RowNames = Annotated[
    bool | None,
    typer.Option(
        "--row-names/--no-row-names", help="Whether its first column holds names.",
        show_default="recognised",
    ),
]  # fmt: skip
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Threads to use.", show_default="all cores"),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Memory to stay within, such as 2GB; a matrix of more "
                 "than half of it is read in parts.", show_default="the free memory"),
]  # fmt: skip
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Fit on the Dask cluster of this scheduler, such as "
                 "tcp://host:8786. Its workers must see FILE.", show_default=False),
]  # fmt: skip
Top = Annotated[
    int, typer.Option(metavar="N", min=1, help="Features to show of each component.")
]

CHECKPOINTS = "Checkpoints"
Checkpoint = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="File to write the fit to from time to time.",
                 rich_help_panel=CHECKPOINTS),
]  # fmt: skip
CheckpointEvery = Annotated[
    str,
    typer.Option(metavar="X", rich_help_panel=CHECKPOINTS,
                 help="Seconds from one to the next; 10i: every 10 sweeps."),
]  # fmt: skip
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on from --checkpoint, if it is there.",
                 rich_help_panel=CHECKPOINTS),
]  # fmt: skip

COMPRESS: dict[str, Any] = {"no": False, "yes": True}
SPARSER = "Sparseness (solver pg)"
PENALTY = "Penalties"
START = "Start and end of the fit"


def panel(panel: str, *names: str, help: str, **more: Any) -> Any:
    """Option that the help shows in a panel of its own."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def number(option: str, text: str, *names: str) -> float:
    """Return the number that an option was given, which may also be one of the names.

    Raises
    ------
    ValueError
        If it is neither.
    """
    try:
        return float(text)
    except ValueError:
        allowed = " or ".join(map(repr, names))
        msg = f"Invalid value for {option}: {text!r} is neither a number nor {allowed}."
        raise ValueError(msg) from None


def checkpoint_parameters(
    checkpoint: Path | None, every: str, resume: bool
) -> dict[str, Any]:
    """Parameters of `NMF` by the options for checkpoints.

    Raises
    ------
    ValueError
        If there is nothing to resume from, or `every` is no number.
    """
    if resume and checkpoint is None:
        msg = "--resume needs --checkpoint, the file to go on from."
        raise ValueError(msg)
    sweeps = every.removesuffix("i")
    counts = sweeps != every and sweeps.isdecimal()
    return {
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "checkpoint_every": int(sweeps)
        if counts
        else number("--checkpoint-every", every, "10i"),
        "resume": resume,
    }
