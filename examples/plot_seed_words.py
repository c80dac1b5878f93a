"""
Topics that begin with seed words
=================================

Whoever reads texts knows a few words of what is looked for. ``Target`` draws components towards
these words, and the fit finds the words that go with them; the topics are those that were asked
for, in the order in which they were asked for.
"""

from __future__ import annotations

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
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
X = vectorizer.fit_transform(texts)
words = vectorizer.get_feature_names_out()
print(f"{X.shape[0]} documents, {X.shape[1]} words")

# %%
# Seeds
# -----
#
# Two words for each of four topics. A seed word has the target 3 in its topic and 0 in the others;
# all other words are free (NaN). Four more topics without seeds take what is left.

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
    target[topic, [column[word] for word in seeds]] = 3

model = NMF(
    8,
    solver="hals",
    tol=1e-3,
    max_iter=500,
    random_state=0,
    constraints_W=Simplex(at_most=True),
    constraints_H=Target(target, 20.0),
).fit(X)
for name, h in zip(SEEDS, model.components_, strict=False):
    print(f"{name:8s}", *words[np.argsort(-h)[:9]])

# %%
# What came with the seeds
# ------------------------
#
# The largest words of each topic; seeds are dark.

fig, axes = plt.subplots(1, 4, figsize=(9, 3.4), layout="constrained")
for ax, (name, seeds), h in zip(axes, SEEDS.items(), model.components_, strict=False):
    top = np.argsort(-h)[:10][::-1]
    colours = ["C0" if words[j] in seeds else "#a9c7e0" for j in top]
    ax.barh(words[top], h[top], color=colours)
    ax.set_title(name)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xticks([])
plt.show()
