"""Sizes of blocks that Python shares with the compiled core, which says what they are."""

from __future__ import annotations

SUMMARY_ENTRIES = 1 << 16
"""Entries whose sums are taken at once."""
FACTOR_ROWS = 512
"""Rows of a factor that a task solves for."""
DENSE_ROWS_UNIT = 32
"""Blocks of a dense X have a multiple of so many rows."""
SLOT_BYTES = 16 << 20
"""Bytes of the accumulators for Xᵀ·W: as many as fit, two at least."""
MOST_SLOT_BYTES = 48 << 20
"""Bytes of an accumulator from which X is read by panels of features."""

try:
    from .. import _core
except ImportError:
    pass  # the numbers above, which need agree with nothing else then
else:
    SUMMARY_ENTRIES = _core.SUMMARY_ENTRIES
    FACTOR_ROWS = _core.FACTOR_ROWS
    DENSE_ROWS_UNIT = _core.DENSE_ROWS_UNIT
    SLOT_BYTES = _core.SLOT_BYTES
    MOST_SLOT_BYTES = _core.MOST_SLOT_BYTES
