"""Options of the commands: those of the table of parameters, and those that are shared."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..base.declaration import Names, Option, Parameter
from ..base.parameters import PARAMETERS
from ..fitting.plan_checks import AUTO
from ..initialization.given_start import INITS
from ..losses.beta import NAMES
from ..solvers.registry import solvers

NAMED = {p.name: p for p in PARAMETERS}
"""The parameters of a factorization by their names."""


def _offered(parameters: Iterable[Parameter]) -> list[tuple[Parameter, Option]]:
    """Parameters that are options, in their order."""
    return [(p, p.option) for p in parameters if p.option is not None]


def _names() -> Names:
    return Names((*solvers, AUTO), INITS, tuple(NAMES))


def _flags(parameter: Parameter, option: Option) -> tuple[str, ...]:
    return option.flags or (f"--{parameter.name.replace('_', '-')}",)


def _default(parameter: Parameter, option: Option) -> Any:
    """Return the number or text of an option that is left out; None if it is required."""
    if option.default is not ...:
        return option.default
    value = parameter.default
    return None if value is None else option.reads(value)


def typer_option(parameter: Parameter, option: Option) -> Any:
    """Return the option of a parameter as Typer shows and reads it."""
    names = _names()
    words = {"solvers": ", ".join(names.solvers), "losses": ", ".join(names.losses)}
    return typer.Option(
        *_flags(parameter, option),
        help=option.help.format(**words),
        metavar=option.metavar,
        rich_help_panel=option.panel,
        min=option.least,
        show_default=True if option.shown is None else option.shown,
    )


def with_options(
    before: str, parameters: Iterable[Parameter] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command so that it has the options of parameters and of reading.

    Parameters
    ----------
    before : str
        Argument of the command before which they stand in the help.
    parameters : iterable of Parameter, default=()
        Those that are options of the command, where they have one.

    Returns
    -------
    decorate : callable
        It expects a command that takes them as its `**options`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options = [_argument(*pair) for pair in _offered(parameters)]
        needed = [o for o in options if o.default is inspect.Parameter.empty]
        others = [o for o in options if o not in needed]
        arguments = []
        for argument in inspect.signature(command, eval_str=True).parameters.values():
            if argument.kind is inspect.Parameter.VAR_KEYWORD:
                continue
            if argument.kind is inspect.Parameter.KEYWORD_ONLY:
                arguments += needed
                needed = []
            if argument.name == before:
                arguments += [*others, *_reading_arguments()]
            arguments.append(argument)
        vars(command)["__signature__"] = inspect.Signature(arguments)
        return command

    return decorate


def _argument(parameter: Parameter, option: Option) -> inspect.Parameter:
    """Return the argument of a command that gets the value of an option."""
    default = _default(parameter, option)
    needed = option.default is None
    reads: Any = option.reads if needed or default is not None else option.reads | None
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if needed else default,
        annotation=Annotated[reads, typer_option(parameter, option)],
    )


def parameters_from(
    options: dict[str, Any], parameters: Iterable[Parameter]
) -> dict[str, Any]:
    """Return those of the parameters that are options, by what was given for them.

    Raises
    ------
    ValueError
        If the text of an option can't be converted, or there is nothing to resume from.
    """
    if options.get("resume") and options["checkpoint"] is None:
        msg = "--resume needs --checkpoint, the file to go on from."
        raise ValueError(msg)
    names = _names()
    values = {}
    for parameter, option in _offered(parameters):
        value = options[parameter.name]
        if option.convert is not None:
            value = option.convert(value, _flags(parameter, option)[-1], names)
        values[parameter.name] = value
    return values


Data = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The matrix: .npy, .npz, .mtx, .csv, .tsv, .txt (the last four also .gz), "
        ".parquet, .h5, .h5ad (also file.h5::/path), a zarr or Parquet folder.",
        show_default=False,
    ),
]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file.", show_default=False)
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object and nothing else."),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but errors and warnings."),
]
_READING: dict[str, tuple[Any, Any]] = {
    "header": (bool | None, typer.Option(
        "--header/--no-header",
        help="Whether a text file begins with column names.",
        show_default="recognised")),
    "row_names": (bool | None, typer.Option(
        "--row-names/--no-row-names",
        help="Whether its first column holds names.",
        show_default="recognised")),
    "separator": (str | None, typer.Option(
        metavar="CHAR", show_default="recognised",
        help="What separates its cells: a character, tab or blank.")),
    "encoding": (str | None, typer.Option(
        metavar="NAME", show_default="UTF-8",
        help="Its encoding, such as latin-1 or utf-16.")),
    "skip": (int, typer.Option(
        metavar="N", min=0, help="Its lines above the first row, such as a title.")),
    "empty": (float | None, typer.Option(
        metavar="NUMBER", show_default="refused",
        help="Number for its empty cells, and such as hold NA, NaN or null.")),
    "columns": (list[str], typer.Option(
        metavar="NAMES", show_default="all",
        help="Columns to read alone, by names or numbers (a,b,5-8).")),
    "drop": (list[str], typer.Option(
        metavar="NAMES", show_default="none", help="Columns to leave out.")),
}  # fmt: skip
"""Options that say how a data file is read, named as the arguments of `read_matrix`."""
_READING_DEFAULTS = {"skip": 0, "columns": [], "drop": []}


def _reading_arguments() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_READING_DEFAULTS.get(name),
            annotation=Annotated[kind, option],
        )
        for name, (kind, option) in _READING.items()
    ]


def reading_from(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `read_matrix` that the options stand for."""
    return {name: options[name] for name in _READING}


def _shared(name: str) -> Any:
    """Return the option of a parameter of a factorization."""
    return next(typer_option(*pair) for pair in _offered([NAMED[name]]))


Threads = Annotated[int | None, _shared("n_threads")]
MemoryLimit = Annotated[str | None, _shared("memory_limit")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Fit on the Dask cluster of this scheduler, such as "
                 "tcp://host:8786. Its workers must see FILE.", show_default=False),
]  # fmt: skip
Top = Annotated[
    int, typer.Option(metavar="N", min=1, help="Features to show of each component.")
]
