"""The table of the parameters that scikit-learn's NMF does not have; new ones go here."""

from __future__ import annotations

import math
import os
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from .constraint import is_constraints
from .declaration import (
    BATCH,
    EVERYWHERE,
    FUNCTION,
    NMF,
    Names,
    Option,
    Parameter,
    by_word,
    number,
)
from .inherited_parameters import START
from .memory_size import is_limit
from .rules import BOOL, Rule, is_bool, is_integer, is_real, is_word, positive_integer

CHECKPOINTS = "Checkpoints"


def _interval_of(text: str, flag: str, _: Names) -> float | int:
    iterations = text.removesuffix("i")
    counts = iterations != text and iterations.isdecimal()
    return int(iterations) if counts else number(text, flag, "10i")


def _is_missing_value(value: Any) -> bool:
    """Whether `value` says which entries are missing."""
    if value is None or is_word(value, "unstored"):
        return True
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return False
    return math.isnan(value) or value == 0


MISSING = Rule(
    _is_missing_value,
    "numpy.nan, 0, a str among {'unstored'} or None",
    "Pass what stands for a missing entry of X, or None where none is missing.",
)

CONSTRAINED = Rule(
    is_constraints,
    "a constraint of nonneg.constraints, a list of them or None",
    "Pass objects such as nonneg.constraints.Simplex(), not classes or names.",
)
CONSTRAINTS = "ConstraintBase | Sequence[ConstraintBase] | None"


