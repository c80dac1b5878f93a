"""
On a Dask cluster
=================

Blocks of a Dask array stay on the workers that hold them. Each pass sends H out and brings
sums of the size of H back, so that a cluster fits what no machine of it could hold. Here the
cluster is one machine with two workers.
"""

from __future__ import annotations

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster

from nonneg import NMF

# %%
# A cluster and an array
# ----------------------
#
# Each worker makes its blocks and keeps them: nobody ever holds all of X. Workers are threads of
# this process here; ``Client("tcp://...")`` names the scheduler of a real cluster.


def block(number: int) -> np.ndarray:
    """Rows of the array, made from the number of their block."""
    rng = np.random.default_rng([0, number])
    H = np.random.default_rng(1).gamma(0.3, size=(4, 80))
    return rng.gamma(0.5, size=(1000, 4)) @ H + 0.02 * rng.random((1000, 80))


cluster = LocalCluster(
    n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
)
client = Client(cluster)
workers = sorted(client.scheduler_info()["workers"])
futures = [
    client.submit(block, number, workers=[workers[number % 2]]) for number in range(6)
]
X = da.concatenate([da.from_delayed(f, (1000, 80), float) for f in futures])
print(X)

# %%
# A fit
# -----
#
# The arguments are those of any other fit. W comes back as a Dask array, which stays on the
# workers too.

model = NMF(4, solver="hals", init="random", random_state=0, tol=1e-3)
W = model.fit_transform(X)
print(f"{model.stop_reason_} after {model.n_iter_} iterations; W is {W}")

# %%
# The same rows in memory, on threads:

alone = NMF(4, solver="hals", init="random", random_state=0, tol=1e-3)
W_alone = alone.fit_transform(X.compute())
gap = np.abs(alone.components_ - model.components_).max() / model.components_.max()
print(f"largest difference of H, of its largest entry: {gap:.1e}")

# %%
# What is where
# -------------
#
# Left, the rows of W: each block has the colour of the worker that holds its part of X. Right, the
# objective after each iteration, on the cluster and in memory.

holders = client.who_has(futures)
owner = [workers.index(min(holders[future.key])) for future in futures]
sums = W.sum(axis=1).compute().reshape(6, -1).mean(axis=1)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.barh(range(6), sums, color=[f"C{w}" for w in owner], height=0.8)
for w in range(len(workers)):
    left.barh([0], [0], color=f"C{w}", label=f"worker {w}")
left.set(xlabel="mean sum of a row of W", ylabel="block of 1,000 rows")
left.invert_yaxis()
left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)
for fit, name, style in ((model, "cluster", "-"), (alone, "in memory", "--")):
    seen = fit.history_["objective"]
    right.semilogy(np.arange(1, len(seen) + 1), seen, style, label=name)
right.set(xlabel="iteration", ylabel="objective")
right.legend()
plt.show()

client.close()
cluster.close()
