"""
Topics of texts
===============

What is the documentation of Python's standard library about? Words of some 900 docstrings,
factorized by the Kullback-Leibler divergence, answer with eight lists of words.
"""

from __future__ import annotations

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

import nonneg
from nonneg.analysis import plot_components

# %%
# Texts
# -----
#
# Each docstring of a class, function or method is a document. The module that it comes from
# is kept for later; the fit doesn't see it.

MODULES = [
    "argparse",
    "asyncio",
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
    "tkinter",
    "turtle",
    "unittest",
    "xml.dom.minidom",
    "zipfile",
]


def docstrings(module: str) -> list[str]:
    """Documentation of the public functions, classes and methods of a module."""
    try:
        things = vars(importlib.import_module(module)).items()
    except ImportError:  # some systems leave out tkinter
        return []
    documents = []
    for name, thing in things:
        if inspect.isclass(thing) and not name.startswith("_"):
            documents += [inspect.getdoc(part) or "" for part in vars(thing).values()]
        elif inspect.isfunction(thing):
            documents.append(inspect.getdoc(thing) or "")
    return [text for text in dict.fromkeys(documents) if len(text.split()) > 20]


texts, source = [], []
for number, module in enumerate(MODULES):
    documents = docstrings(module)
    texts += documents
    source += [number] * len(documents)

vectorizer = CountVectorizer(
    stop_words="english", min_df=5, max_df=0.2, token_pattern="[a-z]{3,}"
)
X = vectorizer.fit_transform(texts).astype(float)
print(f"{X.shape[0]:,} texts × {X.shape[1]:,} words, {X.nnz:,} counts above 0")

# %%
# A fit
# -----
#
# Counts want the Kullback-Leibler divergence, which is the likelihood of Poisson counts. The
# fit is then the estimate of probabilistic latent semantic analysis, and
# :func:`nonneg.topic_distributions` makes probabilities of W and H.

model = nonneg.NMF(
    8, solver="auto", beta_loss="kullback-leibler", random_state=0, max_iter=500
)
W = model.fit_transform(X)
topics = nonneg.topic_distributions(W, model.components_)
print(f"solver {model.solver_}: {model.stop_reason_} after {model.n_iter_} iterations")

# %%
# Words
# -----
#
# The likeliest words of each topic, and how much of all words the topic explains. No one has
# told the model that there are windows, sockets, or a turtle.

shares = topics.sizes @ topics.document_topics / topics.sizes.sum()
words = vectorizer.get_feature_names_out()
plot_components(model, feature_names=words, n_top=8, shares=shares)
plt.show()

# %%
# Where the topics live
# ---------------------
#
# The mean share of each topic in the docstrings of a module. Modules about one thing have one
# bright field; the others are mixtures, and their topics are shared: that is what a
# factorization tells and a clustering can't.

source = np.array(source)
present = np.unique(source)
mixture = np.array([topics.document_topics[source == m].mean(axis=0) for m in present])
order = np.argsort(mixture.argmax(axis=1), kind="stable")

fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
image = ax.imshow(mixture[order], aspect="auto", vmin=0)
ax.set_yticks(range(len(present)), [MODULES[present[i]] for i in order])
ax.set_xticks(range(8), [words[t.argmax()] for t in topics.topic_words], rotation=30)
ax.set_xlabel("topic, by its likeliest word")
ax.spines[:].set_visible(False)
fig.colorbar(image, label="mean share of the topic")
plt.show()

# %%
# A view to search in
# -------------------
#
# ``nonneg.show`` as the last line of a cell lists all components, to be searched and put into
# another order; ``nonneg.report(model, X).save("topics.html")`` writes a page to send.

nonneg.show(model, X, feature_names=words)