ADDED: tuple[Parameter, ...] = (
    Parameter(
        "n_init", "int", 1,
        positive_integer("Pass the number of starts, 1 for a single one."),
        """
        Number of starts, fitted together; the best one is kept. The first is as `init`
        and `random_state` say, the others are random, with seeds drawn from
        `random_state`. "cd", "hals" and "bpp" read X once per iteration for all of them
        (for as many as 48 MB of sums over X allow). Of a small X, after a compressed start,
        and with `blocks`, each start reads X for itself.
        """,
        option=Option("Starts, the best of which is kept.", int, "N", START, least=1),
    ),
    Parameter(
        "max_time", "float | None", None,
        Rule(
            lambda v: v is None or (is_real(v) and v > 0),
            "a float in the range (0.0, inf) or None",
            "Pass seconds, or None for no limit.",
        ),
        """
        Seconds that the whole call may take, the start and the last solve included. What
        runs at their end is cut short: the factors are the best so far, and a fit that is
        cut before its first iteration warns. `transform` leaves rows as they started, and
        warns. Checks of an X in memory are always finished.
        """,
        signatures=EVERYWHERE, resumable=True,
        option=Option("Seconds that the whole fit may take.", float, "X", START),
    ),
    Parameter(
        "callback", "Callable[[Iteration], bool | None] | None", None,
        Rule(
            lambda v: v is None or callable(v),
            "a callable or None",
            "It is called with an `Iteration` and may return True to stop.",
        ),
        """
        Called after each iteration with an `Iteration` (n_iter, objective, residual,
        seconds); the fit ends if it returns True.
        """,
        kind="callable or None", signatures=EVERYWHERE, resumable=True,
    ),
    Parameter(
        "n_threads", "int | None", None, None,
        """
        Threads to use; None takes every core that the process may use, at most
        `NONNEG_NUM_THREADS` or `OMP_NUM_THREADS`. The result doesn't depend on it.
        """,
        signatures=EVERYWHERE, resumable=True,
        option=Option("Threads to use.", int, "N", flags=("--threads",), least=1, shown="all cores"),
    ),
    Parameter(
        "compress", 'bool | Literal["auto"]', False,
        Rule(
            lambda v: is_bool(v) or is_word(v, "auto"),
            f"{BOOL.allowed} or a str among {{'auto'}}",
            "'auto' compresses dense data where that was measured to be faster.",
        ),
        """
        Whether "hals" or "bpp" starts on a compressed dense X, k + 20 directions of its
        range, and finishes with five iterations or more on X itself. "auto" does so
        where that was measured to be faster. Objectives are always those of X; NaN in
        `history_` before the finish.
        """,
        option=Option("Start on compressed dense data: no, yes or auto (hals, bpp).",
                      metavar="NAME", panel=START, default="no",
                      convert=by_word({"no": False, "yes": True})),
    ),
    Parameter(
        "blocks", "int | None", None,
        Rule(
            lambda v: v is None or is_integer(v),
            "an int in the range [1, inf) or None",
            "Pass the number of blocks of rows after each of which H moves, or None.",
        ),
        """
        With "hals", cut X into this many blocks of rows. In the first two passes H moves
        after each block, by sums over all rows that are kept exact [8]_; then the fit
        goes on as it does without blocks. Before the first pass up to ten sweeps are
        done over the first block, if it has 50 rows for each component or more: put rows
        in no order there. A given start may be left for a worse one.
        Of an X in a store two blocks are in memory at a time. None means no blocks,
        except for solver="auto" and an X in a store where they save passes.
        """,
    ),
    Parameter(
        "memory_limit", "int | str | None", None,
        Rule(
            lambda v: v is None or is_limit(v),
            "an int in the range [1, inf), a str such as '2GB' or None",
            "Pass bytes, a size, or None for no limit.",
        ),
        """
        Bytes, or a size such as "2GB", that the fit may take beyond what is in memory
        before it. For an X that is read in parts it bounds what is read at a time; a
        limit that the factors exceed is refused before any work.
        """,
        resumable=True,
        option=Option("Memory to stay within, such as 2GB; a matrix of more than half of it is "
                      "read in parts.", metavar="SIZE", shown="the free memory"),
    ),
    Parameter(
        "checkpoint", "str | os.PathLike[str] | None", None,
        Rule(
            lambda v: v is None or isinstance(v, str | os.PathLike),
            "a str, a path-like object or None",
            "Pass the name of a file, or None for no checkpoints.",
        ),
        """
        File that the fit is written to from time to time and at its end, atomically; the
        one before is kept as "<name>.previous". As large as the solver's arrays (up to
        four times W and H). A full disk ends no fit, it warns.
        """,
        kind="str, path-like or None", signatures=(NMF, BATCH), resumable=True,
        option=Option("File to write the fit to from time to time.", Path, "PATH", CHECKPOINTS,
                      convert=lambda path, *_: None if path is None else str(path)),
    ),
    Parameter(
        "checkpoint_every", "float", 60.0,
        Rule(
            lambda v: is_integer(v) or (is_real(v) and v > 0),
            "a float in the range (0.0, inf) or an int in the range [1, inf)",
            "A float means seconds, an int iterations.",
        ),
        """
        Seconds from one checkpoint to the next; an int counts iterations.
        """,
        kind="float or int", signatures=(NMF, BATCH), resumable=True,
        option=Option("Seconds from one to the next; 10i: every 10 iterations.", metavar="X",
                      panel=CHECKPOINTS, convert=_interval_of),
    ),
    Parameter(
        "resume", "bool", False, BOOL,
        """
        Whether to go on from the checkpoint, if there is one. The result is that of a
        fit without interruption, to the last bit. Parameters that only bound what a fit
        takes, such as `max_iter`, `max_time`, `tol` and `n_threads`, may have changed. A
        checkpoint of other data or parameters is refused.
        """,
        signatures=(NMF, BATCH), resumable=True,
        option=Option("Go on from --checkpoint, if it is there.", bool, panel=CHECKPOINTS),
    ),
    Parameter(
        "accelerate", "bool", False, BOOL,
        """
        Whether "mu" extrapolates its steps [7]_, for 0 ≤ `beta_loss` ≤ 2.
        """,
        signatures=(NMF, FUNCTION),
        option=Option("Extrapolate the steps (mu).", bool, panel=START),
    ),
    Parameter(
        "missing_values", "float | str | None", None, MISSING,
        """
        Entries of X that are missing, and left out of the loss: None: none, NaN is
        refused; numpy.nan: NaN, while zeros are observed, also those that a sparse X does
        not store; "unstored": all that a sparse X does not store, while stored zeros are
        observed; 0: every zero. Penalties by `alpha_W` and `alpha_H` then count for each
        row and column by the share of it that is observed.
        """,
        kind='numpy.nan, "unstored", 0 or None', signatures=EVERYWHERE,
        option=Option("Entries that are missing: none, nan, unstored or zero.", metavar="NAME",
                      flags=("--missing",), default="none",
                      convert=by_word({"none": None, "nan": math.nan, "zero": 0})),
    ),
    Parameter(
        "constraints_W", CONSTRAINTS, None,
        CONSTRAINED,
        """
        What is known about W: a constraint of `nonneg.constraints`, such as `Simplex()`, or
        a list of them. The solvers "hals", "bpp", "mu", "sn" and "auto" obey them, and
        `transform` does; constraints that name single rows then need as many as in the fit.
        """,
        kind="ConstraintBase, list of ConstraintBase or None", signatures=EVERYWHERE,
    ),
    Parameter(
        "constraints_H", CONSTRAINTS, None,
        CONSTRAINED,
        """
        What is known about H, such as `Fixed(known)` with an array of the shape of
        `components_` that is NaN where an entry is free. Penalties and constraints together
        are minimised; a penalty that only makes a factor small is refused.
        """,
        kind="ConstraintBase, list of ConstraintBase or None", signatures=EVERYWHERE,
    ),
)  # fmt: skip
"""Entries in the order of the signatures. The next one goes to the end; then
tools/write_parameters.py writes the signatures, docstrings and fields, and the command line
has its option."""
