"""
Topics that begin with seed words
=================================

Whoever reads texts knows a few words of what is looked for. A fit that begins with the documents
which have these words, as it is often done, may move on to other topics: here two or three of eight
seed words are then among the ten largest of their topics. ``Target`` holds topics to their words: seven
or eight are, and beside them the words that go with them.
"""

from __future__ import annotations

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfVectorizer

from nonneg import NMF
from nonneg.constraints import Simplex, Target

# %%
# Texts
# -----
#
# Docstrings of Python's standard library, one document for each function or method.

MODULES = [
    "argparse",
    "decimal",
    "email.message",
    "ftplib",
    "http.client",
    "logging",
    "pathlib",
    "socket",
    "statistics",
    "subprocess",
    "tarfile",
    "threading",
    "turtle",
    "unittest",
    "zipfile",
]


def docstrings(module: str) -> list[str]:
    """Documentation of the public functions, classes and methods of a module."""
    try:
        things = vars(importlib.import_module(module)).items()
    except ImportError:  # turtle needs tkinter, which some systems leave out
        return []
    documents = []
    for name, thing in things:
        if inspect.isclass(thing) and not name.startswith("_"):
            documents += [inspect.getdoc(part) or "" for part in vars(thing).values()]
        elif inspect.isfunction(thing):
            documents.append(inspect.getdoc(thing) or "")
    return [text for text in documents if len(text.split()) > 8]


# a text that many methods inherit counts once
texts = list(dict.fromkeys(text for m in MODULES for text in docstrings(m)))
vectorizer = TfidfVectorizer(
    stop_words="english", token_pattern=r"[a-z]{3,}", min_df=4, max_df=0.2
)
X = csr_array(vectorizer.fit_transform(texts))
words = vectorizer.get_feature_names_out()
print(f"{X.shape[0]} documents, {X.shape[1]} words")

# %%
# Seeds
# -----
#
# Two words for each of four topics. A seed word has the target 0.5 in its topic and 0 in the
# others; all other words are free (NaN). Four more topics without seeds take what is left.

SEEDS = {
    "files": ["file", "path"],
    "numbers": ["decimal", "number"],
    "network": ["server", "connection"],
    "threads": ["thread", "lock"],
}
column = {word: j for j, word in enumerate(words)}
target = np.full((8, len(words)), np.nan)
for seeds in SEEDS.values():
    target[:4, [column[word] for word in seeds]] = 0
for topic, seeds in enumerate(SEEDS.values()):
    target[topic, [column[word] for word in seeds]] = 0.5


# %%
# Fits
# ----
#
# A seeded topic begins as the mean of the documents with its words, the others as means of
# documents that have none of them.

counts = np.stack([X[:, [column[w] for w in seeds]].sum(1) for seeds in SEEDS.values()])
unseeded = np.flatnonzero(counts.sum(axis=0) == 0)
some = np.random.default_rng(0).choice(unseeded, (4, 60))
H = np.vstack(
    [(X.T @ weights) / weights.sum() for weights in counts]
    + [X[rows].mean(axis=0) for rows in some]
)
start = {"W": np.full((len(texts), 8), 1 / 8), "H": H + 1e-6}
options = {"solver": "hals", "init": "custom", "tol": 1e-3, "max_iter": 500}

by_start = NMF(8, **options).fit(X, **start)
model = NMF(
    8,
    constraints_W=Simplex(at_most=True),
    constraints_H=Target(target, 20.0),
    **options,
).fit(X, **start)
for title, fitted in (("By the start alone", by_start), ("With Target", model)):
    print(title)
    for name, h in zip(SEEDS, fitted.components_, strict=False):
        print(f"  {name:8s}", *words[np.argsort(-h)[:9]])

# %%
# What came with the seeds
# ------------------------
#
# The largest words of each topic with ``Target``; seeds are dark.

fig, axes = plt.subplots(1, 4, figsize=(9, 3.4), layout="constrained")
for ax, (name, seeds), h in zip(axes, SEEDS.items(), model.components_, strict=False):
    top = np.argsort(-h)[:10][::-1]
    colours = ["C0" if words[j] in seeds else "#a9c7e0" for j in top]
    ax.barh(words[top], h[top], color=colours)
    ax.set_title(name)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xticks([])
plt.show()
