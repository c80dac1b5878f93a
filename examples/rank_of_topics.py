"""
Number of topics
================

How many topics there are, and which of them come back: words of Python's documentation.
"""

from __future__ import annotations

import inspect
import logging
import subprocess

from sklearn.feature_extraction.text import CountVectorizer

from nonneg import consensus, select_rank


def texts():
    """Documentation of the functions and classes of some modules, one text each."""
    import argparse
    import collections
    import email.message
    import json
    import pathlib
    import socket
    import statistics
    import threading
    import zipfile

    modules = (
        argparse, collections, email.message, json, logging, pathlib, socket, statistics,
        subprocess, threading, zipfile,
    )  # fmt: skip
    documents = []
    for module in modules:
        for thing in vars(module).values():
            if inspect.isclass(thing) or inspect.isfunction(thing):
                documents += [
                    inspect.getdoc(part) or ""
                    for part in (thing, *vars(thing).values())
                    if inspect.isclass(part) or inspect.isfunction(part)
                ]
    return [text for text in dict.fromkeys(documents) if len(text.split()) > 20]


vectorizer = CountVectorizer(stop_words="english", min_df=4, token_pattern="[a-z]{3,}")
X = vectorizer.fit_transform(texts()).astype(float)
print(f"{X.shape[0]} texts, {X.shape[1]} words")

selection = select_rank(
    X, range(2, 13, 2), beta_loss="kullback-leibler", folds=3, random_state=0
)
print(f"\n{selection}\n")

k = selection.n_components
agreed = consensus(
    X, k, n_runs=8, beta_loss="kullback-leibler", random_state=0, density_threshold=2
)
words = vectorizer.get_feature_names_out()
for t, topic in enumerate(agreed.components_):
    top = ", ".join(words[topic.argsort()[::-1][:6]])
    print(f"in {100 * agreed.share_of_runs[t]:3.0f} % of the runs: {top}")
