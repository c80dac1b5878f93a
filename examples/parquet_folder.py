"""
A folder of Parquet files
=========================

Fit a folder of Parquet files: columns of numbers, read by row groups.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from nonneg import NMF

with tempfile.TemporaryDirectory() as folder:
    rng = np.random.default_rng(0)
    H = rng.gamma(0.3, size=(4, 12))
    for month in range(1, 4):
        X = rng.gamma(1.0, size=(1000, 4)) @ H
        table = pa.table({f"item {j}": X[:, j] for j in range(12)})
        pq.write_table(table, Path(folder) / f"{month:02}.parquet", row_group_size=250)

    baskets = ds.dataset(folder)
    model = NMF(4, solver="hals", random_state=0).fit(baskets)
    print(f"{baskets.count_rows()} rows of {len(baskets.files)} files")
    for component in model.components_:
        print("most of", baskets.schema.names[component.argmax()])
